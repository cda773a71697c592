//! Times as witnesses write them. A time without its zone or year is kept as it stands, and is placed by
//! nobody here.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use serde_json::Value;

/// A time that cannot be placed in the world by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalClock {
    /// microseconds since some boot: `dmesg`
    SinceBoot(u64),
    /// without a zone: `dmesg -T`
    WithoutZone(DateTime),
    /// without a zone and a year: syslog as in RFC 3164
    WithoutYear {
        /// 1 to 12
        month: i8,
        /// 1 to 31
        day: i8,
        /// the time of the day
        time: Time,
    },
}

/// Seconds between two clocks of the same form; `None` where they cannot be compared.
pub fn seconds_between(one: &LocalClock, other: &LocalClock) -> Option<i64> {
    match (one, other) {
        (LocalClock::SinceBoot(a), LocalClock::SinceBoot(b)) => {
            Some(i64::try_from(a.abs_diff(*b) / 1_000_000).ok()?)
        }
        (LocalClock::WithoutZone(a), LocalClock::WithoutZone(b)) => {
            Some(a.duration_since(*b).as_secs().saturating_abs())
        }
        (
            LocalClock::WithoutYear { month: m1, day: d1, time: a },
            LocalClock::WithoutYear { month: m2, day: d2, time: b },
        ) if (m1, d1) == (m2, d2) => Some(a.duration_since(*b).as_secs().saturating_abs()),
        _ => None,
    }
}

/// A date and time at the beginning of a text, and what stands behind it.
pub struct Scanned<'a> {
    /// as it stands
    pub civil: DateTime,
    /// the moment, where the text gives the offset from UTC
    pub time: Option<Timestamp>,
    /// the text behind
    pub rest: &'a str,
}

/// `2026-11-26T21:05:59.116454+00:00` and its kin at the beginning of `text`: a blank for the `T`, a comma
/// before the fraction, `Z`, `+0000`, ` +0000 UTC` (Go), ` UTC` (journalctl), or no zone at all.
pub fn scan(text: &str) -> Option<Scanned<'_>> {
    let bytes = text.as_bytes();
    let digits = |from: usize, count: usize| {
        let digits = bytes.get(from..from + count)?;
        digits
            .iter()
            .try_fold(0_i32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i32::from(byte - b'0')))
    };
    let is = |at: usize, any_of: &[u8]| bytes.get(at).is_some_and(|byte| any_of.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"T ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let mut end = 19;
    let mut nanosecond = 0;
    if is(end, b".,") {
        let fraction = bytes.get(end + 1..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let kept = fraction.min(9);
        if kept > 0 {
            nanosecond = digits(end + 1, kept)? * 10_i32.pow(9 - u32::try_from(kept).ok()?);
            end += 1 + fraction;
        }
    }
    let small = |from: usize, count: usize| i8::try_from(digits(from, count)?).ok();
    let date = Date::new(i16::try_from(digits(0, 4)?).ok()?, small(5, 2)?, small(8, 2)?).ok()?;
    let time = Time::new(small(11, 2)?, small(14, 2)?, small(17, 2)?, nanosecond).ok()?;
    let civil = DateTime::from_parts(date, time);
    let behind = text.get(end..)?;
    let (offset, rest) = scan_zone(behind).map_or((None, behind), |(seconds, rest)| (Some(seconds), rest));
    let time = offset.and_then(|seconds| Offset::from_seconds(seconds).ok()?.to_timestamp(civil).ok());
    Some(Scanned { civil, time, rest })
}

/// The offset from UTC in seconds, and what stands behind it.
fn scan_zone(text: &str) -> Option<(i32, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((0, rest));
    }
    for utc in [" UTC", " GMT"] {
        if let Some(rest) = text.strip_prefix(utc) {
            return Some((0, rest));
        }
    }
    let signed = text.strip_prefix(' ').unwrap_or(text);
    let (sign, digits) = match signed.as_bytes().first()? {
        b'+' => (1, signed.get(1..)?),
        b'-' => (-1, signed.get(1..)?),
        _ => return None,
    };
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<i32>().ok())?
    };
    let hours = number(digits.get(..2)?)?;
    let behind = digits.get(2..)?;
    let behind = behind.strip_prefix(':').unwrap_or(behind);
    let minutes = behind.get(..2).and_then(number);
    let rest = if minutes.is_some() { behind.get(2..)? } else { behind };
    let rest = rest.strip_prefix(" UTC").unwrap_or(rest);
    (hours < 24).then(|| (sign * (hours * 3600 + minutes.unwrap_or(0) * 60), rest))
}

