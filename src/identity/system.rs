//! The world as the sources see it: where /proc is, and what the environment holds.

use super::http::BaseUrl;
use super::introspection;
use super::start::OwnStart;
use crate::sys;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Variables that the ECS agent sets in a container, each of which shows that it is one of ECS.
const SIGNS: [&str; 4] =
    ["ECS_CONTAINER_METADATA_URI_V4", "ECS_CONTAINER_METADATA_URI", METADATA_FILE, "ECS_AGENT_URI"];

/// Names the metadata file.
pub(super) const METADATA_FILE: &str = "ECS_CONTAINER_METADATA_FILE";

/// The most that is read of any file, in bytes. `/proc/self/cgroup` has a few KB at most; mountinfo of a
/// machine with thousands of mounts has more, but the mounts of interest are among the first.
const LONGEST_FILE: u64 = 256 * 1024;

enum Environment {
    OfProcess,
    /// that of PID 1, for a process whose own was cleaned
    OfPid1(Vec<u8>),
    Given(HashMap<String, String>),
}

/// Where the sources look. Tests give a directory and variables of their own.
pub struct System {
    root: PathBuf,
    environment: Environment,
    metadata_v2: String,
    introspection: Option<Vec<String>>,
    cgroup: OnceCell<Vec<u8>>,
    own_start: Option<OwnStart>,
}

/// The base of version 2 of the task metadata endpoint, which no variable names.
const METADATA_V2: &str = "http://169.254.170.2/v2";

/// The container instance as a container sees it in Docker's default network.
const DOCKER_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 17, 0, 1);

impl System {
    /// The file system and the environment of this process.
    pub fn of_process() -> System {
        System::with(PathBuf::from("/"), Environment::OfProcess)
    }

    /// The same, but the environment is that of PID 1, where a process was started without what the container
    /// was given (an ssh session, a cron job): what ECS has set is asked of `/proc/1/environ`.
    ///
    /// `None` where that cannot be read, or where PID 1 has other mounts than this process, and so is not of
    /// this container (a shared PID namespace).
    pub fn of_pid_1() -> Option<System> {
        let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
        if namespace("1")? != namespace("self")? {
            return None;
        }
        let mut environment = Vec::new();
        File::open("/proc/1/environ").ok()?.take(LONGEST_FILE).read_to_end(&mut environment).ok()?;
        Some(System::with(PathBuf::from("/"), Environment::OfPid1(environment)))
    }

    /// Whether the environment is that of PID 1 rather than of this process.
    pub fn is_of_pid_1(&self) -> bool {
        matches!(self.environment, Environment::OfPid1(_))
    }

    /// The tree below `root` in place of `/`, and `variables` in place of the environment.
    pub fn given<'a>(
        root: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> System {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        System::with(root.into(), Environment::Given(variables.into_iter().map(own).collect()))
    }

    fn with(root: PathBuf, environment: Environment) -> System {
        System {
            root,
            environment,
            metadata_v2: METADATA_V2.to_owned(),
            introspection: None,
            cgroup: OnceCell::new(),
            own_start: None,
        }
    }

    /// Asks other addresses than those of ECS where no variable names one: the base of version 2 of the
    /// metadata endpoint, and base URLs of the introspection API in the order in which they are tried.
    pub fn asking(mut self, metadata_v2: &str, introspection: &[&str]) -> System {
        metadata_v2.clone_into(&mut self.metadata_v2);
        self.introspection = Some(introspection.iter().map(|&url| url.to_owned()).collect());
        self
    }

    pub(crate) fn metadata_v2(&self) -> &str {
        &self.metadata_v2
    }

    /// Where the agent's introspection API may be: Docker's gateway, the default gateway (both the instance
    /// in bridge mode), and this host (the instance in host mode).
    pub(super) fn introspection_addresses(&self) -> Vec<BaseUrl> {
        let parsed = |url: &String| BaseUrl::parse(url).ok();
        if let Some(given) = &self.introspection {
            return given.iter().filter_map(parsed).collect();
        }
        let gateway = introspection::default_gateway(&self.read("/proc/net/route"));
        let mut hosts = vec![DOCKER_GATEWAY];
        hosts.extend(gateway.filter(|&gateway| gateway != DOCKER_GATEWAY));
        hosts.push(Ipv4Addr::LOCALHOST);
        hosts
            .iter()
            .map(|host| format!("http://{host}:{}", introspection::PORT))
            .filter_map(|url| parsed(&url))
            .collect()
    }

