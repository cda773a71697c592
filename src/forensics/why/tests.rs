#![allow(clippy::unwrap_used, clippy::panic)]

use super::{Sentence, Size, Span, Word};
use std::fmt::Write;
use std::time::Duration;

#[test]
fn sizes_never_round_up() {
    for (bytes, text) in [
        (0, "0 KiB"),
        (1023, "0 KiB"),
        (65_536, "64 KiB"),
        ((1 << 20) - 1, "1023 KiB"),
        (1 << 20, "1.0 MiB"),
        (33_554_431, "31.9 MiB"),
        (33_554_432, "32.0 MiB"),
        (35_232_153, "33.5 MiB"),
        (16 << 30, "16384.0 MiB"),
        (u64::MAX, "17592186044415.9 MiB"),
    ] {
        assert_eq!(Size(bytes).to_string(), text);
    }
}

#[test]
fn spans() {
    for (milliseconds, text) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (119_999, "119.9 s"),
        (120_000, "2 min"),
        (7_199_999, "119 min"),
        (7_200_000, "2 h"),
        (172_799_999, "47 h"),
        (172_800_000, "2 d"),
    ] {
        assert_eq!(Span(Duration::from_millis(milliseconds)).to_string(), text);
    }
}

#[test]
fn words_and_sentences_are_cut_between_characters() {
    assert_eq!(Word("a\tb\u{7f}").to_string(), "a\u{fffd}b\u{fffd}");
    assert_eq!(Word(&"x".repeat(64)).to_string(), "x".repeat(64));
    assert_eq!(Word(&format!("{}é", "x".repeat(63))).to_string(), "x".repeat(63) + "…");
    for pieces in [1, 99, 100, 101, 1000] {
        let mut sentence = Sentence::new();
        for _ in 0..pieces {
            write!(sentence, "äx").unwrap();
        }
        let text = sentence.end();
        assert_eq!(text.len(), (3 * pieces + 1).min(300), "{pieces}");
        assert!(text.ends_with('.'));
    }
    let mut sentence = Sentence::new();
    for clause in ["x".repeat(200), "y".repeat(60), "z".repeat(60), "a".into()] {
        write!(sentence, "; {clause}").unwrap();
    }
    assert_eq!(sentence.end(), format!("; {}; {}.", "x".repeat(200), "y".repeat(60)));
    let mut sentence = Sentence::new();
    write!(sentence, "x{}", "ä".repeat(200)).unwrap();
    assert_eq!(sentence.end(), format!("x{}.", "ä".repeat(149)));
}
