//! How much memory would be enough, as far as that can be known.

use super::loops::Peaks;
use super::numbers::{rise, slope};
use super::outcome::{Kinds, met_oom_killer};
use crate::inquest::case::Life;

/// Of fewer lives nothing is said on a trend.
const FEWEST: usize = 5;

/// More than these last ones are not looked at for it.
const MOST: usize = 200;

/// Spearman's ρ from which peaks are said to rise.
const RISES: f64 = 0.8;

/// The memory of a kind of container.
#[derive(Debug, Clone, PartialEq)]
pub struct Enough {
    /// `family:revision/container`
    pub kind: String,
    /// the peaks of lives of which the OOM killer took nothing: that much was enough
    pub survived: Option<Peaks>,
    /// those of lives that it took, or a part of them: what these would have needed cannot be known
    pub killed: Option<Peaks>,
    /// how many it took, also without a word on their memory
    pub kills: usize,
    /// the peaks rise from start to start
    pub trend: Option<Trend>,
    /// the peaks, in order of their starts, the last ones
    pub peaks: Vec<u64>,
}

/// Peaks that rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// bytes a start
    pub step: f64,
    /// Spearman's ρ
    pub rho: f64,
    /// of how many lives
    pub lives: usize,
}

/// The memory of each kind of which a peak is known or that met the OOM killer.
pub fn of(kinds: &Kinds<'_>) -> Vec<Enough> {
    kinds.iter().filter_map(|(kind, lives)| of_kind(kind, lives)).collect()
}

fn of_kind(kind: &str, lives: &[&Life]) -> Option<Enough> {
    let (killed, survived): (Vec<&Life>, Vec<&Life>) = lives.iter().partition(|life| met_oom_killer(life));
    let peaks: Vec<u64> = lives.iter().filter_map(|life| life.memory()?.peak).collect();
    if peaks.is_empty() && killed.is_empty() {
        return None;
    }
    let last: Vec<u64> = peaks.iter().skip(peaks.len().saturating_sub(MOST)).copied().collect();
    Some(Enough {
        kind: kind.to_owned(),
        survived: Peaks::of(&survived),
        killed: Peaks::of(&killed),
        kills: killed.len(),
        trend: trend(&last),
        peaks: last,
    })
}

fn trend(peaks: &[u64]) -> Option<Trend> {
    let values: Vec<f64> = peaks.iter().map(|peak| *peak as f64).collect();
    let rho = rise(&values).filter(|rho| values.len() >= FEWEST && *rho >= RISES)?;
    let step = slope(&values).filter(|step| *step > 0.0)?;
    Some(Trend { step, rho, lives: values.len() })
}

#[cfg(test)]
mod tests {
    use super::trend;

    #[test]
    fn only_what_rises_is_a_trend() {
        let told = trend(&[10, 12, 14, 16, 18]);
        assert!(told.is_some_and(|trend| trend.step == 2.0 && trend.rho == 1.0 && trend.lives == 5));
        for none in [&[10, 12, 14, 16][..], &[10, 18, 9, 17, 8], &[9, 8, 7, 6, 5], &[4; 9], &[]] {
            assert_eq!(trend(none), None, "{none:?}");
        }
    }
}
