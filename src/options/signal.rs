//! Signals as numbers.

use nix::sys::signal::Signal as Named;
use std::fmt;

/// A signal by its number, 1 to 64: the real-time ones have no name of their own, but an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// Asks the program to end; `docker stop` sends it.
    pub const TERM: Signal = Signal(libc::SIGTERM);
    /// Asks the program to end; a terminal sends it at ^C.
    pub const INT: Signal = Signal(libc::SIGINT);
    /// Ends the program, which cannot prevent it; the OOM killer sends it.
    pub const KILL: Signal = Signal(libc::SIGKILL);
    /// Suspends the program, which cannot prevent it.
    pub const STOP: Signal = Signal(libc::SIGSTOP);

    /// The number of SIGRTMIN. glibc's, and so that of Docker, systemd, kill(1) and whoever writes
    /// `STOPSIGNAL SIGRTMIN+3`; not `libc::SIGRTMIN()`, which is 35 with musl, that keeps one more for
    /// itself.
    const RTMIN: i32 = 34;
    /// The number of SIGRTMAX: the kernel's last on x86-64 and 64-bit Arm (signal(7)).
    const RTMAX: i32 = 64;

    /// The signal of `number`, if there is one. 32 and 33 belong to the C library's threads.
    pub fn new(number: i32) -> Option<Signal> {
        ((1..=31).contains(&number) || (Signal::RTMIN..=Signal::RTMAX).contains(&number))
            .then_some(Signal(number))
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Reads `15`, `TERM`, `SIGTERM`, `RTMIN+3` or `SIGRTMAX-1`, in any case.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse() {
            return Signal::new(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(offset) = name.strip_prefix("RTMIN") {
            return Signal::real_time(Signal::RTMIN, offset, '+');
        }
        if let Some(offset) = name.strip_prefix("RTMAX") {
            return Signal::real_time(Signal::RTMAX, offset, '-');
        }
        let alias = match name {
            "CLD" => "CHLD",
            "POLL" => "IO",
            "IOT" => "ABRT",
            _ => name,
        };
        Named::iterator().find(|named| named.as_str()[3..] == *alias).map(|named| Signal(named as i32))
    }

    fn real_time(base: i32, offset: &str, sign: char) -> Option<Signal> {
        if offset.is_empty() {
            return Signal::new(base);
        }
        let steps: i32 = offset.strip_prefix(sign)?.parse().ok().filter(|steps| (0..=30).contains(steps))?;
        let number = if sign == '+' { base + steps } else { base - steps };
        (Signal::RTMIN..=Signal::RTMAX).contains(&number).then_some(Signal(number))
    }

    /// Reads a list of signals with commas between them; `None` where it is empty or one of them is no
    /// signal.
    pub fn parse_list(text: &str) -> Option<Vec<Signal>> {
        text.split(',').map(|name| Signal::parse(name.trim())).collect()
    }

    /// Whether the processor raises it at a faulty instruction: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
    /// SIGTRAP, SIGSYS.
    pub fn is_fault(self) -> bool {
        matches!(
            self.0,
            libc::SIGSEGV
                | libc::SIGBUS
                | libc::SIGILL
                | libc::SIGFPE
                | libc::SIGABRT
                | libc::SIGTRAP
                | libc::SIGSYS
        )
    }

    /// Whether a terminal sends it to suspend the foreground: SIGTSTP, SIGTTIN, SIGTTOU.
    pub fn is_terminal_stop(self) -> bool {
        matches!(self.0, libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
    }
}

impl fmt::Display for Signal {
    /// `SIGTERM`, or `SIGRTMIN+3` of a real-time signal.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match Named::try_from(self.0) {
            Ok(named) => f.write_str(named.as_str()),
            Err(_) if self.0 == Signal::RTMIN => f.write_str("SIGRTMIN"),
            Err(_) if self.0 > Signal::RTMIN => write!(f, "SIGRTMIN+{}", self.0 - Signal::RTMIN),
            Err(_) => write!(f, "signal {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Signal;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("15", 15),
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigusr1", libc::SIGUSR1),
            ("CLD", libc::SIGCHLD),
            ("SIGPOLL", libc::SIGIO),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("64", 64),
        ] {
            assert_eq!(Signal::parse(text).map(Signal::number), Some(number), "{text}");
        }
        for wrong in
            ["", "0", "-1", "32", "33", "65", "FOO", "SIG", "RTMIN+40", "RTMIN-1", "RTMIN+", "RTMAX+1"]
        {
            assert_eq!(Signal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_signal_has_a_name_that_leads_back_to_it() {
        for number in 1..=64 {
            let Some(signal) = Signal::new(number) else {
                assert!((32..34).contains(&number));
                continue;
            };
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal), "{signal}");
        }
    }
}
