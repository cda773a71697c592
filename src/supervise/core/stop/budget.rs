//! How many records the signals may have.

use std::time::{Duration, Instant};

/// How many records one stop may have, and how many the other signals, before they come once a minute.
const RECORDS: u32 = 8;

/// How often a record comes after that.
const PAUSE: Duration = Duration::from_secs(60);

/// So many records, and then one a minute: a signal can come a thousand times a second.
#[derive(Debug, Default)]
pub(super) struct Budget {
    taken: u32,
    last: Option<Instant>,
}

impl Budget {
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_free =
            self.taken < RECORDS || self.last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if is_free {
            self.taken = self.taken.saturating_add(1);
            self.last = Some(now);
        }
        is_free
    }
}
