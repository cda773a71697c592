//! Programs that are run for at most so long, and conditions that are waited for.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a condition is looked at while it is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Writes a file that is to be executed, mode 0755, by a process of its own: another test that forks just
/// then would have our own descriptor of it, and the kernel executes no file that somebody writes (ETXTBSY).
pub fn write_program(path: &Path, content: &[u8]) {
    let mut command = Command::new("sh");
    command.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut child = command.spawn().expect("sh");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(content).expect("a reader");
    drop(pipe);
    assert!(child.wait().expect("a child").success(), "{} cannot be written", path.display());
}

/// Waits until `condition` gives a value, for at most `bound`.
///
/// # Errors
///
/// When the bound is over; `what` names the condition in the message.
pub fn wait_until<T>(
    what: &str,
    bound: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> Result<T, String> {
    let begun = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if begun.elapsed() >= bound {
            return Err(format!("waited {bound:?} for {what}"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits for `child` for at most `bound`.
///
/// # Errors
///
/// When it still runs then. It is left running.
pub fn wait_for(child: &mut Child, bound: Duration) -> Result<ExitStatus, String> {
    let what = format!("process {} to end", child.id());
    wait_until(&what, bound, || child.try_wait().transpose())?.map_err(|error| error.to_string())
}

/// Runs `command` to its end and gives what it wrote, whatever its exit code.
///
/// # Errors
///
/// When the program cannot be started or still runs after `bound`; it is killed then.
pub fn output(command: &mut Command, bound: Duration) -> Result<Output, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    // Both pipes are emptied while the program runs, so that a full one does not stop it.
    let stdout = child.stdout.take().map(read_in_background);
    let stderr = child.stderr.take().map(read_in_background);
    let status = wait_for(&mut child, bound).map_err(|error| {
        let _ = child.kill();
        let _ = child.wait();
        format!("{name}: {error}")
    })?;
    let collected = |reader: Option<JoinHandle<Vec<u8>>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    Ok(Output { status, stdout: collected(stdout), stderr: collected(stderr) })
}

/// Runs `command` as [`output`] does and gives what it wrote on stdout, without the white space at its end.
///
/// # Errors
///
/// As [`output`], and when the program fails: the message then holds what it wrote on stderr.
pub fn stdout(command: &mut Command, bound: Duration) -> Result<String, String> {
    let output = output(command, bound)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}: {}", output.status, stderr.trim_end()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Where a program is on `PATH`, or in the directories of the administrator's programs, which the `PATH` of
/// other users often lacks.
///
/// # Errors
///
/// When it is in none of them; the message says which Debian `package` has it.
pub fn find_program(name: &str, package: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| format!("{name} is not installed (apt-get install {package})"))
}

/// The last `lines` lines of a log file, for a message; empty when it cannot be read.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn read_in_background(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}
