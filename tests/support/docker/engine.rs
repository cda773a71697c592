//! The engine: started, asked, and stopped again whatever happens to the tests.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::super::archive::Tree;
use super::super::process;
use super::container::Container;

/// An engine is ready in about a second; a machine under load may need longer.
const START_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(30);
/// For one call of the `docker` program that does not wait for a container.
pub(super) const CALL_BOUND: Duration = Duration::from_secs(60);

/// A `dockerd` with its own data, sockets and containerd namespace in a directory that is deleted at the end.
///
/// It has no bridge and touches no firewall, so a container has no network or another container's. It is
/// stopped when it is dropped, and when the test process dies without dropping it.
pub struct Engine {
    directory: PathBuf,
    docker: PathBuf,
    daemon: Mutex<Option<Child>>,
    images: Mutex<HashSet<String>>,
    /// The thread that started the daemon lives until this end of its channel is dropped.
    _keeper: mpsc::Sender<()>,
}

impl Engine {
    /// The engine that the tests of this binary share, started by the first call and stopped at the end of
    /// the process.
    ///
    /// # Errors
    ///
    /// As [`Engine::start`]; the error is the same for every test that asks.
    pub fn shared() -> Result<&'static Self, &'static str> {
        static SHARED: OnceLock<Result<Engine, String>> = OnceLock::new();
        // A static is never dropped, and the test harness ends the process with exit().
        extern "C" fn stop_shared() {
            if let Some(Ok(engine)) = SHARED.get() {
                engine.stop();
            }
        }
        SHARED
            .get_or_init(|| {
                let engine = Self::start(&[])?;
                // SAFETY: the function lives as long as the program, and exit() calls it once.
                unsafe { libc::atexit(stop_shared) };
                Ok(engine)
            })
            .as_ref()
            .map_err(String::as_str)
    }