    /// Where the agent's introspection API is for a task of this network mode, if it can be reached at all.
    ///
    /// As a container starts, the agent does not tell the mode yet, but for `awsvpc`. Then it is the
    /// instance's own network where that has Docker's bridge, and bridge mode where the gateway is Docker's.
    pub(super) fn introspection_address(&self, network_mode: Option<&str>) -> Option<BaseUrl> {
        if !matches!(network_mode, None | Some("bridge" | "host")) {
            return None;
        }
        if let Some(given) = &self.introspection {
            return BaseUrl::parse(given.first()?).ok();
        }
        let route = self.read("/proc/net/route");
        let has_bridge = || route.lines().any(|line| line.starts_with("docker0\t"));
        let gateway = introspection::default_gateway(&route);
        let host = match network_mode {
            Some("host") => Ipv4Addr::LOCALHOST,
            Some(_) => gateway?,
            None if has_bridge() => Ipv4Addr::LOCALHOST,
            None => gateway.filter(|gateway| *gateway == DOCKER_GATEWAY)?,
        };
        BaseUrl::parse(&format!("http://{host}:{}", introspection::PORT)).ok()
    }

    /// When epitaph itself began.
    pub(super) fn own_start(&self) -> Option<OwnStart> {
        match &self.environment {
            Environment::OfProcess | Environment::OfPid1(_) => self.own_start.or_else(OwnStart::of_process),
            Environment::Given(_) => self.own_start,
        }
    }

    /// Takes it that epitaph began at `time`, as PID 1 if `is_pid_1`.
    pub fn begun(mut self, at: SystemTime, is_pid_1: bool) -> System {
        self.own_start = Some(OwnStart { at, is_containers: is_pid_1 });
        self
    }

    /// The host name of this process; in a given tree, the content of `/proc/sys/kernel/hostname`. Empty when
    /// it cannot be told.
    pub(super) fn host_name(&self) -> String {
        match &self.environment {
            Environment::OfProcess | Environment::OfPid1(_) => {
                nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
            }
            Environment::Given(_) => self.read("/proc/sys/kernel/hostname").trim_end().to_owned(),
        }
    }

    /// Whether mountinfo can name a container: an engine mounts files of its own over at least one of these.
    /// Asking for that is cheaper than having the kernel write out its mounts, which can be hundreds.
    pub(super) fn may_have_container_mounts(&self) -> bool {
        match &self.environment {
            Environment::OfProcess | Environment::OfPid1(_) => {
                let files = [c"/etc/hostname", c"/etc/resolv.conf"];
                files.iter().any(|file| sys::is_mount_root(file).unwrap_or(true))
            }
            Environment::Given(_) => true,
        }
    }

