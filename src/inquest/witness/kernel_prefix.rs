//! What stands before a message of the kernel: its time and host, in the forms of dmesg, journalctl, syslog
//! and their kin.

use super::time::{self, LocalClock};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};

/// What a prefix tells.
#[derive(Debug, Default, PartialEq)]
pub struct Prefix {
    /// the moment
    pub time: Option<Timestamp>,
    /// a time that cannot be placed, where there is no moment
    pub clock: Option<LocalClock>,
    /// the host's name
    pub host: Option<String>,
}

/// Reads the text before the message. What it does not know, it leaves out.
pub fn parse(prefix: &str) -> Prefix {
    // Collectors may put anything before; a prefix that is longer than this has no form that is known here.
    let prefix = if prefix.len() > 400 { "" } else { prefix };
    let scanned = time::first_in(prefix);
    let moment = scanned.as_ref().and_then(|scanned| scanned.time).or_else(|| short_unix(prefix));
    let clock = match (&scanned, moment) {
        (_, Some(_)) => None,
        (Some(scanned), None) => Some(LocalClock::WithoutZone(scanned.civil)),
        (None, None) => day_of_month(prefix).or_else(|| since_boot(prefix)),
    };
    Prefix { time: moment, clock, host: host(prefix) }
}

/// Whether the line may be the kernel's own: no tag of a program is in the prefix, and nothing of a
/// container's log. What a program prints stands behind such a tag, whatever it looks like itself.
pub fn may_be_kernels(prefix: &str) -> bool {
    let words: Vec<&str> = prefix.split_whitespace().take(24).collect();
    // The log of a container runtime (CRI), and `aws logs tail` with the name of a stream.
    let of_container = |word: &&str| {
        let task = word.rsplit('/').next().unwrap_or_default();
        let is_stream =
            word.contains('/') && task.len() == 32 && task.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_stream || matches!(*word, "stdout" | "stderr")
    };
    if words.iter().take(4).any(of_container) {
        return false;
    }
    // RFC 5424: `<6>1 TIME HOST APP PROCESS ID `.
    if words.first().is_some_and(|word| word.starts_with('<') && word.ends_with(">1")) {
        return words.get(3) == Some(&"kernel");
    }
    // `app[12]:`, as syslog writes it. The facility and the level of `dmesg -x` look alike.
    let tag =
        words.iter().find(|word| word.len() > 1 && word.ends_with(':') && !word.starts_with(['[', ':']));
    tag.is_none_or(|tag| *tag == "kernel:" || *tag == "kern:" || tag.ends_with(">kernel:"))
}

/// `journalctl -o short-unix`: `1795727159.116454 vm kernel: `.
fn short_unix(prefix: &str) -> Option<Timestamp> {
    let first = prefix.split_whitespace().next()?;
    let (seconds, fraction) = first.split_once('.')?;
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.len() != 10 || !all_digits(seconds) || !all_digits(fraction) {
        return None;
    }
    time::of_number(first.parse().ok()?)
}

/// `Nov 26 21:05:59`, and with a year behind it `Nov 26 21:05:59 2026`, as `dmesg -T` writes it in the
/// locale's words. English months and those that begin with their number (`9月`) are known.
fn day_of_month(prefix: &str) -> Option<LocalClock> {
    let words: Vec<&str> =
        prefix.split([' ', '[', ']', '>', '<']).filter(|word| !word.is_empty()).take(24).collect();
    let at = words.iter().position(|word| clock_time(word).is_some())?;
    let time = clock_time(words.get(at)?)?;
    let day: i8 = words.get(at.checked_sub(1)?)?.parse().ok()?;
    let month = month(words.get(at.checked_sub(2)?)?)?;
    // Valid in a leap year at least.
    Date::new(2024, month, day).ok()?;
    match words.get(at + 1).filter(|word| word.len() == 4).and_then(|word| word.parse::<i16>().ok()) {
        Some(year) => {
            Some(LocalClock::WithoutZone(DateTime::from_parts(Date::new(year, month, day).ok()?, time)))
        }
        None => Some(LocalClock::WithoutYear { month, day, time }),
    }
}

fn month(word: &str) -> Option<i8> {
    const ENGLISH: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if let Some(index) = ENGLISH.iter().position(|name| *name == word) {
        return i8::try_from(index + 1).ok();
    }
    // Japanese, Chinese and Korean.
    word.strip_suffix(['月', '월'])?.parse().ok().filter(|month| (1..=12).contains(month))
}

/// `21:05:59`, with or without a fraction.
fn clock_time(word: &str) -> Option<Time> {
    let (whole, fraction) = word.split_once('.').unwrap_or((word, ""));
    let mut parts = whole.split(':');
    let mut next = || {
        let part = parts.next()?;
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<i8>().ok())?
    };
    let (hour, minute, second) = (next()?, next()?, next()?);
    let in_order = parts.next().is_none() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    in_order.then(|| Time::new(hour, minute, second, 0).ok())?
}

/// `[ 1859.641655]`, or the head of /dev/kmsg: `6,1234,1859641655,-;`.
fn since_boot(prefix: &str) -> Option<LocalClock> {
    let bracketed = prefix.match_indices('[').find_map(|(at, _)| {
        let inside = prefix.get(at + 1..)?.split(']').next()?;
        let (seconds, fraction) = inside.trim_start().split_once('.')?;
        let digits = fraction.len() == 6 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: u64 = seconds.parse().ok()?;
        digits.then(|| seconds.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?))?
    });
    let record = || {
        let mut fields = prefix.strip_suffix(';')?.split(',');
        fields.next()?.parse::<u32>().ok()?;
        fields.next()?.parse::<u64>().ok()?;
        fields.next()?.parse::<u64>().ok()
    };
    bracketed.or_else(record).map(LocalClock::SinceBoot)
}

