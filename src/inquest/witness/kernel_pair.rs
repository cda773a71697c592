//! One statement of the lines by which the kernel tells one kill (see `kernel.rs` for them).

use super::kernel::{CONTEXT, CONTEXT_4};
use super::{OomKill, OomScope, Statement, What, WitnessKind, time};

/// What one line is within the telling of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// `oom-kill:` or `Task in …`: which cgroup, before the kill
    Context,
    /// `Kill process …`: who was chosen; a child of it may be taken in its stead
    Chosen,
    /// `Killed process …`
    Killed,
    /// `Tasks in … are going to be killed`
    Group,
}

fn stage(statement: &Statement) -> Option<Stage> {
    match &statement.what {
        What::OomGroup { .. } => Some(Stage::Group),
        What::OomKill(_) if statement.text.starts_with(CONTEXT) => Some(Stage::Context),
        What::OomKill(_) if statement.text.starts_with(CONTEXT_4) => Some(Stage::Context),
        What::OomKill(kill) => Some(if kill.pid.is_some() { Stage::Killed } else { Stage::Chosen }),
        _ => None,
    }
}

/// Makes one statement of the lines that tell one kill.
///
/// The lines of one stream are to be given in their order; lines of several hosts may be mixed if they name
/// them. What finds no partner comes out as it is, at the latest from [`KernelPair::finish`].
#[derive(Debug, Default)]
pub struct KernelPair {
    waiting: Vec<Statement>,
    group: Option<Statement>,
    last_pid: Option<u32>,
}

/// How many lines may wait for a partner.
const WAITING: usize = 16;

/// How long one kill may take to be told, in seconds: a serial console writes 11 KB a second, and the table
/// of processes stands amid the lines of Linux 4.
const APART: i64 = 30;

impl KernelPair {
    /// Takes the next statement, and returns those that are now whole. Those of other witnesses pass through.
    pub fn push(&mut self, statement: Statement) -> Vec<Statement> {
        if statement.kind != WitnessKind::Kernel {
            return vec![statement];
        }
        match stage(&statement) {
            Some(Stage::Context) => {
                self.group = None;
                self.partner_or_wait(statement)
            }
            Some(Stage::Chosen) => {
                // The line before it says more, if it is there.
                let known = self.waiting.iter().any(|other| told_together(other, &statement));
                if known { Vec::new() } else { self.wait(statement) }
            }
            Some(Stage::Killed) => self.killed(statement),
            Some(Stage::Group) => {
                self.group = Some(statement.clone());
                vec![statement]
            }
            None => vec![statement],
        }
    }

    /// What still waits for a partner, in the order in which it came.
    pub fn finish(&mut self) -> Vec<Statement> {
        self.group = None;
        std::mem::take(&mut self.waiting)
    }

    fn killed(&mut self, mut statement: Statement) -> Vec<Statement> {
        let group = self.group.as_ref().filter(|group| told_together(group, &statement));
        let (Some(group), What::OomKill(kill)) = (group, &mut statement.what) else {
            return self.partner_or_wait(statement);
        };
        // The first victim is told again with the rest of its group.
        if self.last_pid == kill.pid {
            return Vec::new();
        }
        kill.group = true;
        kill.scope = OomScope::Cgroup;
        if let What::OomGroup { memcg } = &group.what {
            kill.victim_memcg = Some(memcg.clone());
        }
        statement.task_id = group.task_id.clone();
        statement.container_id = group.container_id.clone();
        vec![statement]
    }

    fn partner_or_wait(&mut self, statement: Statement) -> Vec<Statement> {
        let partner = self.waiting.iter().rposition(|other| are_partners(other, &statement));
        match partner.map(|at| self.waiting.remove(at)) {
            Some(other) => {
                let joined = join(other, statement);
                self.last_pid = match &joined.what {
                    What::OomKill(kill) => kill.pid,
                    _ => None,
                };
                vec![joined]
            }
            None => self.wait(statement),
        }
    }

    fn wait(&mut self, statement: Statement) -> Vec<Statement> {
        self.waiting.push(statement);
        if self.waiting.len() > WAITING { vec![self.waiting.remove(0)] } else { Vec::new() }
    }
}

/// Whether one is the context and the other the kill of the same event.
fn are_partners(one: &Statement, other: &Statement) -> bool {
    let (What::OomKill(a), What::OomKill(b)) = (&one.what, &other.what) else { return false };
    let stages = (stage(one), stage(other));
    let complementary = match stages {
        (Some(Stage::Killed), Some(Stage::Context)) => b.pid.is_some(),
        (Some(Stage::Context | Stage::Chosen), Some(Stage::Killed)) => true,
        _ => false,
    };
    let same_pid = a.pid.is_none() || b.pid.is_none() || a.pid == b.pid;
    complementary && same_pid && told_together(one, other)
}

/// Whether two lines may belong to one event, by host and time.
fn told_together(one: &Statement, other: &Statement) -> bool {
    let apart = match (one.time, other.time, &one.clock, &other.clock) {
        (Some(a), Some(b), ..) => Some(a.duration_since(b).as_secs().saturating_abs()),
        (None, None, Some(a), Some(b)) => time::seconds_between(a, b),
        (None, None, None, None) => Some(0),
        _ => None,
    };
    one.host == other.host && apart.is_some_and(|seconds| seconds <= APART)
}

/// One statement of two: who was killed from the line of the kill, and where from its context.
fn join(one: Statement, other: Statement) -> Statement {
    let (context, killed) = if stage(&one) == Some(Stage::Killed) { (other, one) } else { (one, other) };
    let (What::OomKill(place), What::OomKill(victim)) = (context.what, killed.what.clone()) else {
        return killed;
    };
    let scope = if place.scope == OomScope::Unknown { victim.scope } else { place.scope };
    let kill = OomKill {
        uid: victim.uid.or(place.uid),
        scope,
        victim_memcg: place.victim_memcg,
        limit_memcg: place.limit_memcg,
        ..victim
    };
    Statement {
        what: What::OomKill(kill),
        task_id: context.task_id,
        container_id: context.container_id,
        ..killed
    }
}
