//! The statistics of this container, from its own cgroups.

use crate::forensics::{Counters, MemoryTrend, Resources, Sample, Window};
use crate::options::{Stats, StatsFormat};
use crate::record::RenderedIdentity;
use std::path::Path;
use std::time::Instant;

/// What is sampled, and the samples that the next window begins with.
#[derive(Debug)]
pub struct Statistics {
    /// in which format, and the metrics' namespace
    pub settings: Stats,
    resources: Resources,
    started: Instant,
    first: Sample,
    last: (Sample, Instant),
    trend: MemoryTrend,
}

impl Statistics {
    /// Takes the first sample: nothing was used before it. `None` where nothing is to be seen, with one
    /// warning.
    pub fn begin(settings: &Stats, membership: &[u8], started: Instant, now: Instant) -> Option<Statistics> {
        let resources = Resources::open(Path::new("/"), membership);
        if !resources.is_known() {
            log::warn!("--stats: no cgroup is visible that tells what this container uses");
            return None;
        }
        let first = resources.sample();
        Some(Statistics {
            settings: settings.clone(),
            resources,
            started,
            first,
            last: (first, now),
            trend: MemoryTrend::default(),
        })
    }

    /// What was used since the last time.
    pub fn window(&mut self, now: Instant, identity: &RenderedIdentity) -> Window {
        let limits = (identity.task_cpu_limit(), identity.task_memory_limit());
        let sample = self.resources.sample().limited_to(limits.0, limits.1);
        let (before, at) = std::mem::replace(&mut self.last, (sample, now));
        let mut window = sample.window(&before, now.saturating_duration_since(at));
        window.now = sample.since(&self.first);
        window.net_shared = self.resources.has_hosts_network() || identity.shares_network();
        window.uptime = Some(now.saturating_duration_since(self.started));
        window
    }

    /// Keeps the memory of the last window for `memory_trend`. Call it at ticks only: at the program's end
    /// its memory is free again.
    pub fn note_tick(&mut self) {
        self.trend.push(&self.last.0);
    }

    /// The memory cgroup's counters as they stand in the last sample; `None` where it does not tell of kills.
    pub fn counters(&self) -> Option<Counters> {
        let (sample, _) = &self.last;
        sample.oom_kills?;
        Some(Counters { oom_kills: sample.oom_kills, limit_hits: sample.limit_hits, high_hits: None })
    }

    /// The memory used at the last ticks.
    pub fn trend(&self) -> &MemoryTrend {
        &self.trend
    }

    /// Whether the records are in the embedded metric format.
    pub fn is_emf(&self) -> bool {
        self.settings.format == StatsFormat::Emf
    }
}
