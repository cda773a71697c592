#![allow(clippy::unwrap_used)]

use super::super::tests::{arrival, core, deliver, signal, with};
use super::super::{Child, Core, Ending, Event, Over};
use super::*;

const EPERM: Option<i32> = Some(libc::EPERM);

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(begin: Instant, seconds: u64, number: i32) -> Arrival {
    Arrival { at: begin + s(seconds), ..arrival(number) }
}

fn records(done: &[Action], is_stop: bool) -> usize {
    done.iter()
        .filter(|action| matches!(action, Action::RecordSignal(told) if told.is_stop == is_stop))
        .count()
}

fn end(core: &mut Core, now: Instant, ending: Ending) {
    core.step(now, Event::Reaped(Child { pid: 7, ending, name: None }));
}

fn kill(target: Target) -> Action {
    Action::Send { signal: Signal::KILL, target, order: Order::Kill }
}

#[test]
fn which_signals_stop_is_the_users_choice() {
    let stops = |line: &str, number| {
        let mut core = core(line);
        records(&deliver(&mut core, arrival(number), None), true) == 1
    };
    for (line, stop, others) in [
        ("epitaph true", vec![15, 2], vec![3, 1, 10, 28]),
        ("epitaph --stop-signal QUIT true", vec![3], vec![15, 2]),
        ("epitaph --stop-signal USR1,WINCH,RTMIN+3 true", vec![10, 28, 37], vec![15, 2, 3]),
        // As it arrives, or as it is sent.
        ("epitaph -r TERM:QUIT true", vec![15, 2], vec![3]),
        ("epitaph --stop-signal QUIT -r TERM:QUIT true", vec![15, 3], vec![2]),
    ] {
        for number in stop {
            assert!(stops(line, number), "{line}: {number}");
        }
        for number in others {
            assert!(!stops(line, number), "{line}: {number}");
        }
    }
}

#[test]
fn a_stop_signal_that_is_dropped_stops_nothing() {
    let mut core = core("epitaph -r TERM:0 --kill-after 1s true");
    assert_eq!(deliver(&mut core, arrival(15), None), []);
    assert_eq!((core.stops.current(), core.next_deadline()), (None, None));
}

#[test]
fn a_signal_that_is_no_stop_signal_arms_nothing() {
    let mut core = core("epitaph --kill-after 10s true");
    let quit = arrival(libc::SIGQUIT);
    let done = deliver(&mut core, quit, None);
    assert_eq!((records(&done, false), core.next_deadline(), core.stops.current()), (1, None, None));
    assert_eq!(core.stops.last_other(quit.at + s(120)).map(|other| other.signal.number()), Some(3));
    assert_eq!(core.stops.last_other(quit.at + s(121)), None);
    // From inside it is the container's own affair, and from the kernel it is a terminal's.
    for sender in [Sender::Inside(5), Sender::Terminal, Sender::Unknown] {
        let done = deliver(&mut core, Arrival { sender, ..quit }, None);
        assert_eq!(records(&done, false), 0);
    }
}

#[test]
fn other_signals_have_eight_records_and_then_one_a_minute() {
    let mut core = core("epitaph true");
    let begin = Instant::now();
    let mut told = 0;
    for second in 0..180 {
        told += records(&deliver(&mut core, at(begin, second, 1), None), false);
    }
    // At 0 to 7, at 67 and at 127.
    assert_eq!(told, 10);
}

#[test]
fn a_stop_goes_on_for_the_time_of_stuck_and_then_another_begins() {
    let mut core = core("epitaph true");
    let begin = Instant::now();
    assert_eq!(records(&deliver(&mut core, at(begin, 0, 15), None), true), 1);
    assert_eq!(records(&deliver(&mut core, at(begin, 5, 2), None), true), 1);
    assert_eq!(core.stops.current().map(|stop| (stop.signal, stop.at)), Some((Signal::TERM, begin)));
    core.step(begin + s(5), Event::Time);
    assert_eq!(core.next_deadline(), None, "stuck is told once for a stop");
    deliver(&mut core, at(begin, 6, 2), None);
    assert_eq!(core.stops.current().map(|stop| (stop.signal, stop.at)), Some((Signal::INT, begin + s(6))));
    assert_eq!(core.next_deadline(), Some(begin + s(11)), "and once for the next one");
}