    /// The value of a variable. Absent when it is not set, empty, or not UTF-8.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let value = match &self.environment {
            Environment::OfProcess => sys::variable(name).and_then(|value| value.into_string().ok()),
            Environment::OfPid1(environment) => value_in(environment, name).map(str::to_owned),
            Environment::Given(variables) => variables.get(name).cloned(),
        };
        value.filter(|value| !value.is_empty())
    }

    /// Where `path`, which is absolute, is in this tree.
    pub(super) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// `/proc/self/cgroup` as it was when it was first asked for, at most 256 KiB of it; empty when it cannot
    /// be read.
    ///
    /// Kept, since who looks for the container's ID is not the only one to want it: its memory cgroup is
    /// found by it.
    pub fn cgroup(&self) -> &[u8] {
        self.cgroup.get_or_init(|| self.read_bytes("/proc/self/cgroup"))
    }

    /// The same as text, what is not UTF-8 replaced.
    pub(super) fn cgroup_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.cgroup())
    }

    /// The first 256 KiB of a file as text, what is not UTF-8 replaced; empty when it cannot be read.
    pub(super) fn read(&self, path: &str) -> String {
        String::from_utf8(self.read_bytes(path))
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    fn read_bytes(&self, path: &str) -> Vec<u8> {
        self.try_to_read(path).unwrap_or_default()
    }

    fn try_to_read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(self.place(Path::new(path)))?;
        // The size of a file in /proc is not known beforehand; most are short. What PID 1 has of them is on
        // the heap, no larger than it is.
        let mut start = [0; 1024];
        let length = file.read(&mut start)?;
        let mut bytes = start.get(..length).unwrap_or_default().to_vec();
        file.take(LONGEST_FILE.saturating_sub(length as u64)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the environment holds what the ECS agent sets.
    pub fn environment_shows_ecs(&self) -> bool {
        SIGNS.iter().any(|name| self.variable(name).is_some())
            || self.variable("AWS_EXECUTION_ENV").is_some_and(|value| value.starts_with("AWS_ECS_"))
    }
}

/// The value of the variable `name` in the content of `/proc/PID/environ` (proc_pid_environ(5)), the first if
/// there are more, and none where that is not UTF-8.
fn value_in<'a>(environment: &'a [u8], name: &str) -> Option<&'a str> {
    let mut entries = environment.split(|byte| *byte == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likely_addresses_of_the_agent() {
        let tree = tempfile::tempdir().expect("a directory");
        let addresses = || -> Vec<String> {
            let system = System::given(tree.path(), []);
            system.introspection_addresses().iter().map(BaseUrl::to_string).collect()
        };
        let [docker, local] = ["http://172.17.0.1:51678", "http://127.0.0.1:51678"];
        assert_eq!(addresses(), [docker, local]);
        std::fs::create_dir_all(tree.path().join("proc/net")).expect("a directory");
        for (gateway, expected) in [
            ([172, 17, 0, 1], vec![docker, local]),
            ([10, 1, 2, 3], vec![docker, "http://10.1.2.3:51678", local]),
        ] {
            let route = format!(
                "Iface\neth0\t00000000\t{:08X}\t0003\t0\t0\t0\t00000000\n",
                u32::from_ne_bytes(gateway)
            );
            std::fs::write(tree.path().join("proc/net/route"), route).expect("a file");
            assert_eq!(addresses(), expected);
        }
    }

    #[test]
    fn the_agent_of_the_instance_by_network_mode() {
        let tree = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(tree.path().join("proc/net")).expect("a directory");
        let gateway = |ip: [u8; 4]| {
            format!("eth0\t00000000\t{:08X}\t0003\t0\t0\t0\t00000000\n", u32::from_ne_bytes(ip))
        };
        let bridge = "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\n";
        let ask = |route: String, mode: Option<&str>| {
            std::fs::write(tree.path().join("proc/net/route"), format!("Iface\n{route}")).expect("a file");
            let address = System::given(tree.path(), []).introspection_address(mode)?;
            address.to_string().strip_prefix("http://")?.strip_suffix(":51678").map(str::to_owned)
        };
        let (docker, vpc) = (gateway([172, 17, 0, 1]), gateway([10, 0, 0, 1]));
        assert_eq!(ask(docker.clone(), Some("bridge")).as_deref(), Some("172.17.0.1"));
        assert_eq!(ask(vpc.clone(), Some("bridge")).as_deref(), Some("10.0.0.1"));
        assert_eq!(ask(vpc.clone(), Some("host")).as_deref(), Some("127.0.0.1"));
        assert_eq!(ask(docker.clone(), None).as_deref(), Some("172.17.0.1"));
        assert_eq!(ask(vpc.clone() + bridge, None).as_deref(), Some("127.0.0.1"));
        for (route, mode) in [(vpc, None), (docker.clone(), Some("awsvpc")), (docker, Some("none"))] {
            assert_eq!(ask(route, mode), None);
        }
    }

    #[test]
    fn the_variables_of_another_process() {
        let get = |name: &str| value_in(b"A=1\0B=\0A=2\0no\0C=a=b\0\xff=x\0D=\xff\0AB=3\0", name);
        assert_eq!((get("A"), get("B"), get("C"), get("AB")), (Some("1"), Some(""), Some("a=b"), Some("3")));
        assert_eq!((get("D"), get("no"), get("E")), (None, None, None));
    }

    #[test]
    fn a_file_outside_the_tree_is_not_read() {
        let tree = tempfile::tempdir().expect("a directory");
        assert_eq!(System::given(tree.path(), []).read("/proc/self/cgroup"), "");
        assert_eq!(System::given(tree.path(), [("A", "")]).variable("A"), None);
    }
}
