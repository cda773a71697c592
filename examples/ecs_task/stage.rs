//! What epitaph runs in, and how it is run.

use std::cell::RefCell;
use std::collections::HashSet;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Result;
use crate::page::write;

/// How long one run may take. What the scripts wait for is there within milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a script prints when a signal may come.
const READY: &str = "ready";

/// What makes PID 1 of the command that follows, for root.
const UNSHARE: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];

/// The same for everyone, where user namespaces are allowed.
const UNSHARE_AS_USER: [&str; 6] =
    ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];

/// What the processes of epitaph run in.
pub enum Place {
    /// A PID namespace made by this command, in which epitaph is PID 1.
    Namespace(&'static [&'static str]),
    /// No namespace: epitaph is a subreaper. And the reason.
    Subreaper(String),
}

impl Place {
    /// A PID namespace where the machine allows it. Each way to one is tried first.
    pub fn find() -> Place {
        let ways: [&'static [&'static str]; 2] = [&UNSHARE, &UNSHARE_AS_USER];
        let mut reason = String::new();
        for way in ways {
            match try_out(way) {
                Ok(()) => return Place::Namespace(way),
                Err(error) => reason = error,
            }
        }
        Place::Subreaper(format!("this machine gives no PID namespace ({reason})"))
    }
}

fn try_out(way: &[&str]) -> std::result::Result<(), String> {
    let (name, flags) = way.split_first().ok_or("no command")?;
    let tried = Command::new(name).args(flags).arg("true").stdin(Stdio::null()).output();
    let tried = tried.map_err(|error| format!("{name}: {error}"))?;
    if tried.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&tried.stderr);
    Err(said.lines().next().map_or_else(|| format!("{name}: {}", tried.status), str::to_owned))
}

/// Whom a signal from outside goes to.
#[derive(Clone, Copy)]
pub enum Whom {
    Epitaph,
    Program,
}

/// How a run ended, and what it printed.
pub struct Ended {
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
    /// As a shell would show it.
    pub code: i32,
}

/// All that the runs have in common.
pub struct Stage {
    pub epitaph: PathBuf,
    pub place: Place,
    /// Names and values.
    pub environment: Vec<(&'static str, String)>,
    /// Pass on what is printed, to the stream that it was printed to.
    pub raw: bool,
    /// What all runs so far have printed on stderr: the log of the container.
    pub log: RefCell<Vec<String>>,
}

impl Stage {
    /// The words before the program: those that make the place, and those from epitaph to `--`.
    pub fn command(&self, options: &[&str]) -> (Vec<String>, Vec<String>) {
        let (place, own): (&[&str], &[&str]) = match self.place {
            Place::Namespace(way) => (way, &[]),
            Place::Subreaper(_) => (&[], &["-s"]),
        };
        let mut epitaph = vec![self.epitaph.to_string_lossy().into_owned()];
        epitaph.extend(own.iter().chain(options).chain(&["--"]).map(ToString::to_string));
        (place.iter().map(ToString::to_string).collect(), epitaph)
    }

    /// Runs a shell script under epitaph. With a signal, the script is to print `ready` once it may come.
    pub fn run(&self, options: &[&str], script: &str, signal: Option<(Signal, Whom)>) -> Result<Ended> {
        let (place, epitaph) = self.command(options);
        let script = ["sh", "-c", script].map(str::to_owned);
        let mut child = start(&[place, epitaph, script.to_vec()].concat(), &self.environment)?;
        let ended = self.follow(&mut child, signal);
        if ended.is_err() {
            kill_all(&mut child);
        }
        ended
    }

    fn follow(&self, child: &mut Child, mut signal: Option<(Signal, Whom)>) -> Result<Ended> {
        let deadline = Instant::now() + PATIENCE;
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), false, sender.clone());
        forward(child.stderr.take(), true, sender);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((is_stderr, line)) => {
                    if self.raw {
                        pass_on(is_stderr, &line)?;
                    }
                    if line == READY
                        && let Some((signal, whom)) = signal.take()
                    {
                        let pid = self.pid_of(whom, child)?;
                        kill(Pid::from_raw(pid.cast_signed()), signal)?;
                    }
                    if is_stderr { stderr.push(line) } else { stdout.push(line) }
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("epitaph did not end within {PATIENCE:?}").into());
                }
            }
        }
        // Both pipes are closed, so all that could wait has been waited for.
        let status = child.wait()?;
        self.log.borrow_mut().extend(stderr.iter().cloned());
        let code = status.code().or(status.signal().map(|number| 128 + number)).unwrap_or(-1);
        Ok(Ended { stdout, stderr, code })
    }

    /// The process ID out here, where the signal is sent from.
    fn pid_of(&self, whom: Whom, child: &Child) -> Result<u32> {
        match whom {
            Whom::Epitaph => self.epitaph_of(child),
            Whom::Program => only_child(self.epitaph_of(child)?),
        }
    }

    /// The process ID of epitaph out here, of a command that was started.
    pub fn epitaph_of(&self, child: &Child) -> Result<u32> {
        match self.place {
            Place::Namespace(_) => only_child(child.id()),
            Place::Subreaper(_) => Ok(child.id()),
        }
    }
}

/// Ends a child that will not end by itself, and its own children.
pub fn kill_all(child: &mut Child) {
    for pid in children(child.id()).into_iter().flatten().chain([child.id()]) {
        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
    let _ = child.wait();
}

/// Starts a command with this environment and `PATH`, and nothing else: only what an ECS agent would set;
/// what the caller's own environment holds must not play a part.
pub fn start(words: &[String], environment: &[(&'static str, String)]) -> Result<Child> {
    let (name, arguments) = words.split_first().ok_or("no command")?;
    let child = Command::new(name)
        .args(arguments)
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// Sends each line on with a mark that tells whose it is, until the stream ends.
pub fn forward<T: Copy + Send + 'static>(
    stream: Option<impl Read + Send + 'static>,
    mark: T,
    to: Sender<(T, String)>,
) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(io::Result::ok) {
            if to.send((mark, String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
        }
    });
}

pub fn pass_on(is_stderr: bool, line: &str) -> io::Result<()> {
    let line = format!("{line}\n");
    if is_stderr { write(&mut io::stderr(), &line) } else { write(&mut io::stdout(), &line) }
}

pub fn only_child(parent: u32) -> Result<u32> {
    match children(parent)?.as_slice() {
        [child] => Ok(*child),
        found => Err(format!("process {parent} has {} children, not one", found.len()).into()),
    }
}

/// The children of a process, from the fourth field of each `/proc/PID/stat`: proc(5).
fn children(parent: u32) -> io::Result<Vec<u32>> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids: HashSet<u32> = names.filter_map(|name| name.parse().ok()).collect();
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The second field is the name in parentheses, and may hold some itself.
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        after_name.split(' ').nth(1).and_then(|field| field.parse().ok()) == Some(parent)
    };
    Ok(pids.into_iter().filter(is_child).collect())
}
