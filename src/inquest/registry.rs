//! Values that stay until the program ends, each with a number: a number is half as large as a pointer, and
//! can be written among bytes.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many values are made room for at a time; a power of two.
const ROOM: usize = 1024;

/// How many such rooms are in a hall; a power of two.
const ROOMS: usize = 1024;

/// How many halls there may be: more values than memory has room for.
const HALLS: usize = 512;

type Places<T> = Box<[OnceLock<T>]>;

/// Values and their numbers. None is ever moved or freed, so that none has to be locked to be read.
pub struct Registry<T> {
    halls: [OnceLock<Places<Places<T>>>; HALLS],
    count: AtomicU32,
}

impl<T> Registry<T> {
    /// One without values.
    pub const fn new() -> Registry<T> {
        Registry { halls: [const { OnceLock::new() }; HALLS], count: AtomicU32::new(0) }
    }

    /// Keeps the value. None where there are too many.
    pub fn add(&self, value: T) -> Option<NonZeroU32> {
        let place = self.count.fetch_add(1, Ordering::Relaxed);
        let (hall, room, seat) = parts(place);
        let empty = |count| (0..count).map(|_| OnceLock::new()).collect();
        let hall = self.halls.get(hall)?.get_or_init(|| (0..ROOMS).map(|_| OnceLock::new()).collect());
        let room = hall.get(room)?.get_or_init(|| empty(ROOM));
        room.get(seat)?.set(value).ok()?;
        NonZeroU32::new(place.checked_add(1)?)
    }

    /// The value of a number.
    pub fn get(&self, number: NonZeroU32) -> Option<&T> {
        let (hall, room, seat) = parts(number.get() - 1);
        self.halls.get(hall)?.get()?.get(room)?.get()?.get(seat)?.get()
    }
}

fn parts(place: u32) -> (usize, usize, usize) {
    let place = place as usize;
    (place / ROOM / ROOMS, place / ROOM % ROOMS, place % ROOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_by_its_number() {
        static ALL: Registry<usize> = Registry::new();
        let add =
            || (0..5 * ROOM).map(|value| (value, ALL.add(value).expect("a number"))).collect::<Vec<_>>();
        let all: Vec<(usize, NonZeroU32)> = std::thread::scope(|scope| {
            let threads = [scope.spawn(add), scope.spawn(add)];
            threads.into_iter().flat_map(|thread| thread.join().expect("numbers")).collect()
        });
        for (value, number) in &all {
            assert_eq!(ALL.get(*number), Some(value));
        }
        let mut numbers: Vec<u32> = all.iter().map(|(_, number)| number.get()).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(1..=10 * ROOM as u32));
        assert_eq!((ALL.get(NonZeroU32::MAX), ALL.get(NonZeroU32::MIN.saturating_add(20_000))), (None, None));
    }
}
