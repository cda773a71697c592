//! What stands beside a life in its certificate: deaths at the same time, and earlier lives of its kind.
//! Looked up, since a page may have thousands of certificates.

use crate::inquest::case::Life;
use crate::inquest::stats::is_bad;
use std::collections::{BTreeSet, HashMap};

/// Deaths this far apart are shown beside each other, in milliseconds.
const BESIDE: i64 = 5 * 60_000;

/// How many earlier lives are told of.
const EARLIER: usize = 5;

/// All lives, by the times of their ends and by their kinds.
#[derive(Debug, Default)]
pub struct Beside {
    /// each end: when, of which kind, and whether it was a bad one
    ends: Vec<(i64, Option<usize>, bool)>,
    kinds: Vec<String>,
    by_kind: HashMap<String, usize>,
    /// of each kind the ends and peaks
    peaks: Vec<Vec<(i64, u64)>>,
}

/// The deaths within five minutes of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Deaths {
    /// how many
    pub deaths: usize,
    /// how many of them ended badly
    pub bad: usize,
    /// of how many kinds
    pub kinds: usize,
    /// one of the kinds
    pub kind: Option<String>,
}

impl Beside {
    /// Of all lives that are known.
    pub fn of(lives: &[Life]) -> Beside {
        let mut beside = Beside::default();
        for life in lives {
            let Some(ended) = life.died() else { continue };
            let kind = life.label().map(|label| match beside.by_kind.get(&label) {
                Some(kind) => *kind,
                None => {
                    let kind = beside.kinds.len();
                    beside.kinds.push(label.clone());
                    beside.peaks.push(Vec::new());
                    beside.by_kind.insert(label, kind);
                    kind
                }
            });
            beside.ends.push((ended, kind, is_bad(life)));
            if let (Some(peaks), Some(peak)) = (
                kind.and_then(|kind| beside.peaks.get_mut(kind)),
                life.memory().and_then(|memory| memory.peak),
            ) {
                peaks.push((ended, peak));
            }
        }
        beside.ends.sort_unstable();
        beside.peaks.iter_mut().for_each(|peaks| peaks.sort_unstable());
        beside
    }

    /// The other deaths within five minutes, if there are any.
    pub fn deaths(&self, life: &Life) -> Option<Deaths> {
        let at = life.died().or(life.last_sign())?;
        let first = self.ends.partition_point(|(ended, ..)| *ended < at.saturating_sub(BESIDE));
        let near = self.ends.iter().skip(first).take_while(|(ended, ..)| *ended <= at.saturating_add(BESIDE));
        // Its own end is among them.
        let own = usize::from(life.died().is_some());
        let own_kind = life.label().and_then(|label| self.by_kind.get(&label)).copied();
        let (mut deaths, mut bad, mut of_kind) = (0_usize, 0_usize, 0_usize);
        let mut kinds = BTreeSet::new();
        for (_, kind, is_bad) in near {
            deaths += 1;
            bad += usize::from(*is_bad);
            of_kind += usize::from(*kind == own_kind);
            kinds.extend(*kind);
        }
        if own == 1 && of_kind == 1 {
            own_kind.map(|kind| kinds.remove(&kind));
        }
        let deaths = deaths.saturating_sub(own);
        let bad = bad.saturating_sub(usize::from(own == 1 && is_bad(life)));
        let kind = kinds.first().and_then(|kind| self.kinds.get(*kind)).cloned();
        (deaths > 0).then_some(Deaths { deaths, bad, kinds: kinds.len(), kind })
    }

    /// The peaks of the lives of the same kind that ended before this one began, the last few, in bytes.
    pub fn earlier_peaks(&self, life: &Life) -> Vec<u64> {
        let (Some(begun), Some(label), Some(_)) = (life.begun(), life.label(), life.get("family")) else {
            return Vec::new();
        };
        let Some(peaks) = self.by_kind.get(&label).and_then(|kind| self.peaks.get(*kind)) else {
            return Vec::new();
        };
        let earlier = peaks.partition_point(|(ended, _)| *ended <= begun);
        peaks.iter().take(earlier).skip(earlier.saturating_sub(EARLIER)).map(|(_, peak)| *peak).collect()
    }
}
