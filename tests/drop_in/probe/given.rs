//! What the program was given.

fn status(key: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or("unknown").trim().to_owned()
}

/// The signals of a mask in /proc, as numbers. 32 and 33 are the C library's own.
fn mask(key: &str) -> String {
    let bits = u64::from_str_radix(&status(key), 16).unwrap_or(0);
    let numbers: Vec<String> = (1..=64)
        .filter(|number| ![32, 33].contains(number))
        .filter(|number| bits >> (number - 1) & 1 == 1)
        .map(|number: i32| number.to_string())
        .collect();
    if numbers.is_empty() { "none".to_owned() } else { numbers.join(" ") }
}

/// One thing about the process, as the table says it.
pub fn state(what: &str) -> String {
    // SAFETY: calls without memory of their own, on this process and its parent.
    unsafe {
        let own = libc::getpid();
        let whose = |id: i32, parents: i32| {
            if id == own {
                "its own"
            } else if id == parents {
                "the init's"
            } else {
                "another"
            }
        };
        match what {
            "group" => whose(libc::getpgrp(), libc::getpgid(libc::getppid())).to_owned(),
            "session" => whose(libc::getsid(0), libc::getsid(libc::getppid())).to_owned(),
            "foreground" => match libc::tcgetpgrp(0) {
                -1 => "no terminal".to_owned(),
                group if group == libc::getpgrp() => "in the foreground".to_owned(),
                _ => "in the background".to_owned(),
            },
            "controlling" => match std::fs::File::open("/dev/tty") {
                Ok(_) => "has a controlling terminal".to_owned(),
                Err(_) => "has no controlling terminal".to_owned(),
            },
            "blocked" => mask("SigBlk"),
            "ignored" => mask("SigIgn"),
            "caught" => mask("SigCgt"),
            "directory" => std::env::current_dir().unwrap_or_default().display().to_string(),
            "umask" => format!("{:03o}", libc::umask(0)),
            "nice" => libc::getpriority(libc::PRIO_PROCESS, 0).to_string(),
            "oom" => {
                std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default().trim().to_owned()
            }
            "nofile" => nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
                .unwrap()
                .0
                .to_string(),
            "stack" => nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_STACK)
                .unwrap()
                .0
                .to_string(),
            "fds" => {
                let open: Vec<String> = (0..256)
                    .filter(|fd| libc::fcntl(*fd, libc::F_GETFD) >= 0)
                    .map(|fd| fd.to_string())
                    .collect();
                open.join(" ")
            }
            "nonblocking" => {
                let nonblocking =
                    (0..3).filter(|fd| libc::fcntl(*fd, libc::F_GETFL) & libc::O_NONBLOCK != 0).count();
                nonblocking.to_string()
            }
            "dumpable" => libc::prctl(libc::PR_GET_DUMPABLE).to_string(),
            "no_new_privs" => libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0).to_string(),
            "subreaper" => {
                let mut is: libc::c_int = 0;
                libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut is);
                is.to_string()
            }
            "pdeathsig" => {
                let mut signal: libc::c_int = 0;
                libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal);
                signal.to_string()
            }
            "policy" => libc::sched_getscheduler(0).to_string(),
            "threads" => status("Threads"),
            _ => format!("what is {what}?"),
        }
    }
}
