//! The journal on a volume that containers of several users write to, one of them hostile.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use crate::support::docker::{Container, Engine};
use crate::{IMAGE, SOON, engine, records};

/// The one who wants to harm the others.
const HOSTILE: &str = "3000:3000";

/// A directory on this machine that is the volume.
struct Volume(tempfile::TempDir);

impl Volume {
    fn new(mode: u32, group: Option<u32>) -> Volume {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        std::os::unix::fs::chown(directory.path(), None, group).unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        Volume(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn option(&self) -> String {
        format!("--volume={}:/journal", self.path().display())
    }

    /// A container of this user that ends with 3 and keeps a journal here, not started.
    fn container<'e>(&self, engine: &'e Engine, user: &str) -> Container<'e> {
        let options = [self.option(), format!("--user={user}")];
        let command = ["/epitaph", "--journal", "/journal", "--", "/bin/sh", "-c", "exit 3"];
        engine.create(IMAGE, &options.each_ref().map(String::as_str), &command)
    }

    /// What a shell of the hostile user does here.
    fn attack(&self, engine: &Engine, script: &str) {
        let options = [self.option(), format!("--user={HOSTILE}")];
        let command = ["/bin/sh", "-c", script];
        let container = engine.run(IMAGE, &options.each_ref().map(String::as_str), &command);
        container.wait(SOON);
    }

    /// The journal of a container, wherever its directory is.
    fn journal(&self, container: &Container) -> Option<PathBuf> {
        let name = format!("{}.jsonl", container.id());
        let days = fs::read_dir(self.path()).unwrap().flatten();
        days.map(|day| day.path().join(&name)).find(|file| file.symlink_metadata().is_ok())
    }

    fn day(&self) -> PathBuf {
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        self.path().join(now.split_once('T').unwrap().0)
    }
}

/// Starts it, and asserts that it ends as its program does.
#[track_caller]
fn run(container: &Container) -> Vec<String> {
    container.start();
    assert_eq!(container.wait(SOON), 3, "{:#?}", container.logs());
    let stderr = container.logs().stderr;
    assert_eq!(records::kinds(&stderr), ["start", "exit"], "{stderr}");
    records::diagnostics(&stderr).into_iter().map(str::to_owned).collect()
}

#[track_caller]
fn assert_is_whole(volume: &Volume, container: &Container, user: u32) {
    let file = volume.journal(container).unwrap_or_else(|| panic!("no journal: {:#?}", container.logs()));
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(records::kinds(&text), ["start", "exit"], "{text}");
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (user, 0o640), "{file:?}");
}

#[test]
fn all_users_write_and_a_hostile_one_takes_nothing_away() {
    let Some(engine) = engine() else { return };
    // Whoever comes first makes the day's directory: an ordinary user, the hostile one, or root.
    for first in ["1000:1000", "0:0", HOSTILE] {
        let volume = Volume::new(0o1777, None);
        let mut containers = Vec::new();
        for user in [first, "1000:1000", "2000:2000", "0:0"] {
            let container = volume.container(engine, user);
            let warnings = run(&container);
            assert!(warnings.is_empty(), "{user} after {first}: {warnings:?}");
            containers.push((container, user));
        }
        let take_away = "cd /journal; rm -rf *; for f in */*; do rm -f $f; mv $f /journal/mine; : > $f; echo x >> $f; \
                         done; for d in *; do mv $d gone-$d; chmod 777 $d; done; true";
        volume.attack(engine, take_away);
        for (container, user) in containers.iter().filter(|(_, user)| *user != HOSTILE) {
            assert_is_whole(&volume, container, user.split_once(':').unwrap().0.parse().unwrap());
        }
    }
}

#[test]
fn users_of_one_group_share_a_directory_of_that_group() {
    let Some(engine) = engine() else { return };
    let volume = Volume::new(0o2770, Some(5000));
    for user in ["1000:5000", "2000:5000", "0:0"] {
        let container = volume.container(engine, user);
        let warnings = run(&container);
        assert!(warnings.is_empty(), "{user}: {warnings:?}");
        assert_is_whole(&volume, &container, user.split_once(':').unwrap().0.parse().unwrap());
        let file = volume.journal(&container).unwrap();
        assert_eq!(file.metadata().unwrap().gid(), 5000);
        assert_eq!(file.parent(), Some(volume.day().as_path()), "one day for all");
    }
}

/// What a co-writer can put in the place of a file whose name he knows before: it costs one warning that says
/// what it is, no time, and nothing of what the link leads to.
#[test]
fn what_is_put_in_a_files_place_is_told_and_left_alone() {
    let Some(engine) = engine() else { return };
    type Plant = fn(&Path, &Path);
    let cases: [(&str, Plant); 6] = [
        // As the container sees it, which has the volume elsewhere.
        ("is a symbolic link", |file, _| symlink("../victim", file).unwrap()),
        ("has 2 links", |file, victim| fs::hard_link(victim, file).unwrap()),
        ("is a FIFO", |file, _| nix::unistd::mkfifo(file, nix::sys::stat::Mode::S_IRWXU).unwrap()),
        ("is a device", |file, _| {
            let made = Command::new("mknod").args(["-m", "666"]).arg(file).args(["c", "1", "3"]).status();
            assert!(made.unwrap().success(), "mknod");
        }),
        ("is a socket", |file, _| {
            // Longer than a socket's path may be (unix(7)), so it is bound beside and moved.
            let beside = file.with_file_name("s");
            std::os::unix::net::UnixListener::bind(&beside).unwrap();
            fs::rename(&beside, file).unwrap();
        }),
        ("belongs to user 3000", |file, _| {
            fs::write(file, "").unwrap();
            fs::set_permissions(file, Permissions::from_mode(0o666)).unwrap();
            std::os::unix::fs::chown(file, Some(3000), Some(3000)).unwrap();
        }),
    ];
    for user in ["0:0", "1000:1000"] {
        for (told, plant) in cases {
            let volume = Volume::new(0o1777, None);
            // Root's own file, which the container's root could write to.
            let victim = volume.path().join("victim");
            fs::write(&victim, "untouched\n").unwrap();
            let container = volume.container(engine, user);
            fs::create_dir(volume.day()).unwrap();
            fs::set_permissions(volume.day(), Permissions::from_mode(0o1777)).unwrap();
            plant(&volume.day().join(format!("{}.jsonl", container.id())), &victim);
            let warnings = run(&container);
            assert!(warnings.len() == 1 && warnings[0].contains(told), "{told}: {warnings:?}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched\n", "{told}");
        }
    }
}

/// A link in the place of the day, and names in the place of a user's own directory.
#[test]
fn what_is_put_in_a_days_place_is_told_and_left_alone() {
    let Some(engine) = engine() else { return };
    let volume = Volume::new(0o1777, None);
    volume.attack(engine, "ln -s /etc /journal/etc; mkdir -m 777 /journal/elsewhere");
    symlink("elsewhere", volume.day()).unwrap();
    let warnings = run(&volume.container(engine, "0:0"));
    assert!(warnings.len() == 1 && warnings[0].contains("is a symbolic link"), "{warnings:?}");
    assert_eq!(fs::read_dir(volume.path().join("elsewhere")).unwrap().count(), 0);

    let volume = Volume::new(0o1777, None);
    let day = volume.day().file_name().unwrap().to_str().unwrap().to_owned();
    volume.attack(engine, &format!("mkdir -m 777 /journal/{day} /journal/{day}-0"));
    let began = Instant::now();
    let warnings = run(&volume.container(engine, "0:0"));
    assert!(warnings.len() == 1 && warnings[0].contains("belongs to user 3000"), "{warnings:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
