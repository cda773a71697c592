//! Takes the last lines while a log is read: a pipe is read only once.

use super::around::{around, before};
use super::shape::Shape;
use crate::inquest::case::{Kind, Place, Tail};
use crate::inquest::heap::Window;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of last lines are kept; of more they are left out.
const TAILS: usize = 16 << 20;

/// Takes the lines that stand before records of those who are asked about.
pub struct Tails<'a> {
    file: u32,
    /// how many bytes of them are kept, in all files
    kept: &'a AtomicUsize,
    /// how the lines looked at the last of these records
    shape: Option<Shape>,
    /// what was found
    pub found: Vec<Tail>,
}

impl<'a> Tails<'a> {
    /// Of the input `file`.
    pub fn new(file: u32, kept: &'a AtomicUsize) -> Tails<'a> {
        Tails { file, kept, shape: None, found: Vec::new() }
    }

    /// The records of a window, each by its place in the stream; at the end of the stream what stands there.
    pub fn take(&mut self, window: &Window<'_>, asked: Vec<(u64, Kind)>) {
        for (offset, kind) in asked {
            let Some(at) = offset.checked_sub(window.offset).and_then(|at| usize::try_from(at).ok()) else {
                continue;
            };
            let (bytes, at) = window.around(at);
            self.shape = Shape::at(bytes, at);
            let Some(shape) = self.shape.as_ref() else { continue };
            if !matches!(kind, Kind::Start | Kind::Exit) {
                continue;
            }
            let lines = match kind {
                Kind::Exit => around(shape, bytes, at),
                _ => before(shape, bytes, at),
            };
            self.keep(Tail {
                place: Place { file: self.file, offset },
                end: false,
                certain: shape.is_certain(),
                lines,
            });
        }
        if window.last
            && let Some(shape) = self.shape.clone()
        {
            let end = window.bytes.len();
            let (bytes, at) = window.around(end);
            let place = Place { file: self.file, offset: window.offset + end as u64 };
            self.keep(Tail {
                place,
                end: true,
                certain: shape.is_certain(),
                lines: before(&shape, bytes, at),
            });
        }
    }

    fn keep(&mut self, tail: Tail) {
        let size = tail.lines.iter().map(|line| line.text.len() + 32).sum::<usize>() + 64;
        if self.kept.fetch_add(size, Ordering::Relaxed) < TAILS {
            self.found.push(tail);
        }
    }
}
