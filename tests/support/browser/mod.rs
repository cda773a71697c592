//! A real browser without a window, driven by the DevTools protocol over a pipe: nothing between the test and
//! Chromium has to be installed.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// For one answer. A machine under load takes its time.
const BOUND: Duration = Duration::from_secs(120);

/// The names that Chromium and what is made of it have in Debian and elsewhere.
const NAMES: [&str; 5] =
    ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The browser of this machine.
///
/// # Errors
/// What to install.
pub fn executable() -> Result<PathBuf, &'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates =
        NAMES.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    candidates.into_iter().find(|path| path.is_file()).ok_or("install Debian's package chromium")
}

/// A browser with one page in it.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    number: u64,
    /// what came beside the answers: `method` and `params`
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts `executable`.
    pub fn start(executable: &Path) -> Browser {
        let profile = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("sh");
        // It reads commands from descriptor 3 and answers on 4. Its own words are of no interest.
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"]).arg(executable);
        command.args([
            "--headless=new",
            "--remote-debugging-pipe",
            // Tests run as root, and the pages are our own.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // What it would ask its maker for.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let to = child.stdin.take().expect("a pipe");
        let answers = child.stdout.take().expect("a pipe");
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON of the browser");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser =
            Browser { child, to, from, session: None, number: 0, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", target);
        browser.session = Some(session["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    fn next(&mut self, until: Instant, what: &str) -> Value {
        let left = until.saturating_duration_since(Instant::now());
        self.from.recv_timeout(left).unwrap_or_else(|error| panic!("the browser and {what}: {error}"))
    }

    /// Calls a method, and gives its result.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut message = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser reads");
        let until = Instant::now() + BOUND;
        loop {
            let message = self.next(until, method);
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    /// Opens a file in a window of this width, with this colour scheme, and forgets what came before.
    pub fn open(&mut self, file: &Path, width: u32, scheme: &str) {
        self.resize(width, 900);
        self.media("screen", scheme);
        self.events.clear();
        self.call("Page.navigate", json!({"url": format!("file://{}", file.display())}));
        let until = Instant::now() + BOUND;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next(until, "the page");
            self.events.push(event);
        }
    }

    fn resize(&mut self, width: u32, height: u64) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Shows the page as on this medium, `screen` or `print`, in this colour scheme.
    pub fn media(&mut self, medium: &str, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"media": medium, "features": features}));
    }

    /// The value of an expression in the page, awaited where it is a promise.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Presses a key and lets it go.
    pub fn press(&mut self, key: &str, code: u32) {
        // Enter is a text, too; other keys do something by themselves.
        let text = if key == "Enter" { "\r" } else { "" };
        let down = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        for kind in [down, "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" {
                event["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// A picture of the page, as PNG in base64; of a long one its beginning.
    pub fn picture(&mut self, width: u32) -> String {
        let height = self.evaluate("document.documentElement.scrollHeight").as_u64().unwrap_or(900);
        self.resize(width, height.clamp(100, 6000));
        let answer = self.call("Page.captureScreenshot", json!({"format": "png", "optimizeForSpeed": true}));
        self.resize(width, 900);
        answer["data"].as_str().expect("a picture").to_owned()
    }

    /// What is printed, as PDF in base64.
    pub fn print(&mut self) -> String {
        let answer =
            self.call("Page.printToPDF", json!({"preferCSSPageSize": true, "printBackground": true}));
        answer["data"].as_str().expect("a document").to_owned()
    }

    /// What it asked the network for since the page was opened, beside the page itself.
    pub fn requests(&self) -> Vec<String> {
        let of = |event: &Value| {
            let request = event["method"] == "Network.requestWillBeSent";
            let params = &event["params"];
            // The page itself, whose loader has the request's number.
            let own = params["requestId"] == params["loaderId"] && params["type"] == "Document";
            (request && !own).then(|| params["request"]["url"].to_string())
        };
        self.events.iter().filter_map(of).collect()
    }

    /// What the console said since then: errors, warnings, what the policy of the page has refused.
    pub fn console(&self) -> Vec<String> {
        let is_word = |event: &&Value| {
            let methods = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];
            methods.iter().any(|method| event["method"] == *method)
        };
        self.events.iter().filter(is_word).map(|event| event["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends its own processes when it is asked to, and when nobody listens any more.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let until = Instant::now() + Duration::from_secs(10);
        while self.from.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
