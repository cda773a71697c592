#![allow(clippy::unwrap_used)]

use super::super::tests::core;
use super::super::{Core, Event, helpers::Purpose};
use super::*;

/// A life with a memory cgroup, played event by event. Times are in milliseconds since the start.
struct Life {
    core: Core,
    begin: Instant,
    counter: u64,
    /// what /proc tells of the program
    program: Option<bool>,
    told: Vec<(u64, Option<i32>)>,
}

impl Life {
    fn new(watched: bool, counter: u64) -> Life {
        let begin = Instant::now();
        let mut life =
            Life { core: core("epitaph true"), begin, counter, program: Some(false), told: Vec::new() };
        life.event(0, Event::MemoryFound(Baseline { counters: life.counters(), watched, limited: true }));
        life
    }

    fn v2() -> Life {
        Life::new(true, 0)
    }

    fn v1() -> Life {
        Life::new(false, 0)
    }

    fn counters(&self) -> Counters {
        Counters { oom_kills: Some(self.counter), limit_hits: Some(0), high_hits: None }
    }

    fn event(&mut self, ms: u64, event: Event) {
        let now = self.begin + Duration::from_millis(ms);
        for action in self.core.step(now, event) {
            match action {
                Action::CountKills | Action::CountSampledKills => {
                    self.event(ms, Event::Counted(self.counters().into()))
                }
                Action::LookAtProgram => self.event(ms, Event::ProgramSeen(self.program)),
                Action::RecordKill { new, victim } => {
                    self.told.push((new, victim.map(|victim| victim.pid)));
                }
                _ => {}
            }
        }
    }

    fn kill(&mut self, ms: u64, kills: u64) {
        self.counter += kills;
        self.event(ms, Event::MemoryChanged);
    }

    fn reap(&mut self, ms: u64, pid: i32, signal: i32) {
        let ending = if signal == 0 { Ending::Exited(0) } else { Ending::Signaled(signal) };
        self.event(ms, Event::Reaped(Child { pid, ending, name: None }));
    }

    fn helper(&mut self, ms: u64, pid: i32) {
        self.event(ms, Event::HelperStarted { purpose: Purpose::Journal, pid, deadline: None });
    }

    fn time(&mut self, ms: u64) {
        self.event(ms, Event::Time);
    }

    /// The program's end by SIGKILL, and what is known then.
    fn end(mut self, ms: u64) -> (forensics::Kills, Vec<(u64, Option<i32>)>) {
        self.reap(ms, 7, libc::SIGKILL);
        let (counters, now) = (self.counters(), self.begin + Duration::from_millis(ms));
        self.event(ms, Event::Counted(counters.into()));
        let kills = self.core.kills.as_mut().unwrap();
        if let Some(Action::RecordKill { new, victim }) = kills.record_now() {
            self.told.push((new, victim.map(|victim| victim.pid)));
        }
        (kills.at_end(now).unwrap(), self.told)
    }
}

fn unexplained(kills: &forensics::Kills) -> (u64, u64) {
    (kills.total(), kills.unexplained())
}

#[test]
fn old_kills_are_not_counted() {
    let (kills, told) = Life::new(true, 7).end(100);
    assert_eq!((kills.before, kills.after, unexplained(&kills), told), (7, 7, (0, 0), vec![]));
    assert_eq!((kills.last, kills.earliest), (None, None));
}

#[test]
fn a_kill_first_seen_at_the_end_may_be_the_programs_and_is_told() {
    for mut life in [Life::v1(), Life::v2()] {
        life.counter = 1;
        let (kills, told) = life.end(100);
        assert_eq!((unexplained(&kills), told), ((1, 1), vec![(1, Some(7))]));
    }
}

#[test]
fn an_orphan_that_dies_while_the_program_is_not_being_killed_was_the_victim() {
    for mut life in [Life::v1(), Life::v2()] {
        life.counter = 1;
        life.reap(100, 50, libc::SIGKILL);
        assert_eq!(life.core.kills.as_ref().unwrap().last_other().map(|victim| victim.pid), Some(50));
        // Somebody's kill -9, a moment later.
        let (kills, told) = life.end(110);
        assert_eq!((unexplained(&kills), kills.helpers, told), ((1, 0), 0, vec![(1, Some(50))]));
    }
}

