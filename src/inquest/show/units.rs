//! Amounts as a person reads them.

/// An amount of memory for a column: `32.0` of `32.0Mi` has the unit once.
pub fn amount(bytes: u64) -> (String, &'static str) {
    const UNITS: [&str; 5] = ["B", "Ki", "Mi", "Gi", "Ti"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    // 1023.96 of a unit is one of the next, rounded.
    if value >= 1023.95 && unit + 1 < UNITS.len() {
        value = 1.0;
        unit += 1;
    }
    let text = if unit == 0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    (text, UNITS.get(unit).copied().unwrap_or("B"))
}

/// An amount of memory in a sentence: `32.0 MiB`.
pub fn bytes(bytes: u64) -> String {
    match amount(bytes) {
        (value, "B") => format!("{value} bytes"),
        (value, unit) => format!("{value} {unit}B"),
    }
}

/// A number with its thousands apart, and what it counts: `1,204 records`, `1 record`.
pub fn count(number: usize, what: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match what {
        "" => text,
        what if number == 1 => format!("{text} {what}"),
        what if what.ends_with('f') => format!("{text} {}ves", what.trim_end_matches('f')),
        what => match what.strip_suffix("fe") {
            Some(stem) => format!("{text} {stem}ves"),
            None => format!("{text} {what}s"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let of = |number: u64| bytes(number);
        assert_eq!(of(5), "5 bytes");
        assert_eq!(of(33_554_432), "32.0 MiB");
        assert_eq!(of(33_554_431), "32.0 MiB");
        assert_eq!(of(536_870_912), "512 MiB");
        assert_eq!(of(1_073_741_823), "1.0 GiB");
        assert_eq!(
            (count(1, "life"), count(1204, "record"), count(2, "life")),
            ("1 life".into(), "1,204 records".into(), "2 lives".into())
        );
    }
}