#[test]
fn a_stop_has_eight_records() {
    let mut core = core("epitaph true");
    let begin = Instant::now();
    let told: usize = (0..50).map(|_| records(&deliver(&mut core, at(begin, 1, 15), None), true)).sum();
    assert_eq!(told, 8);
    assert_eq!(records(&deliver(&mut core, at(begin, 30, 15), None), true), 1, "the next stop has its own");
}

#[test]
fn a_stop_lapses_when_the_program_outlives_it_by_two_minutes() {
    for (seconds, counts) in [(120, true), (121, false)] {
        let mut core = core("epitaph true");
        let begin = Instant::now();
        deliver(&mut core, at(begin, 0, 15), None);
        end(&mut core, begin + s(seconds), Ending::Exited(1));
        assert_eq!(core.stops.current().is_some(), counts, "{seconds}");
    }
    // Never before --kill-after has acted.
    let mut core = core("epitaph --kill-after 10m true");
    let begin = Instant::now();
    deliver(&mut core, at(begin, 0, 15), None);
    end(&mut core, begin + s(500), Ending::Exited(1));
    assert!(core.stops.current().is_some());
}

#[test]
fn kill_after_counts_from_the_first_stop_signal_and_nothing_puts_it_off() {
    let mut core = core("epitaph -g --kill-after 10s true");
    let begin = Instant::now();
    deliver(&mut core, at(begin, 0, 15), None);
    assert_eq!(core.next_deadline(), Some(begin + s(5)));
    assert_eq!(core.step(begin + s(5), Event::Time).to_vec(), [Action::RecordStuck { late: None }]);
    deliver(&mut core, at(begin, 7, 15), None);
    assert_eq!(core.next_deadline(), Some(begin + s(10)));
    assert_eq!(core.step(begin + Duration::from_millis(9999), Event::Time).to_vec(), []);
    assert_eq!(core.stops.kill(), None);
    assert_eq!(core.step(begin + s(10), Event::Time).to_vec(), [kill(Target::Group)]);
    core.step(begin + s(10), Event::Sent { order: Order::Kill, refused: None });
    assert_eq!(core.stops.kill(), Some(Kill { after: s(10), refused: None }));
}

#[test]
fn a_refused_stop_signal_is_told_and_is_no_stop() {
    let mut core = core("epitaph --kill-after 10s true");
    let begin = Instant::now();
    let done = deliver(&mut core, at(begin, 0, 15), EPERM);
    assert!(
        done.iter().any(|action| matches!(action,
            Action::RecordSignal(told) if told.is_stop && told.delivery == Delivery::Refused(libc::EPERM))),
        "{done:?}"
    );
    assert_eq!(core.stops.current(), None);
    assert_eq!(core.stops.refused().map(|refused| refused.signal), Some(Signal::TERM));
    assert_eq!(core.next_deadline(), Some(begin + s(10)), "--kill-after is armed all the same");
    // One that is accepted later begins the stop.
    deliver(&mut core, at(begin, 1, 2), None);
    assert_eq!(core.stops.current().map(|stop| stop.signal), Some(Signal::INT));
    assert_eq!(core.stops.refused(), None);
}