    /// Starts an engine and waits until it answers; `arguments` are further ones for `dockerd`, such as
    /// `--init-path=…`. [`Engine::shared`] is the one to use where it needs none.
    ///
    /// # Errors
    ///
    /// When this machine cannot run an engine: not root, Docker not installed, or a daemon that ends at once
    /// or does not get ready, which the message explains with the end of its log.
    pub fn start(arguments: &[&str]) -> Result<Self, String> {
        // SAFETY: geteuid has no preconditions and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            return Err("a Docker engine needs root".to_owned());
        }
        let dockerd = process::find_program("dockerd", "docker.io")?;
        let docker = process::find_program("docker", "docker.io or docker-cli")?;
        // Not below TMPDIR: the path of a Unix socket has at most 107 bytes (unix(7)), and containerd adds
        // 40.
        let directory = tempfile::Builder::new()
            .prefix("epitaph-docker-")
            .tempdir_in("/tmp")
            .map_err(|error| format!("/tmp: {error}"))?
            .keep();
        let daemon = daemon_command(&dockerd, &directory, arguments)
            .and_then(|command| spawn_for_this_process(command).map_err(|error| error.to_string()));
        let (daemon, keeper) = daemon.map_err(|error| {
            let _ = std::fs::remove_dir_all(&directory);
            format!("dockerd: {error}")
        })?;
        let engine = Self {
            directory,
            docker,
            daemon: Mutex::new(Some(daemon)),
            images: Mutex::default(),
            _keeper: keeper,
        };
        engine.wait_until_ready()?;
        Ok(engine)
    }

    /// A call of the `docker` program for this engine, to which the caller adds the arguments.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.docker);
        for variable in ["DOCKER_CONTEXT", "DOCKER_API_VERSION", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
            command.env_remove(variable);
        }
        // Its own configuration directory: the user's may hold a context, a proxy or a plug-in.
        command
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", self.directory.join("cli"));
        command
    }

    /// What `docker` with these arguments writes on stdout.
    ///
    /// # Panics
    ///
    /// When it fails, with what it wrote on stderr.
    #[track_caller]
    pub fn docker(&self, arguments: &[&str]) -> String {
        process::stdout(self.command().args(arguments), CALL_BOUND).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the engine answers to a request of its API ("Docker Engine API"), as JSON.
    ///
    /// # Panics
    ///
    /// When it does not answer, or with no JSON.
    #[track_caller]
    pub fn get(&self, path: &str) -> serde_json::Value {
        let ask = || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(CALL_BOUND))?;
            stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n").as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = ask().unwrap_or_else(|error| panic!("{path}: {error}"));
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
    }

    /// Makes the image `name` of a tree, as `FROM scratch` and `COPY` would; `changes` are Dockerfile
    /// instructions such as `ENTRYPOINT ["/epitaph", "--"]`. The first call with a name makes the image, and
    /// a test that calls at the same time waits for it; later calls do nothing.
    ///
    /// # Errors
    ///
    /// Those of `tree`.
    ///
    /// # Panics
    ///
    /// When the engine refuses the image.
    #[track_caller]
    pub fn import(
        &self,
        name: &str,
        tree: impl FnOnce() -> Result<Tree, String>,
        changes: &[&str],
    ) -> Result<(), String> {
        // A test that panicked in here left the set as it was.
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if images.contains(name) {
            return Ok(());
        }
        let archive = self.directory.join(format!("{name}.tar"));
        std::fs::write(&archive, tree()?.to_tar()).unwrap_or_else(|error| panic!("{error}"));
        let mut command = self.command();
        command.arg("import");
        for change in changes {
            command.args(["--change", change]);
        }
        process::stdout(command.arg(&archive).arg(name), CALL_BOUND)
            .unwrap_or_else(|error| panic!("{error}"));
        let _ = std::fs::remove_file(&archive);
        images.insert(name.to_owned());
        Ok(())
    }

    /// Creates a container, which [`Container::start`] starts: `options` stand before the image in
    /// `docker create`, `command` after it. It has no network unless an option says so.
    ///
    /// # Panics
    ///
    /// When the engine refuses it.
    #[track_caller]
    pub fn create(&self, image: &str, options: &[&str], command: &[&str]) -> Container<'_> {
        let mut arguments = vec!["create"];
        let names_a_network = options.iter().any(|option| option.starts_with("--net"));
        if !names_a_network {
            arguments.push("--network=none");
        }
        arguments.extend(options);
        arguments.push(image);
        arguments.extend(command);
        Container::new(self, self.docker(&arguments))
    }

    /// Creates a container and starts it.
    ///
    /// # Panics
    ///
    /// As [`Engine::create`] and [`Container::start`].
    #[track_caller]
    pub fn run(&self, image: &str, options: &[&str], command: &[&str]) -> Container<'_> {
        let container = self.create(image, options, command);
        container.start();
        container
    }

    /// Removes what containers are left, ends the daemon, which ends its containerd, and deletes everything.
    /// Never panics: it also runs while a test unwinds and while the process exits.
    pub fn stop(&self) {
        let Some(mut daemon) = self.daemon.lock().ok().and_then(|mut daemon| daemon.take()) else {
            return;
        };
        let left = process::stdout(self.command().args(["ps", "--all", "--quiet"]), CALL_BOUND);
        let left = left.unwrap_or_default();
        if !left.is_empty() {
            let remove = ["rm", "--force", "--volumes"];
            let _ = process::output(self.command().args(remove).args(left.lines()), CALL_BOUND);
        }
        terminate(&daemon);
        if process::wait_for(&mut daemon, STOP_BOUND).is_err() {
            // Its containerd gets the same signal from the kernel: dockerd sets that up.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        unmount_below(&self.directory);
        let _ = std::fs::remove_dir_all(&self.directory);
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let explained = |why: String| {
            format!("dockerd: {why}; the end of its log:\n{}", process::tail(&log_file(&self.directory), 15))
        };
        process::wait_until("the engine's answer", START_BOUND, || {
            let ended = self.daemon.lock().ok()?.as_mut()?.try_wait().ok()?;
            match ended {
                Some(status) => Some(Err(format!("ended with {status}"))),
                None => is_ready(&self.socket()).then_some(Ok(())),
            }
        })
        .and_then(|ready| ready)
        .map_err(explained)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("dockerd.log")
}

fn daemon_command(dockerd: &Path, directory: &Path, arguments: &[&str]) -> Result<Command, String> {
    let at = |name: &str| directory.join(name).display().to_string();
    // Instead of /etc/docker/daemon.json, whose settings may contradict these.
    std::fs::write(at("daemon.json"), "{}").map_err(|error| error.to_string())?;
    let log = File::create(log_file(directory)).map_err(|error| error.to_string())?;
    let log_too = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = Command::new(dockerd);
    command
        .args([
            format!("--config-file={}", at("daemon.json")),
            format!("--data-root={}", at("data")),
            format!("--exec-root={}", at("exec")),
            format!("--pidfile={}", at("dockerd.pid")),
            format!("--host=unix://{}", at("docker.sock")),
            // Where the machine runs a containerd of its own, dockerd uses that one: apart from the others'
            // things.
            format!("--containerd-namespace=epitaph-test-{}", std::process::id()),
            format!("--containerd-plugins-namespace=epitaph-test-plugins-{}", std::process::id()),
        ])
        .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--storage-driver=vfs"])
        // For the containers that a dying test process leaves; `stop` removes them before.
        .arg("--shutdown-timeout=2")
        .args(arguments)
        .env_remove("DOCKER_HOST")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_too)
        // Not in the terminal's foreground group: ctrl-C is for the test process, whose end ends the daemon.
        .process_group(0);
    Ok(command)
}

/// Starts `command` so that it gets SIGTERM when this process dies, however that happens.
///
/// The kernel sends the signal when the *thread* dies that forked (`PR_SET_PDEATHSIG` in prctl(2)), and a
/// test's thread ends with the test; so a thread of its own starts the program, and lives until the sender is
/// dropped.
fn spawn_for_this_process(mut command: Command) -> std::io::Result<(Child, mpsc::Sender<()>)> {
    // SAFETY: prctl with this option only sets a number in the calling process, and is async-signal-safe.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    let (give, spawned) = mpsc::channel();
    let (keeper, kept) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = give.send(command.spawn());
        let _ = kept.recv();
    });
    let child = spawned.recv().map_err(|_| std::io::Error::other("the thread that starts it panicked"))??;
    Ok((child, keeper))
}

/// Whether `GET /_ping` is answered with 200 (Docker Engine API, "Ping").
fn is_ready(socket: &Path) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status.to_vec())
    };
    ask().is_ok_and(|status| status.ends_with(b" 200"))
}

fn terminate(child: &Child) {
    use nix::sys::signal::{Signal, kill};
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// Undoes the mounts that the engine left in its directory, the innermost first.
fn unmount_below(directory: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // The fifth field is the mount point (proc_pid_mountinfo(5)); ours hold no character that is escaped
    // there.
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    let mut points: Vec<&str> = points.filter(|point| Path::new(point).starts_with(directory)).collect();
    points.reverse();
    for point in points.into_iter().filter_map(|point| std::ffi::CString::new(point).ok()) {
        // SAFETY: the path is a C string that lives through the call.
        unsafe { libc::umount2(point.as_ptr(), libc::MNT_DETACH) };
    }
}
