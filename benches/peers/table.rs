//! Figures and the Markdown tables that they are printed in.

use crate::init::{BASELINE, Init};
use crate::support::measure::Spread;

/// One figure of one init.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Measured often.
    Spread(Spread),
    /// A single figure.
    Number(f64),
    /// No figure, or none that is a number.
    Text(String),
}

impl Cell {
    /// The measurements, or a dash where there are none.
    pub fn of(values: Vec<f64>) -> Self {
        Spread::of(values).map_or_else(|| Self::text("–"), Self::Spread)
    }

    /// Words.
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Spread(spread) => Some(spread.median),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

/// One line of the table: a thing that was measured, with its unit, for every init.
pub struct Row {
    /// What it is, and the unit.
    pub label: String,
    /// In the order of the inits.
    pub cells: Vec<Cell>,
    /// Whether to print how many times tini's figure it is.
    pub ratio: bool,
}

impl Row {
    /// A row with the ratio to tini.
    pub fn compared(label: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { label: label.into(), cells, ratio: true }
    }

    /// A row without it.
    pub fn plain(label: impl Into<String>, cells: Vec<Cell>) -> Self {
        Self { label: label.into(), cells, ratio: false }
    }
}

/// The main table: medians, and in parentheses how many times tini's they are.
pub fn medians(inits: &[Init], rows: &[Row]) -> String {
    let baseline = inits.iter().position(|init| init.name == BASELINE);
    let lines = rows.iter().map(|row| {
        let base =
            baseline.and_then(|index| row.cells.get(index)?.number()).filter(|base| row.ratio && *base > 0.0);
        let cells = row.cells.iter().map(|cell| match (cell, cell.number()) {
            (Cell::Text(text), _) => text.clone(),
            (_, Some(number)) => match base {
                Some(base) => format!("{} ({:.2}×)", grouped(number), number / base),
                None => grouped(number),
            },
            (_, None) => String::new(),
        });
        (row.label.clone(), cells.collect())
    });
    markdown(inits, lines)
}

/// The second table: the quartiles of all that was measured often.
pub fn quartiles(inits: &[Init], rows: &[Row]) -> String {
    let often = |cell: &Cell| matches!(cell, Cell::Spread(_));
    let lines = rows.iter().filter(|row| row.cells.iter().any(often)).map(|row| {
        let cells = row.cells.iter().map(|cell| match cell {
            Cell::Spread(spread) => format!("{} – {}", grouped(spread.q1), grouped(spread.q3)),
            Cell::Number(_) | Cell::Text(_) => "–".to_owned(),
        });
        (row.label.clone(), cells.collect())
    });
    markdown(inits, lines)
}

fn markdown(inits: &[Init], lines: impl Iterator<Item = (String, Vec<String>)>) -> String {
    let heading = inits.iter().map(|init| init.name.to_owned()).collect();
    let rule = inits.iter().map(|_| "---:".to_owned()).collect();
    let line = |(label, cells): (String, Vec<String>)| format!("| {label} | {} |\n", cells.join(" | "));
    [(String::new(), heading), ("---".to_owned(), rule)].into_iter().chain(lines).map(line).collect()
}

/// One decimal below ten, none above, and commas between the thousands.
pub fn grouped(number: f64) -> String {
    if number.abs() < 10.0 && number.fract() != 0.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{:.0}", number.abs());
    let mut text = String::from(if number < 0.0 { "−" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