/// The workers of a program that the OOM killer took die with it (PR_SET_PDEATHSIG). They are reaped before
/// it or after it, as it comes.
#[test]
fn who_dies_with_the_program_was_not_the_victim() {
    for seen in [Some(true), None] {
        for mut life in [Life::v1(), Life::v2()] {
            life.counter = 1;
            life.program = seen;
            for worker in 50..80 {
                life.reap(100, worker, libc::SIGKILL);
            }
            life.reap(101, 7, libc::SIGKILL);
            for worker in 80..90 {
                life.reap(101, worker, libc::SIGKILL);
            }
            let (kills, told) = life.end(101);
            assert_eq!((unexplained(&kills), told.len()), ((1, 1), 1), "{seen:?}");
        }
    }
}

/// Where /proc tells nothing, who died well before the program did not die with it.
#[test]
fn who_died_long_before_the_program_was_the_victim_where_nothing_can_be_seen() {
    let mut life = Life::v2();
    life.program = None;
    life.kill(100, 1);
    life.reap(101, 50, libc::SIGKILL);
    let (kills, _) = life.end(1200);
    assert_eq!(unexplained(&kills), (1, 0));
}

#[test]
fn a_process_killed_without_a_rise_explains_nothing() {
    let mut life = Life::v2();
    life.reap(100, 50, libc::SIGKILL);
    life.counter = 1;
    let (kills, _) = life.end(200);
    assert_eq!(unexplained(&kills), (1, 1));
}

#[test]
fn one_kill_has_one_victim() {
    let mut life = Life::v2();
    life.kill(100, 1);
    life.reap(101, 50, libc::SIGKILL);
    life.reap(102, 51, libc::SIGKILL);
    life.counter = 2;
    let (kills, told) = life.end(103);
    assert_eq!((unexplained(&kills), told), ((2, 1), vec![(1, Some(50)), (1, Some(7))]));
}

#[test]
fn a_helper_that_was_killed_by_another_was_the_victim() {
    for mut life in [Life::v1(), Life::v2()] {
        // Also while the program is being killed by somebody.
        life.program = Some(true);
        life.helper(90, 60);
        life.counter = 1;
        life.reap(100, 60, libc::SIGKILL);
        let victim = life.core.kills.as_ref().unwrap().last_other().unwrap();
        assert!(victim.is_helper);
        let (kills, told) = life.end(110);
        assert_eq!((unexplained(&kills), kills.helpers, told), ((1, 0), 1, vec![(1, Some(60))]));
    }
}

#[test]
fn a_helper_that_we_killed_was_nobodys_victim() {
    let mut life = Life::v2();
    let deadline = Some(life.begin + Duration::from_millis(95));
    life.event(90, Event::HelperStarted { purpose: Purpose::Journal, pid: 60, deadline });
    life.time(95);
    life.counter = 1;
    life.reap(100, 60, libc::SIGKILL);
    let (kills, _) = life.end(110);
    assert_eq!((unexplained(&kills), kills.helpers), ((1, 1), 0));
}

#[test]
fn a_kill_that_spared_the_program_was_anothers() {
    let mut life = Life::v2();
    life.kill(1000, 1);
    let due = life.core.next_deadline().unwrap();
    assert_eq!(due, life.begin + Duration::from_millis(1050));
    life.time(1050);
    assert_eq!(life.told, [(1, None)], "its own parent has reaped the victim");
    life.time(2000);
    assert_eq!(life.core.next_deadline(), None);
    let (kills, _) = life.end(2010);
    assert_eq!((unexplained(&kills), kills.last), ((1, 0), Some(Duration::from_millis(1010))));
}

#[test]
fn a_program_that_takes_long_to_die_was_the_victim() {
    let mut life = Life::v2();
    life.kill(1000, 1);
    life.program = Some(true);
    life.time(2000);
    let (kills, _) = life.end(60_000);
    assert_eq!(unexplained(&kills), (1, 1));
}

#[test]
fn a_kill_that_was_outlived_was_anothers() {
    for (ms, unexplained_then) in [(5999, 1), (6000, 0)] {
        let mut life = Life::v2();
        life.program = None;
        life.kill(1000, 1);
        life.time(1050);
        for look in [2000, 3000, 4000, 5000] {
            assert_eq!(life.core.next_deadline(), Some(life.begin + Duration::from_millis(look)));
            life.time(look);
        }
        let (kills, _) = life.end(ms);
        assert_eq!(unexplained(&kills), (1, unexplained_then), "{ms}");
    }
}

