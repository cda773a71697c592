//! Times: those in records and lines, those that a person asks for, and how they are shown.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// The milliseconds since 1970 of a time as RFC 3339 writes it, such as `2026-11-23T17:02:10.691Z`.
pub fn rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let dashed =
        bytes.len() >= 20 && bytes.get(4) == Some(&b'-') && matches!(bytes.get(10), Some(b'T' | b't' | b' '));
    if !dashed || bytes.len() > 40 {
        return None;
    }
    text.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
}

/// A time that a person asks for: RFC 3339, a date, a time of today, `2h` (ago), `@1795453330`; what has no
/// zone is in `zone`. In milliseconds since 1970.
///
/// # Errors
/// A sentence that tells the forms.
pub fn asked(text: &str, now: Timestamp, zone: &TimeZone) -> Result<i64, String> {
    let wrong = || {
        format!(
            "{text:?} is no time: write 2026-11-23T17:02:10Z, 2026-11-23, '2026-11-23 17:02', 17:00, 2h (ago) or @1795453330"
        )
    };
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
        let milliseconds = (seconds * 1000.0).round();
        return if milliseconds.abs() < 1e14 { Ok(milliseconds as i64) } else { Err(wrong()) };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let in_zone = |time: DateTime| {
        let zoned = zone.to_ambiguous_zoned(time).compatible().map_err(|_| wrong())?;
        Ok(zoned.timestamp().as_millisecond())
    };
    if let Ok(time) = text.parse::<DateTime>() {
        return in_zone(time);
    }
    if let Ok(date) = text.parse::<Date>() {
        return in_zone(date.to_datetime(Time::midnight()));
    }
    if let Some(ago) = duration(text) {
        return now.checked_sub(ago).map(|time| time.as_millisecond()).map_err(|_| wrong());
    }
    if text.contains(':')
        && let Ok(time) = text.parse::<Time>()
    {
        return in_zone(now.to_zoned(zone.clone()).date().to_datetime(time));
    }
    Err(wrong())
}

/// `90s`, `5m`, `2h`, `3d`, `1h30m`, `250ms`.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut sum = 0_i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(unit)?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(factor)?)?;
        rest = after;
    }
    Some(SignedDuration::from_millis(sum))
}

/// The zone of `--tz`: `UTC`, `local`, or a name of the tz database.
///
/// # Errors
/// A sentence for the person.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "UTC" | "utc" => Ok(TimeZone::UTC),
        "local" => Ok(TimeZone::system()),
        name => TimeZone::get(name)
            .map_err(|_| format!("no time zone {name:?}: write UTC, local, or such as Europe/Berlin")),
    }
}

/// How times are shown.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// Shows times in `zone`.
    pub fn new(zone: TimeZone) -> Clock {
        Clock { zone }
    }

    fn zoned(&self, milliseconds: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(milliseconds).ok()?.to_zoned(self.zone.clone()))
    }

    fn format(&self, milliseconds: i64, format: &str) -> String {
        self.zoned(milliseconds).map_or_else(|| "?".to_owned(), |time| time.strftime(format).to_string())
    }

    fn is_utc(&self) -> bool {
        self.zone == TimeZone::UTC
    }

    /// What stands above a column of times: `UTC`, or the zone's name.
    pub fn name(&self) -> String {
        if self.is_utc() {
            return "UTC".to_owned();
        }
        self.zone.iana_name().unwrap_or("local").to_owned()
    }

    /// `11-23 17:02:10.691`, with `Z` in UTC.
    pub fn short(&self, milliseconds: i64) -> String {
        self.format(milliseconds, if self.is_utc() { "%m-%d %H:%M:%S%.3fZ" } else { "%m-%d %H:%M:%S%.3f" })
    }

    /// `2026-11-23 17:02:10.691Z`, with the offset in other zones.
    pub fn long(&self, milliseconds: i64) -> String {
        self.format(
            milliseconds,
            if self.is_utc() { "%Y-%m-%d %H:%M:%S%.3fZ" } else { "%Y-%m-%d %H:%M:%S%.3f%:z" },
        )
    }

    /// `2026-11-23`.
    pub fn day(&self, milliseconds: i64) -> String {
        self.format(milliseconds, "%Y-%m-%d")
    }

    /// `2026-11-23 17h`.
    pub fn hour(&self, milliseconds: i64) -> String {
        self.format(milliseconds, "%Y-%m-%d %Hh")
    }

    /// A mark of an axis whose marks are so many milliseconds apart: `11-23`, `17:02`, `17:02:10`,
    /// `17:02:10.691`.
    pub fn tick(&self, milliseconds: i64, apart: i64) -> String {
        let format = match apart {
            86_400_000.. => "%m-%d",
            60_000.. => "%H:%M",
            1_000.. => "%H:%M:%S",
            _ => "%H:%M:%S%.3f",
        };
        self.format(milliseconds, format)
    }

    /// How far the zone is ahead of UTC then, in milliseconds.
    pub fn offset(&self, milliseconds: i64) -> i64 {
        self.zoned(milliseconds).map_or(0, |time| i64::from(time.offset().seconds()) * 1000)
    }

    /// `17:02:10.691`.
    pub fn time(&self, milliseconds: i64) -> String {
        self.format(milliseconds, "%H:%M:%S%.3f")
    }
}

/// RFC 3339 in UTC with milliseconds, as in records.
pub fn written(milliseconds: i64) -> String {
    Clock::new(TimeZone::UTC).format(milliseconds, "%Y-%m-%dT%H:%M:%S%.3fZ")
}

/// A length of time for a person: `78ms`, `4.2s`, `11m04s`, `1h12m`, `3d04h`.
pub fn span(milliseconds: i64) -> String {
    let ms = milliseconds.unsigned_abs();
    let sign = if milliseconds < 0 { "-" } else { "" };
    let seconds = ms / 1000;
    match ms {
        0..1000 => format!("{sign}{ms}ms"),
        1000..60_000 => format!("{sign}{}.{}s", seconds, ms % 1000 / 100),
        60_000..3_600_000 => format!("{sign}{}m{:02}s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{sign}{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{sign}{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_asks_for() {
        let now: Timestamp = "2026-11-23T18:00:00Z".parse().expect("a time");
        let berlin = zone("Europe/Berlin").expect("a zone");
        let asks = |text: &str, zone: &TimeZone| asked(text, now, zone).map(written);
        let utc = TimeZone::UTC;
        for (text, expected) in [
            ("2026-11-23T17:02:10.691Z", "2026-11-23T17:02:10.691Z"),
            ("2026-11-23T17:02:10+01:00", "2026-11-23T16:02:10.000Z"),
            ("2026-11-23", "2026-11-23T00:00:00.000Z"),
            ("2026-11-23 17:02", "2026-11-23T17:02:00.000Z"),
            ("17:00", "2026-11-23T17:00:00.000Z"),
            ("2h", "2026-11-23T16:00:00.000Z"),
            ("1h30m", "2026-11-23T16:30:00.000Z"),
            ("@1795453330", "2026-11-23T17:02:10.000Z"),
        ] {
            assert_eq!(asks(text, &utc).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(asks("17:00", &berlin).as_deref(), Ok("2026-11-23T16:00:00.000Z"));
        for text in ["", "soon", "@x", "25:00", "2x", "@1e300"] {
            assert!(asks(text, &utc).is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        let spans: Vec<String> = [78, 4_200, 664_000, 4_320_000, 273_600_000, -5].map(span).into();
        assert_eq!(spans, ["78ms", "4.2s", "11m04s", "1h12m", "3d04h", "-5ms"]);
    }
}
