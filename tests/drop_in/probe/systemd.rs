//! Both sides of what systemd tells a process that it starts: sd_listen_fds(3), sd_watchdog_enabled(3),
//! sd_notify(3).

use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The variables of systemd that hold the process ID of the one that it has started (systemd.exec(5)).
const NAMES: [&str; 3] = ["LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID"];

/// The one that names it by the inode number of its pidfd (sd_listen_fds(3)).
const PIDFDID: &str = "LISTEN_PIDFDID";

/// The inode number of the pidfd of `pid`, which names that process and no other since Linux 6.9.
fn pidfd_inode(pid: i32) -> u64 {
    // SAFETY: the number that comes back is a new descriptor, and nobody else's.
    let pidfd = unsafe {
        let number = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        OwnedFd::from_raw_fd(i32::try_from(number).unwrap())
    };
    nix::sys::stat::fstat(&pidfd).unwrap().st_ino
}

/// Whether that number tells processes apart here.
pub fn numbers_are_unique() -> bool {
    let (own, parent) = (std::process::id().try_into().unwrap(), nix::unistd::getppid().as_raw());
    pidfd_inode(own) != pidfd_inode(parent)
}

/// Becomes the init, which all variables name.
pub fn start(init: &str, words: &[&str]) {
    let own: i32 = std::process::id().try_into().unwrap();
    let mut command = Command::new(init);
    for name in NAMES {
        command.env(name, own.to_string());
    }
    command.env(PIDFDID, pidfd_inode(own).to_string()).env("LISTEN_FDS", "0").args(words);
    panic!("{init}: {}", command.exec());
}

/// Whom a variable names.
pub fn named(name: &str) -> &'static str {
    let Some(value) = std::env::var_os(name) else { return "nobody: it is not set" };
    let names = |pid: i32| {
        let number = if name == PIDFDID { pidfd_inode(pid).to_string() } else { pid.to_string() };
        value == *number
    };
    if names(std::process::id().try_into().unwrap()) {
        "the program"
    } else if names(nix::unistd::getppid().as_raw()) {
        "the init"
    } else {
        "another"
    }
}

/// Accepts a connection on the socket that it was given, and tells there whether the socket is its own.
pub fn answer() {
    let is_own = named("LISTEN_PID") == "the program" && std::env::var("LISTEN_FDS").as_deref() == Ok("1");
    // SAFETY: the first descriptor that systemd passes on is 3, and nobody has taken it.
    let socket = unsafe { UnixListener::from_raw_fd(3) };
    assert_eq!(socket.as_raw_fd(), 3);
    let (mut connection, _) = socket.accept().unwrap();
    let answer = if is_own { "the program answers" } else { "the program finds no socket of its own" };
    connection.write_all(answer.as_bytes()).unwrap();
}

/// Says that it is ready.
pub fn notify() {
    let name = std::env::var("NOTIFY_SOCKET").unwrap();
    let address = SocketAddr::from_abstract_name(name.strip_prefix('@').unwrap()).unwrap();
    UnixDatagram::unbound().unwrap().send_to_addr(b"READY=1", &address).unwrap();
}

/// Where messages to systemd arrive, each with its sender.
pub struct Inbox(UnixDatagram);

impl Inbox {
    /// An abstract socket (unix(7)) of this name.
    pub fn new(name: &str) -> Inbox {
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        let on: libc::c_int = 1;
        let length = libc::socklen_t::try_from(size_of_val(&on)).unwrap();
        // SAFETY: the number is valid for the call.
        let set = unsafe {
            let on = (&raw const on).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSCRED, on, length)
        };
        assert_eq!(set, 0);
        Inbox(socket)
    }

    /// The next message, and the process ID that the kernel tells of its sender (SCM_CREDENTIALS, unix(7)).
    pub fn receive(&self) -> (String, i32) {
        let mut bytes = [0_u8; 64];
        let mut piece = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // Words, for their alignment; one header and its three numbers take less.
        let mut control = [0_u64; 8];
        // SAFETY: all zero is a message without parts; what it points to lives until the end of the block.
        let (length, sender) = unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            message.msg_iov = &raw mut piece;
            message.msg_iovlen = 1;
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(&control) as _;
            let length = libc::recvmsg(self.0.as_raw_fd(), &raw mut message, 0);
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            assert!(!header.is_null() && (*header).cmsg_type == libc::SCM_CREDENTIALS);
            let who: libc::ucred = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast());
            (usize::try_from(length).unwrap(), who.pid)
        };
        (String::from_utf8_lossy(&bytes[..length]).into_owned(), sender)
    }
}
