//! Variables that name the process which they are for.
//!
//! systemd starts one process, which is epitaph, and tells it by its process ID that the sockets and the
//! watchdog are its own. They are the program's, so the variables have to name that: sd_listen_fds(3),
//! sd_watchdog_enabled(3).

use crate::sys::{self, Environment};

/// Variables that hold the process ID of the one that they are for.
const NAMES: [&str; 2] = ["LISTEN_PID", "WATCHDOG_PID"];

/// The process by its pidfd's inode number, beside LISTEN_PID.
const LISTEN_PIDFDID: &str = "LISTEN_PIDFDID";

/// Where a variable names `init`, epitaph's process, has it name this one, which becomes the program. `look`
/// tells what epitaph was given.
pub(super) fn set(environment: &mut Environment, init: i32, look: impl Fn(&str) -> Option<String>) {
    let own = std::process::id().to_string();
    // As sd_listen_fds(3) reads it: a number, and nothing around it.
    for name in NAMES.into_iter().filter(|name| look(name).is_some_and(|value| value.parse() == Ok(init))) {
        environment.set(name, &own);
        if name == "LISTEN_PID"
            && look(LISTEN_PIDFDID).is_some()
            && let Ok(inode) = sys::own_pidfd_inode()
        {
            environment.set(LISTEN_PIDFDID, &inode.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the variables hold afterwards.
    fn set_in(given: &[(&str, &str)], init: i32) -> Vec<(String, String)> {
        let mut environment = Environment::of_process();
        for (name, value) in given {
            environment.set(name, value);
        }
        let look =
            |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        set(&mut environment, init, look);
        let names = ["LISTEN_PID", "WATCHDOG_PID", "LISTEN_PIDFDID", "LISTEN_FDS"];
        names.into_iter().filter_map(|name| Some((name.to_owned(), environment.set(name, "read")?))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn what_named_epitaph_names_the_program() {
        let own = std::process::id().to_string();
        let told = set_in(&[("LISTEN_PID", "1"), ("WATCHDOG_PID", "1"), ("LISTEN_FDS", "2")], 1);
        assert_eq!(told, [pair("LISTEN_PID", &own), pair("WATCHDOG_PID", &own), pair("LISTEN_FDS", "2")]);
        let told = set_in(&[("LISTEN_PID", "77"), ("WATCHDOG_PID", "x")], 1);
        assert_eq!(told, [pair("LISTEN_PID", "77"), pair("WATCHDOG_PID", "x")]);
        assert_eq!(set_in(&[], 1), []);
    }

    #[test]
    fn the_pidfd_goes_with_the_pid() {
        let Ok(inode) = sys::own_pidfd_inode() else { return };
        let told = set_in(&[("LISTEN_PID", "1"), ("LISTEN_PIDFDID", "123")], 1);
        assert_eq!(told.last(), Some(&pair("LISTEN_PIDFDID", &inode.to_string())));
        let told = set_in(&[("LISTEN_PID", "2"), ("LISTEN_PIDFDID", "123")], 1);
        assert_eq!(told.last(), Some(&pair("LISTEN_PIDFDID", "123")));
    }
}