#[test]
fn pid_1_ends_where_it_may_not_kill_and_a_subreaper_goes_on() {
    let mut core = core("epitaph --kill-after 10s true");
    let begin = Instant::now();
    deliver(&mut core, at(begin, 0, 15), EPERM);
    let due = begin + s(10);
    assert_eq!(core.step(due, Event::Time).to_vec(), [kill(Target::Program)]);
    core.step(due, Event::Sent { order: Order::Kill, refused: EPERM });
    assert_eq!(core.over(), Some((Over::KillRefused { errno: libc::EPERM }, due)));

    let options = crate::options::parse(vec!["epitaph".into(), "true".into()], &|_| None);
    let crate::options::Command::Run(options) = options else { unreachable!() };
    let mut core = Core::new(&options.supervision, None, true, 40);
    core.step(begin, Event::Started { pid: 7 });
    let refused = core.step(due, Event::Sent { order: Order::Kill, refused: EPERM }).to_vec();
    assert_eq!(refused, [Action::WarnKillRefused { errno: libc::EPERM }]);
    assert_eq!(core.over(), None);
}

#[test]
fn stuck_is_half_of_the_grace_unless_it_is_set() {
    let after = |line: &str, variable: Option<&str>| {
        let env = |name: &str| (name == "EPITAPH_STUCK_AFTER").then_some(variable?.into());
        let mut core = with(line, &env);
        let stop = arrival(15);
        deliver(&mut core, stop, None);
        core.stops.stuck_at.map(|at| (at - stop.at).as_millis())
    };
    assert_eq!(after("epitaph true", None), Some(5000));
    assert_eq!(after("epitaph --kill-after 60s true", None), Some(5000));
    assert_eq!(after("epitaph --kill-after 3s true", None), Some(1500));
    assert_eq!(after("epitaph --kill-after 3s true", Some("2s")), Some(2000));
    assert_eq!(after("epitaph true", Some("0")), None);
}

/// `docker pause` amid the grace: both deadlines are long over when epitaph sees the clock again.
#[test]
fn a_program_that_stood_still_is_looked_at_before_it_is_killed() {
    let mut core = core("epitaph --kill-after 10s true");
    let begin = Instant::now();
    deliver(&mut core, at(begin, 0, 15), None);
    let thawed = begin + s(60);
    assert_eq!(core.step(thawed, Event::Time).to_vec(), [Action::RecordStuck { late: Some(s(55)) }]);
    assert_eq!(core.next_deadline(), Some(thawed + s(1)));
    assert_eq!(core.step(thawed + s(1), Event::Time).to_vec(), [kill(Target::Program)]);

    // Also where it was looked at before.
    let mut core = super::super::tests::core("epitaph --kill-after 10s true");
    deliver(&mut core, at(begin, 0, 15), None);
    core.step(begin + s(5), Event::Time);
    assert_eq!(core.step(thawed, Event::Time).to_vec(), []);
    assert_eq!(core.step(thawed + s(1), Event::Time).to_vec(), [kill(Target::Program)]);
}

#[test]
fn a_stop_signal_that_comes_as_the_program_ends_counts_if_it_explains_the_end() {
    for (line, ending, number, explains) in [
        ("epitaph true", Ending::Signaled(15), 15, true),
        ("epitaph true", Ending::Exited(143), 15, true),
        ("epitaph true", Ending::Exited(0), 15, true),
        ("epitaph true", Ending::Signaled(2), 2, true),
        ("epitaph -r TERM:USR1 true", Ending::Signaled(10), 15, true),
        ("epitaph true", Ending::Signaled(11), 15, false),
        ("epitaph true", Ending::Signaled(9), 15, false),
        ("epitaph true", Ending::Exited(1), 15, false),
        ("epitaph true", Ending::Signaled(1), 1, false),
        ("epitaph true", Ending::Signaled(2), 15, false),
    ] {
        let mut core = core(line);
        let now = Instant::now();
        end(&mut core, now, ending);
        let done = deliver(&mut core, Arrival { at: now, ..arrival(number) }, None);
        assert_eq!(records(&done, true), usize::from(explains), "{line}, {ending:?}, {number}");
        assert!(!done.iter().any(|action| matches!(action, Action::Send { .. })), "nobody is there");
        let stop = core.stops.current();
        assert_eq!(stop.map(|stop| stop.forwarded), explains.then_some(false), "{line}, {ending:?}");
    }
    let _ = signal(1);
}
