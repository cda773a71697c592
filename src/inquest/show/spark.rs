//! A small line of a series of values: for a terminal of letters, for a page of points.

use crate::inquest::case::{Kind, Life, Once};

const LETTERS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// So many values at the most: of neighbours that come together the highest, since that is what runs into a
/// limit.
pub fn thinned(values: &[(i64, f64)], most: usize) -> Vec<(i64, f64)> {
    let each = values.len().div_ceil(most.max(1)).max(1);
    let highest = |some: &[(i64, f64)]| some.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    values.chunks(each).filter_map(highest).collect()
}

/// The values as letters of eight heights, from nothing to the highest; a few as those of a leak that begins
/// high would all look the same, so the lowest height is the lowest value where that is above half of the
/// highest.
pub fn text(values: &[f64], most: usize) -> String {
    let values: Vec<(i64, f64)> = values.iter().map(|value| (0, *value)).collect();
    let values = thinned(&values, most);
    let highest = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let lowest = values.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let ground = if lowest > highest / 2.0 { lowest } else { 0.0 };
    let letter = |value: f64| {
        let part = if highest > ground { (value - ground) / (highest - ground) } else { 0.0 };
        LETTERS.get((part * 7.0).round() as usize).copied().unwrap_or('▁')
    };
    values.iter().map(|(_, value)| letter(*value)).collect()
}

/// What a life's `stats` records tell.
#[derive(Debug, Default, PartialEq)]
pub struct Series {
    /// memory in use, in bytes, by time in milliseconds since 1970
    pub memory: Vec<(i64, f64)>,
    /// CPU in use, in thousandths of one
    pub cpu: Vec<(i64, f64)>,
    /// the limit of memory, in bytes, as it was last told
    pub memory_limit: Option<u64>,
    /// the limit of CPU, in thousandths of one, as it was last told
    pub cpu_limit: Option<u32>,
}

impl Series {
    /// Of a life.
    pub fn of(life: &Life) -> Series {
        let mut series = Series::default();
        for event in life.records.iter().filter(|record| record.kind() == Kind::Stats).map(Once::event) {
            if let Some(memory) = event.memory {
                series.memory.extend(memory.usage.map(|usage| (event.time, usage as f64)));
                series.memory_limit = memory.limit.or(series.memory_limit);
            }
            if let Some(cpu) = event.cpu {
                series.cpu.push((event.time, f64::from(cpu.milli)));
                series.cpu_limit = cpu.limit.or(series.cpu_limit);
            }
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights() {
        assert_eq!(text(&[0.0, 1.0, 7.0], 9), "▁▂█");
        assert_eq!(text(&[60.0, 65.0, 67.0], 9), "▁▆█");
        assert_eq!(text(&[5.0, 5.0], 9), "▁▁");
        // The highest of each three.
        assert_eq!(text(&[0.0, 0.0, 7.0, 0.0, 1.0, 0.0], 2), "█▂");
    }
}