/// Freezes of a minute each, wherever they come: of that nothing is lived.
#[test]
fn nobody_outlives_a_kill_while_the_machine_stands_still() {
    for looks in
        [&[][..], &[2000], &[61_500], &[2000, 62_500], &[61_500, 121_800], &[2000, 3000, 63_000, 123_500]]
    {
        let mut life = Life::v2();
        life.program = None;
        life.kill(1000, 1);
        looks.iter().for_each(|look| life.time(*look));
        let (kills, _) = life.end(looks.last().unwrap_or(&1000) + 60_500);
        assert_eq!(unexplained(&kills), (1, 1), "{looks:?}");
    }
    // Once it has outlived the kill nobody looks any more.
    let mut life = Life::v2();
    life.program = None;
    life.kill(1000, 1);
    while let Some(deadline) = life.core.next_deadline() {
        let ms = deadline.duration_since(life.begin).as_millis();
        assert!(ms <= 6000, "a look at {ms} ms");
        life.time(u64::try_from(ms).unwrap());
    }
}

#[test]
fn a_fresh_kill_is_not_explained_by_an_old_one() {
    let mut life = Life::v2();
    life.kill(1000, 1);
    life.time(2000);
    // The victim of that kill, reaped late, explains no later one either.
    life.counter = 2;
    let (kills, _) = life.end(9000);
    assert_eq!((unexplained(&kills), kills.earliest), ((2, 1), Some(Duration::ZERO)));
}

#[test]
fn each_kill_is_told_once() {
    let mut life = Life::v2();
    life.kill(100, 2);
    life.kill(120, 1);
    life.time(150);
    life.kill(300, 1);
    life.reap(310, 50, libc::SIGKILL);
    let (_, told) = life.end(400);
    assert_eq!(told, [(3, None), (1, Some(50))]);
}

#[test]
fn a_victim_that_is_reaped_late_names_no_later_kill() {
    let mut life = Life::v2();
    life.kill(10, 1);
    life.time(60);
    life.reap(100, 50, libc::SIGKILL);
    life.kill(3_600_000, 1);
    life.reap(3_600_000, 51, libc::SIGKILL);
    let (kills, told) = life.end(3_600_100);
    assert_eq!((unexplained(&kills), told), ((2, 0), vec![(1, None), (1, Some(51))]));
}

#[test]
fn on_v1_a_look_is_due_after_a_reap_but_not_for_each_of_thousands() {
    let mut life = Life::v1();
    life.counter = 1;
    life.reap(10, 50, 0);
    assert_eq!(life.told, []);
    assert_eq!(life.core.next_deadline(), Some(life.begin + Duration::from_millis(100)));
    life.time(100);
    life.time(150);
    assert_eq!(life.told, [(1, None)]);
}

#[test]
fn on_v1_the_clock_looks_where_there_is_a_limit() {
    let mut life = Life::v1();
    assert_eq!(life.core.next_deadline(), Some(life.begin + Duration::from_secs(10)));
    life.counter = 1;
    life.time(10_000);
    let (kills, _) = life.end(10_010);
    assert_eq!(
        kills.earliest,
        Some(Duration::from_millis(10_010)),
        "it can have been at any time since the start"
    );

    let mut life = Life::v1();
    let baseline = Baseline { counters: life.counters(), watched: false, limited: false };
    life.event(5, Event::MemoryFound(baseline));
    assert_eq!(life.core.next_deadline(), None);
}

#[test]
fn without_a_reading_only_what_was_seen_is_known() {
    let mut life = Life::v2();
    let unreadable = Counted { counters: Counters::default(), watch_is_gone: true };
    life.event(10, Event::Counted(unreadable));
    assert_eq!(life.core.kills.as_ref().unwrap().at_end(life.begin), None);
    life.kill(20, 1);
    life.event(30, Event::Counted(unreadable));
    let kills = life.core.kills.as_ref().unwrap().at_end(life.begin + Duration::from_millis(30)).unwrap();
    assert_eq!(unexplained(&kills), (1, 1));
}

#[test]
fn pressure_is_told_once_a_minute_and_then_less_often() {
    let mut life = Life::v2();
    let mut told = Vec::new();
    let mut hits = 0;
    for second in 0..400 {
        let now = life.begin + Duration::from_secs(second);
        hits += 1;
        let counters = Counters { oom_kills: Some(0), limit_hits: Some(hits), high_hits: None };
        life.core.step(now, Event::Counted(counters.into()));
        let due = now + Duration::from_millis(50);
        for action in life.core.step(due, Event::Time) {
            assert_eq!(action, Action::CountKills, "a kill since puts it off");
            let counted = Event::Counted(
                Counters { oom_kills: Some(0), limit_hits: Some(hits), high_hits: None }.into(),
            );
            told.extend(
                life.core
                    .step(due, counted)
                    .into_iter()
                    .filter(|action| *action == Action::RecordPressure)
                    .map(|_| second),
            );
        }
    }
    assert_eq!(told, [0, 60, 180]);
}
