//! The container metadata file of ECS on EC2 (`ECS_CONTAINER_METADATA_FILE`).
//!
//! Format: "Amazon ECS container metadata file" in the Amazon ECS Developer Guide. The agent writes it before
//! it creates the container, with what it knows of the task, and replaces it by a rename some time after the
//! container's start, with the container's ID and the status `READY`; or never, when it fails.

use super::document::{Key, NotMetadata, Want, field, read as pick};
use super::metadata::Findings;
use super::{Deadline, Field, Source};
use crate::sys::reason;
use std::fmt;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

const SOURCE: Source = Source::MetadataFile;

/// The most that is read of the file, in bytes. It has about 1 KB.
const LONGEST: u64 = 64 * 1024;

/// How often the path is looked at while the file is not complete.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const CONTENT: Want = Want::Object(&[
    ("MetadataFileStatus", Want::Text(Key::Status)),
    ("Cluster", Want::Text(Key::Cluster)),
    ("ContainerInstanceARN", field(Field::InstanceArn)),
    ("TaskARN", field(Field::TaskArn)),
    ("TaskDefinitionFamily", field(Field::Family)),
    ("TaskDefinitionRevision", field(Field::Revision)),
    ("ContainerName", field(Field::ContainerName)),
    ("AvailabilityZone", field(Field::AvailabilityZone)),
    ("ContainerID", field(Field::ContainerId)),
    ("DockerContainerName", field(Field::DockerName)),
    ("ImageName", field(Field::Image)),
    ("ImageID", field(Field::ImageId)),
    ("Networks", Want::First(&Want::Object(&[("IPv4Addresses", Want::First(&field(Field::Ip)))]))),
]);

/// What the file told.
#[derive(Debug, Default)]
pub struct Reading {
    /// the values
    pub findings: Findings,
    /// whether the agent has completed the file
    pub is_ready: bool,
}

/// Why the file told nothing.
#[derive(Debug)]
pub enum Unreadable {
    /// it cannot be opened or read, or is not a regular file
    Io(io::Error),
    /// it holds something else
    Nonsense(NotMetadata),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Unreadable::Io(error) => f.write_str(&reason(error)),
            Unreadable::Nonsense(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unreadable {}

/// The content of the file.
///
/// # Errors
/// [`NotMetadata`] when `body` is not a JSON object.
pub fn parse(body: &[u8]) -> Result<Reading, NotMetadata> {
    let mut reading = Reading::default();
    for mut one in pick(body, &CONTENT)? {
        match one.key {
            Key::Status => reading.is_ready = one.text == "READY",
            // Docker's own form of the name, with a slash before it.
            Key::Field(Field::DockerName) => one.text = one.text.trim_start_matches('/').to_owned(),
            _ => {}
        }
        reading.findings.offer(&one, SOURCE);
    }
    Ok(reading)
}

/// Reads the file at once, complete or not.
///
/// # Errors
/// [`Unreadable`]. Never blocks, whatever is at `path`.
pub fn read(path: &Path) -> Result<Reading, Unreadable> {
    parse(&bytes_of(path).map_err(Unreadable::Io)?).map_err(Unreadable::Nonsense)
}

/// Reads the file again whenever it was replaced or written, until it is complete or `deadline` has passed,
/// which is `None`: the agent may never complete it.
pub fn wait_until_ready(path: &Path, deadline: Deadline) -> Option<Findings> {
    let mut before = None;
    loop {
        // The path and not an open file is looked at, because a rename puts another file there.
        let now = std::fs::metadata(path).ok().map(|metadata| version_of(&metadata));
        if now != before {
            before = now;
            if let Ok(Reading { findings, is_ready: true }) = read(path) {
                return Some(findings);
            }
        }
        if !deadline.sleep(LOOK_EVERY) {
            return None;
        }
    }
}

fn version_of(metadata: &Metadata) -> (u64, u64, i64, i64, u64) {
    (metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.size())
}

fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::with_capacity(4096);
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/default/fedcba9876543210fedcba9876543210";
    const INSTANCE: &str = "arn:aws:ecs:eu-west-1:123456789012:container-instance/default/0123";

    fn first() -> String {
        format!(
            r#""Cluster":"default","ContainerInstanceARN":"{INSTANCE}","TaskARN":"{ARN}","TaskDefinitionFamily":"web",
            "TaskDefinitionRevision":"7","ContainerName":"app","AvailabilityZone":"eu-west-1b","HostPrivateIPv4Address":"10.0.0.1""#
        )
    }

    fn complete() -> String {
        format!(
            r#"{{{},"ContainerID":"{ID}","DockerContainerName":"/ecs-web-7-app-1","ImageID":"sha256:1","ImageName":"web:1",
            "PortMappings":[{{"ContainerPort":80}}],"Networks":[{{"NetworkMode":"bridge","IPv4Addresses":["172.17.0.2"]}}],
            "MetadataFileStatus":"READY"}}"#,
            first()
        )
    }

    #[test]
    fn before_and_after_its_completion() {
        let reading = parse(format!("{{{}}}", first()).as_bytes()).expect("metadata");
        assert!(!reading.is_ready);
        let identity = reading.findings.identity;
        assert_eq!(identity.get(Field::TaskArn), Some(ARN));
        assert_eq!(identity.get(Field::InstanceArn), Some(INSTANCE));
        assert_eq!(identity.get(Field::ContainerId), None);

        let reading = parse(complete().as_bytes()).expect("metadata");
        assert!(reading.is_ready);
        assert_eq!(reading.findings.rejected, []);
        let identity = reading.findings.identity;
        for (field, value) in [
            (Field::ContainerId, ID),
            (Field::DockerName, "ecs-web-7-app-1"),
            (Field::Image, "web:1"),
            (Field::Ip, "172.17.0.2"),
            (Field::Family, "web"),
            (Field::Revision, "7"),
            (Field::AvailabilityZone, "eu-west-1b"),
        ] {
            assert_eq!(identity.get(field), Some(value), "{}", field.name());
        }
    }

    #[test]
    fn the_rename_is_followed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ecs-container-metadata.json");
        fs::write(&path, format!("{{{}}}", first())).expect("a file");
        let writer = {
            let (path, next) = (path.clone(), directory.path().join("next"));
            std::thread::spawn(move || {
                fs::write(&next, "{\"half\":").expect("a file");
                fs::rename(&next, &path).expect("a rename");
                fs::write(&next, complete()).expect("a file");
                fs::rename(&next, &path).expect("a rename");
            })
        };
        let findings = wait_until_ready(&path, Deadline::after(Duration::from_secs(30))).expect("READY");
        assert_eq!(findings.identity.get(Field::ContainerId), Some(ID));
        writer.join().expect("the writer");
    }

    #[test]
    fn a_file_that_is_never_completed_costs_the_budget_and_no_more() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        let before = std::time::Instant::now();
        assert!(wait_until_ready(&path, Deadline::after(Duration::from_millis(100))).is_none());
        fs::write(&path, "{}").expect("a file");
        assert!(wait_until_ready(&path, Deadline::after(Duration::from_millis(100))).is_none());
        assert!(before.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn nothing_at_the_path_can_block() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for path in [&pipe, directory.path(), Path::new("/dev/zero"), &directory.path().join("none")] {
            assert!(matches!(read(path), Err(Unreadable::Io(_))), "{}", path.display());
        }
        let file = directory.path().join("file");
        fs::write(&file, "[]").expect("a file");
        assert!(matches!(read(&file), Err(Unreadable::Nonsense(_))));
    }
}
