//! The one point in time by which the resolve phase is over.

use std::time::{Duration, Instant};

/// The end of a time budget. Every request, wait and retry of one resolve shares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The point in time that is `budget` from now; a budget of zero has passed already.
    ///
    /// A budget that the clock cannot hold ends a day from now: no start may wait longer.
    pub fn after(budget: Duration) -> Deadline {
        let now = Instant::now();
        let day = Duration::from_secs(24 * 60 * 60);
        Deadline(now.checked_add(budget).or_else(|| now.checked_add(day)).unwrap_or(now))
    }

    /// What is left of the budget; zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// This deadline, or the point in time that is `budget` from now when that comes earlier.
    pub fn at_most(self, budget: Duration) -> Deadline {
        self.min(Deadline::after(budget))
    }

    /// Sleeps for `pause`. Returns `false`, without having slept, when that would reach the deadline.
    pub fn sleep(self, pause: Duration) -> bool {
        let fits = pause < self.left();
        if fits {
            std::thread::sleep(pause);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_zero_has_passed_and_never_sleeps() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.has_passed());
        let before = Instant::now();
        assert!(!deadline.sleep(Duration::from_secs(60)));
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_earlier_end_counts() {
        let long = Deadline::after(Duration::from_secs(600));
        assert!(long.at_most(Duration::from_secs(1)) < long);
        assert_eq!(long.at_most(Duration::from_secs(6000)), long);
        assert!(!Deadline::after(Duration::MAX).has_passed());
    }
}
