//! How epitaph and other inits are measured, for the benchmark and for the tests of the footprint.

pub mod endpoint;
pub mod idle;
pub mod spawn;
pub mod streams;

/// What is said of many measurements of one thing.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// A quarter of the measurements are below it.
    pub q1: f64,
    /// Half of them are.
    pub median: f64,
    /// Three quarters of them are.
    pub q3: f64,
    /// 99 of 100 are.
    pub p99: f64,
}

impl Spread {
    /// `None` of no measurement.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        // The nearest rank: a figure that was measured, nothing in between.
        let at = |share: f64| values.get((last as f64 * share).round() as usize).copied();
        Some(Self { q1: at(0.25)?, median: at(0.5)?, q3: at(0.75)?, p99: at(0.99)? })
    }
}
