//! What happens in a life from outside of epitaph, and when.

use crate::random::Random;

/// Whom something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Program,
    /// a child of the program
    Worker,
    /// a process that has lost its parent, or that the container's engine put in
    Orphan,
    Helper,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// the program starts a worker, or one that loses its parent at once
    Spawn {
        orphan: bool,
        dies_with_parent: bool,
    },
    Exits {
        whom: Whom,
        code: i32,
    },
    OomKill(Whom),
    /// `memory.oom.group`, without PID 1
    OomGroup,
    /// SIGKILL from a process that is not epitaph
    Kill(Whom),
    /// a signal to epitaph, and with `group` to the program in the same moment
    Signal {
        number: i32,
        group: bool,
    },
    /// fork fails from now on, for so many milliseconds
    NoForks(u64),
    /// nobody runs for so many milliseconds
    Freeze(u64),
    /// orphans that end all at once
    Storm(u64),
    /// the identity is known now
    Resolved,
}

/// How a program takes a signal that ends it by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Dies,
    Exits { code: i32, after: u64 },
    Ignores,
}

/// The setting of a life, and what happens in it.
#[derive(Debug)]
pub struct Script {
    pub watched: bool,
    /// whether /proc tells of the program
    pub proc: bool,
    /// whether the kernel lets epitaph signal the program
    pub refuses: bool,
    pub is_pid_1: bool,
    pub kill_after: Option<u64>,
    /// `--stop-delay`, `--grace`, `--drain` and `--max-lifetime`, in milliseconds
    pub delay: Option<u64>,
    pub grace: Option<u64>,
    pub drain: Option<u64>,
    pub lifetime: Option<u64>,
    pub journal: bool,
    pub habit: Habit,
    /// whether the program dies slowly, as one that waits in the kernel
    pub slow: bool,
    /// in milliseconds since the start, in order
    pub acts: Vec<(u64, Act)>,
}

const CODES: [i32; 5] = [0, 0, 1, 137, 143];

pub fn script(random: &mut Random) -> Script {
    let mut acts = Vec::new();
    let mut at = 0;
    for _ in 0..1 + random.below(6) {
        // Clusters: things come together in a moment, or a while later.
        at += random.one(&[1, 30, 300, 900, 1100, 3000, 6000, 12_000, 70_000, 130_000]) + random.below(50);
        for _ in 0..1 + random.below(6) {
            at += random.one(&[0, 0, 0, 1, 2, 20, 60]);
            acts.push((at, act(random)));
        }
    }
    let habit = match random.below(4) {
        0 => Habit::Ignores,
        1 => Habit::Dies,
        _ => Habit::Exits { code: random.one(&CODES), after: random.one(&[0, 1, 50, 3000]) },
    };
    Script {
        watched: random.chance(50),
        proc: random.chance(90),
        refuses: random.chance(5),
        is_pid_1: random.chance(70),
        kill_after: random.chance(40).then(|| random.one(&[50, 1000, 10_000, 200_000])),
        delay: random.chance(30).then(|| random.one(&[1, 500, 5000, 60_000])),
        grace: random.chance(20).then(|| random.one(&[1000, 30_000, 120_000])),
        drain: random.chance(30).then(|| random.one(&[10, 1000, 20_000])),
        lifetime: random.chance(20).then(|| random.one(&[1, 1000, 20_000, 100_000])),
        journal: random.chance(70),
        habit,
        slow: random.chance(5),
        acts,
    }
}

fn act(random: &mut Random) -> Act {
    let whom = |random: &mut Random| {
        random.one(&[Whom::Program, Whom::Worker, Whom::Worker, Whom::Orphan, Whom::Helper])
    };
    match random.below(100) {
        0..30 => Act::Spawn { orphan: random.chance(30), dies_with_parent: random.chance(40) },
        30..40 => Act::Exits { whom: random.one(&[Whom::Worker, Whom::Orphan]), code: random.one(&CODES) },
        40..45 => Act::Exits { whom: Whom::Program, code: random.one(&CODES) },
        45..62 => Act::OomKill(whom(random)),
        62..64 => Act::OomGroup,
        64..76 => Act::Kill(random.one(&[Whom::Program, Whom::Worker, Whom::Orphan])),
        76..88 => {
            let number = random.one(&[15, 15, 15, 2, 1, 3, 10]);
            Act::Signal { number, group: random.chance(30) }
        }
        88..92 => Act::NoForks(random.one(&[5, 500, 5000, 100_000])),
        92..95 => Act::Freeze(random.one(&[200, 2000, 60_000])),
        95..98 => Act::Storm(random.one(&[5, 50, 600])),
        _ => Act::Resolved,
    }
}
