//! Texts within the text: lines as lists of numbers, and events of a subscription, packed and in base64.

use super::Carver;
use crate::inquest::heap::{Window, gunzip_bounded};

/// A gzip member in base64 inflates to this at most: 6 MB is the most that Lambda gets.
const LARGEST_EVENT: u64 = 64 << 20;

/// The longest base64 text that is collected over windows.
const LONGEST_BASE64: usize = 16 << 20;

impl Carver<'_> {
    /// A text within a text.
    pub(super) fn within(&mut self, text: &[u8], place: u64) {
        if self.depth >= 3 {
            return;
        }
        let place = self.at.unwrap_or(place);
        let mut inner = Carver::new(self.needles, &mut *self.found);
        inner.depth = self.depth + 1;
        inner.of_container = self.of_container;
        inner.at = Some(place);
        inner.look(&Window { bytes: text, offset: 0, from: 0, first: 0, to: text.len(), last: true });
    }

    /// A line as a list of numbers.
    pub(super) fn numbers(&mut self, window: &Window<'_>, begin: usize) -> usize {
        let (bytes, at) = window.around(begin);
        let is_part = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == b',';
        let before =
            bytes.get(..at).unwrap_or_default().iter().rev().take_while(|byte| is_part(byte)).count();
        let open = at - before;
        let after = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| is_part(byte)).count();
        let list = bytes.get(open..at + after).unwrap_or_default();
        let numbers = list.split(|byte| *byte == b',').map(|number| number.trim_ascii());
        let text: Vec<u8> =
            numbers.filter_map(|number| std::str::from_utf8(number).ok()?.parse::<u8>().ok()).collect();
        self.within(&text, window.offset + begin as u64);
        begin + after
    }

    pub(super) fn begin_base64(&mut self, window: &Window<'_>, begin: usize) -> usize {
        self.base64 = Some((Vec::new(), window.offset + begin as u64));
        self.collect_base64(window, begin + 1)
    }

    pub(super) fn go_on_with_base64(&mut self, window: &Window<'_>) {
        if self.base64.is_some() {
            let from = usize::try_from(self.done.saturating_sub(window.offset)).unwrap_or(usize::MAX);
            let behind = self.collect_base64(window, from.max(window.from));
            self.done = self.done.max(window.offset + behind as u64);
        }
    }

    /// Takes what is base64 from `from` on, and returns where that ends.
    fn collect_base64(&mut self, window: &Window<'_>, from: usize) -> usize {
        let Some((text, _)) = &mut self.base64 else { return 0 };
        let part = window.bytes.get(from..window.to.max(from)).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let length = part.iter().take_while(|byte| is_part(byte)).count();
        text.extend_from_slice(part.get(..length).unwrap_or_default());
        let goes_on = length == part.len() && !window.last && text.len() < LONGEST_BASE64;
        if !goes_on {
            self.end_base64();
        }
        from + length
    }

    pub(super) fn end_base64(&mut self) {
        use base64::Engine;
        use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
        let Some((mut text, place)) = self.base64.take() else { return };
        // What is cut decodes up to there.
        text.truncate(text.len() - text.len() % 4);
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
        if let Ok(packed) = engine.decode(&text) {
            let inflated = gunzip_bounded(&packed, LARGEST_EVENT);
            self.within(&inflated, place);
        }
    }
}
