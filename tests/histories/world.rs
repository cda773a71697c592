//! The simulated kernel: processes, the kill counter, and who did what to whom.

use crate::random::Random;
use epitaph::supervise::core::{Child, Ending};

/// epitaph.
pub const INIT: i32 = 1;
/// The program.
pub const PROGRAM: i32 = 7;

pub const KILL: i32 = libc::SIGKILL;

/// What a process died of, in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    Itself,
    Oom,
    /// somebody who is not epitaph
    Another,
    Epitaph,
    /// its parent's death
    Parent,
    /// this signal, which epitaph forwarded, or which came from elsewhere in the same moment
    Signal {
        number: i32,
        together: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Runs,
    Dies { at: u64, ending: Ending },
    Zombie(Ending),
    Gone,
}

#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    pub dies_with_parent: bool,
    pub is_helper: bool,
    pub state: State,
    pub cause: Option<Cause>,
    /// when that came over it
    pub struck_at: u64,
    /// when epitaph reaped it
    pub reaped_at: Option<u64>,
}

pub struct World {
    pub now: u64,
    pub processes: Vec<Process>,
    /// the children of epitaph in the order in which the kernel looks at them
    pub children: Vec<i32>,
    pub counter: u64,
    pub has_sigchld: bool,
    pub memory_changed: bool,
    next_pid: i32,
}

impl World {
    pub fn new() -> World {
        let mut world = World {
            now: 0,
            processes: Vec::new(),
            children: Vec::new(),
            counter: 0,
            has_sigchld: false,
            memory_changed: false,
            next_pid: PROGRAM,
        };
        world.spawn(INIT, false, false);
        world
    }

    pub fn spawn(&mut self, parent: i32, dies_with_parent: bool, is_helper: bool) -> i32 {
        let pid = self.next_pid;
        self.next_pid += 1;
        self.processes.push(Process {
            pid,
            parent,
            dies_with_parent,
            is_helper,
            state: State::Runs,
            cause: None,
            struck_at: 0,
            reaped_at: None,
        });
        if parent == INIT {
            self.children.push(pid);
        }
        pid
    }

    pub fn get(&self, pid: i32) -> &Process {
        &self.processes[(pid - PROGRAM) as usize]
    }

    fn get_mut(&mut self, pid: i32) -> &mut Process {
        &mut self.processes[(pid - PROGRAM) as usize]
    }

    /// One that runs, of a kind.
    pub fn find(&self, random: &mut Random, is: impl Fn(&Process) -> bool) -> Option<i32> {
        let all: Vec<i32> = self
            .processes
            .iter()
            .filter(|one| one.state == State::Runs && is(one))
            .map(|one| one.pid)
            .collect();
        (!all.is_empty()).then(|| random.one(&all))
    }

    /// A process is to end, after so many milliseconds. SIGKILL overtakes any other end.
    pub fn strike(&mut self, pid: i32, ending: Ending, cause: Cause, after: u64) {
        let (now, at) = (self.now, self.now + after);
        let process = self.get_mut(pid);
        let is_kill = ending == Ending::Signaled(KILL);
        let strikes = match process.state {
            State::Runs => true,
            State::Dies { at, ending } => is_kill && ending != Ending::Signaled(KILL) && at > now,
            State::Zombie(_) | State::Gone => false,
        };
        if strikes {
            process.state = State::Dies { at, ending };
            process.cause = Some(cause);
            process.struck_at = now;
        }
    }

    /// The OOM killer takes a process that runs. The counter rises before the signal is sent.
    pub fn oom_kill(&mut self, pid: i32, after: u64) {
        if matches!(self.get(pid).state, State::Zombie(_) | State::Gone)
            || matches!(self.get(pid).state, State::Dies { ending: Ending::Signaled(KILL), .. })
        {
            return;
        }
        self.counter += 1;
        self.memory_changed = true;
        self.strike(pid, Ending::Signaled(KILL), Cause::Oom, after);
    }

    /// When the next process ends.
    pub fn next_end(&self) -> Option<u64> {
        let ends = self.processes.iter().filter_map(|one| match one.state {
            State::Dies { at, .. } => Some(at),
            _ => None,
        });
        ends.min()
    }

    /// Lets those end whose time has come.
    pub fn advance(&mut self, now: u64, random: &mut Random) {
        self.now = now;
        while let Some(pid) = self.due(now) {
            self.end(pid, random);
        }
    }

    fn due(&self, now: u64) -> Option<i32> {
        let due = |one: &&Process| matches!(one.state, State::Dies { at, .. } if at <= now);
        self.processes.iter().find(due).map(|one| one.pid)
    }

    fn end(&mut self, pid: i32, random: &mut Random) {
        let State::Dies { ending, .. } = self.get(pid).state else { return };
        let children: Vec<i32> = self
            .processes
            .iter()
            .filter(|one| one.parent == pid && one.state != State::Gone)
            .map(|one| one.pid)
            .collect();
        for child in children {
            self.get_mut(child).parent = INIT;
            self.children.push(child);
            match self.get(child).state {
                State::Zombie(_) => self.has_sigchld = true,
                State::Runs if self.get(child).dies_with_parent => {
                    let after = random.below(4);
                    self.strike(child, Ending::Signaled(KILL), Cause::Parent, after);
                }
                _ => {}
            }
        }
        let parent = self.get(pid).parent;
        // Most parents reap at once, and some never do.
        let stays = parent == INIT || random.chance(20);
        self.get_mut(pid).state = if stays { State::Zombie(ending) } else { State::Gone };
        self.has_sigchld |= parent == INIT;
    }

    /// wait(2) of epitaph: the first child in the list that has ended.
    pub fn reap(&mut self) -> Option<Child> {
        let place = self.children.iter().position(|pid| matches!(self.get(*pid).state, State::Zombie(_)))?;
        let pid = self.children.remove(place);
        let State::Zombie(ending) = self.get(pid).state else { return None };
        let now = self.now;
        let process = self.get_mut(pid);
        process.state = State::Gone;
        process.reaped_at = Some(now);
        Some(Child { pid, ending, name: None })
    }
}