/// A text that is a time with its zone and nothing else, but for what Go's clock adds (`m=+26298.87`).
pub fn parse(text: &str) -> Option<Timestamp> {
    let scanned = scan(text.trim())?;
    let rest = scanned.rest.trim();
    (rest.is_empty() || rest.starts_with("m=")).then_some(scanned.time)?
}

/// The first time with its zone in `text`, looked for in its first 300 bytes.
pub fn first_in(text: &str) -> Option<Scanned<'_>> {
    let ends = text.as_bytes().iter().take(300).enumerate();
    ends.filter(|(_, byte)| byte.is_ascii_digit()).find_map(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        if before.is_some_and(u8::is_ascii_digit) { None } else { scan(text.get(at..)?) }
    })
}

/// A time in JSON: a text with its zone, or seconds or milliseconds since 1970. Zero and Go's year 1 are
/// none.
pub fn of_json(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let time = parse(text).or_else(|| of_number(text.trim().parse().ok()?))?;
            (time.as_second() > 0).then_some(time)
        }
        Value::Number(number) => of_number(number.as_f64()?),
        _ => None,
    }
}

/// Seconds, or milliseconds where the number is too large for seconds (above the year 5138).
#[allow(clippy::cast_possible_truncation)] // the value is within the range that is checked
pub fn of_number(number: f64) -> Option<Timestamp> {
    let seconds = if number >= 1e11 { number / 1e3 } else { number };
    // A double holds the microseconds of this century.
    (seconds > 0.0 && seconds < 1e11)
        .then(|| Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok())?
}

/// Nanoseconds since 1970: Docker's `timeNano`.
pub fn of_nanoseconds(value: &Value) -> Option<Timestamp> {
    let nanoseconds = value.as_i64().or_else(|| value.as_str()?.parse().ok())?;
    (nanoseconds > 0).then(|| Timestamp::from_nanosecond(i128::from(nanoseconds)).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_moment_in_many_forms() {
        for text in [
            "2026-11-23T17:02:10.691Z",
            "2026-11-23T17:02:10.691000+00:00",
            "2026-11-23T18:02:10,691+0100",
            "2026-11-23 12:02:10.691 -0500 UTC",
            "2026-11-23 17:02:10.691 UTC",
            "2026-11-23 17:02:10.691000000 +0000 UTC m=+26298.873802262",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), "2026-11-23T17:02:10.691Z", "{text}");
        }
        for value in
            [json!(1795453330.691), json!(1795453330691_i64), json!("1795453330.691"), json!("1795453330691")]
        {
            assert_eq!(of_json(&value).unwrap().to_string(), "2026-11-23T17:02:10.691Z", "{value}");
        }
        assert_eq!(of_nanoseconds(&json!(1795453330691000000_i64)), parse("2026-11-23T17:02:10.691Z"));
    }

    #[test]
    fn what_is_no_time() {
        for text in
            ["", "2026-11-23", "2026-11-23T17:02:10", "2026-13-23T17:02:10Z", "2026-11-23T17:02:99Z", "ä026"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        for value in
            [json!(null), json!(0), json!(-5), json!(1e300), json!("0001-01-01T00:00:00Z"), json!([1])]
        {
            assert_eq!(of_json(&value), None, "{value}");
        }
    }
}