/// The word before `kernel:`, or before `kernel` as RFC 5424 has it.
fn host(prefix: &str) -> Option<String> {
    let mut before: Option<&str> = None;
    for word in prefix.split_whitespace().take(24) {
        if word.starts_with("kernel:") || word == "kernel" {
            return before.filter(|word| is_host(word)).map(str::to_owned);
        }
        before = Some(word);
    }
    None
}

fn is_host(word: &str) -> bool {
    let has_letter = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    let named = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    has_letter && named && word.len() <= 255 && word != "UTC"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn clock(prefix: &str) -> Option<LocalClock> {
        parse(prefix).clock
    }

    #[test]
    fn moments() {
        for (prefix, time, host) in [
            ("2026-11-26T21:05:59.122357+0000 vm kernel: ", "2026-11-26T21:05:59.122357Z", Some("vm")),
            (
                "2026-11-26T21:05:59+01:00 ip-10-0-2-100 kernel: [  18.641655] ",
                "2026-11-26T20:05:59Z",
                Some("ip-10-0-2-100"),
            ),
            ("Thu 2026-11-26 21:05:59 UTC vm kernel: ", "2026-11-26T21:05:59Z", Some("vm")),
            ("1795727159.122357 vm kernel: ", "2026-11-26T21:05:59.122357Z", Some("vm")),
            ("<6>1 2026-11-26T21:05:59.122357Z vm kernel - - - ", "2026-11-26T21:05:59.122357Z", Some("vm")),
            ("2026-11-26T21:05:59,122357+00:00 ", "2026-11-26T21:05:59.122357Z", None),
            ("kern:    info: [2026-11-26T21:05:59.122357Z]: ", "2026-11-26T21:05:59.122357Z", None),
            ("var/log/kern.log:7:2026-11-26T21:05:59Z vm kernel: ", "2026-11-26T21:05:59Z", Some("vm")),
        ] {
            let parsed = parse(prefix);
            assert_eq!(parsed.time.map(|time| time.to_string()).as_deref(), Some(time), "{prefix}");
            assert_eq!((parsed.clock, parsed.host.as_deref()), (None, host), "{prefix}");
        }
    }

    #[test]
    fn programs_are_not_the_kernel() {
        for prefix in [
            "<30>Nov 26 21:05:59 vm 408255f9fa13[811]: ",
            "Nov 26 21:05:59 vm app: Nov 26 21:05:59 vm kernel: ",
            "<30>1 2026-11-26T21:05:59Z vm 408255f9fa13 811 408255f9fa13 - ",
            "2026-11-26T21:05:59.122357+00:00 stderr F ",
            "2026-11-26T21:05:59+00:00 web/server/9d4f1c7ab2e84c0f8a35d6e17b20c493 [   18.641655] ",
        ] {
            assert!(!may_be_kernels(prefix), "{prefix}");
        }
        for prefix in [
            "",
            "[ 1859.641655] ",
            "kern  :info  : [ 1859.641655] ",
            "kern:    info: [2026-11-26T21:05:59.122357Z]: ",
            "[2026-11-26T21:05:59.122357Z]: ",
            "<6>Sep  3 05:57:48 vm kernel: [  12.000001] ",
            "<6>1 2026-11-26T21:05:59.122357Z vm kernel - - - ",
            "Thu 2026-11-26 21:05:59 UTC vm kernel: ",
        ] {
            assert!(may_be_kernels(prefix), "{prefix}");
        }
    }

    #[test]
    fn clocks_that_cannot_be_placed() {
        let boot = Some(LocalClock::SinceBoot(1_859_641_655));
        for prefix in [
            "[ 1859.641655] ",
            "kern  :info  : [ 1859.641655] ",
            "<4>[ 1859.641655] ",
            "6,1234,1859641655,-;",
        ] {
            assert_eq!(clock(prefix), boot, "{prefix}");
        }
        assert_eq!(parse("[ 1859.641655] vm kernel: ").host.as_deref(), Some("vm"));
        let date = Date::new(2024, 9, 3).unwrap();
        let time = Time::new(5, 57, 48, 0).unwrap();
        for prefix in [
            "[Tue Sep  3 05:57:48 2024] ",
            "[二 9月  3 05:57:48 2024] ",
            "kern  :err   : [Tue Sep  3 05:57:48 2024] ",
        ] {
            assert_eq!(
                clock(prefix),
                Some(LocalClock::WithoutZone(DateTime::from_parts(date, time))),
                "{prefix}"
            );
        }
        for prefix in ["Sep  3 05:57:48 vm kernel: ", "<6>Sep  3 05:57:48 vm kernel: [  12.000001] "] {
            assert_eq!(clock(prefix), Some(LocalClock::WithoutYear { month: 9, day: 3, time }), "{prefix}");
            assert_eq!(parse(prefix).host.as_deref(), Some("vm"), "{prefix}");
        }
        for prefix in
            ["", "kernel: ", "[mar. sept. 3 05:57:48 2024] ", "[Tue Sep 31 05:57:48 2024] ", "[x.123456] "]
        {
            assert_eq!(parse(prefix), Prefix::default(), "{prefix}");
        }
    }
}
