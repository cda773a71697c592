//! The socket calls that std does not offer.

// There is no safe way to them: std has neither SO_LINGER nor a socket that is bound and does not listen.
// Every call below gets the descriptor of a live socket and a pointer to a local of the size that it states.
#![allow(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn set_option<T>(socket: &impl AsRawFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    let pointer = std::ptr::from_ref(value).cast();
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, pointer, length) })?;
    Ok(())
}

/// Makes the last close of `stream` send a reset instead of an orderly end (SO_LINGER of 0, socket(7)).
pub fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    set_option(stream, libc::SO_LINGER, &libc::linger { l_onoff: 1, l_linger: 0 })
}

/// Stops listening, and wakes whoever is in accept(2) with EINVAL. The port stays bound, so that no one else
/// can get it and [`listen`] can take it up again, in whichever network namespace the socket is.
pub fn refuse(listener: &TcpListener) -> io::Result<()> {
    checked(unsafe { libc::shutdown(listener.as_raw_fd(), libc::SHUT_RDWR) })?;
    Ok(())
}

/// Listens on a socket that is bound.
pub fn listen(listener: &TcpListener) -> io::Result<()> {
    checked(unsafe { libc::listen(listener.as_raw_fd(), 128) })?;
    Ok(())
}

/// A socket on a free port of 127.0.0.1 that does not listen: connections to it are refused.
pub fn bound() -> io::Result<TcpListener> {
    // Two steps, since Linux keeps the port over a shutdown only if bind(2) named it. The first socket holds
    // the port until the second has it; SO_REUSEADDR lets two that do not listen share it.
    let chosen_by_kernel = bound_to(0)?;
    bound_to(chosen_by_kernel.local_addr()?.port())
}

fn bound_to(port: u16) -> io::Result<TcpListener> {
    let socket = unsafe {
        let descriptor = checked(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        OwnedFd::from_raw_fd(descriptor)
    };
    let yes: libc::c_int = 1;
    set_option(&socket, libc::SO_REUSEADDR, &yes)?;
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() },
        sin_zero: [0; 8],
    };
    let length = size_of_val(&address) as libc::socklen_t;
    let pointer = std::ptr::from_ref(&address).cast();
    checked(unsafe { libc::bind(socket.as_raw_fd(), pointer, length) })?;
    Ok(TcpListener::from(socket))
}
