//! The agent's rate limit: a token bucket for each path.

use std::collections::HashMap;
use std::time::Instant;

/// How many requests of one path are answered; the others get 429 with a text and no `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests a second in the long run.
    pub rate: f64,
    /// Requests at once.
    pub burst: f64,
}

impl Default for RateLimit {
    /// The agent's: 40 a second, 60 at once (`ECS_TASK_METADATA_RPS_LIMIT`).
    fn default() -> Self {
        RateLimit { rate: 40.0, burst: 60.0 }
    }
}

/// The buckets of all paths. (The agent has one for each caller and path; here all callers are one.)
#[derive(Debug, Default)]
pub struct Buckets {
    limit: RateLimit,
    by_path: HashMap<String, (f64, Instant)>,
}

impl Buckets {
    pub fn new(limit: RateLimit) -> Self {
        Buckets { limit, by_path: HashMap::new() }
    }

    /// Takes a token for `target` (path and query), if there is one left at the time `now`.
    pub fn take(&mut self, target: &str, now: Instant) -> bool {
        let path = target.split('?').next().unwrap_or_default();
        let (tokens, filled) = self.by_path.entry(path.to_owned()).or_insert((self.limit.burst, now));
        let gained = now.saturating_duration_since(*filled).as_secs_f64() * self.limit.rate;
        *tokens = (*tokens + gained).min(self.limit.burst);
        *filled = now;
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }
}
