#![allow(clippy::unwrap_used)]

use super::*;
use crate::options::{Command, Mode, parse};

/// The core of a command line, with a program that runs.
pub(super) fn core(line: &str) -> Core {
    with(line, &|_| None)
}

pub(super) fn with(line: &str, env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Core {
    let Command::Run(options) = parse(line.split(' ').map(Into::into).collect(), env) else {
        unreachable!("{line}")
    };
    let mut core =
        Core::new(&options.supervision, options.records.stats.every, options.mode != Mode::Pause, 1);
    if options.mode != Mode::Pause {
        core.step(Instant::now(), Event::Started { pid: 7 });
    }
    core
}

pub(super) fn signal(number: i32) -> Signal {
    Signal::new(number).unwrap()
}

pub(super) fn arrival(number: i32) -> Arrival {
    Arrival { signal: signal(number), sender: Sender::Outside, at: Instant::now() }
}

/// What is done about a signal whose sending the kernel answers with `refused`, in all.
pub(super) fn deliver(core: &mut Core, arrival: Arrival, refused: Option<i32>) -> Vec<Action> {
    let mut done = Vec::new();
    for action in core.step(arrival.at, Event::Signal(arrival)) {
        done.push(action);
        if let Action::Send { order, .. } = action {
            done.extend(core.step(arrival.at, Event::Sent { order, refused }));
        }
    }
    done
}

fn sent(core: &mut Core, number: i32) -> Vec<i32> {
    let done = deliver(core, arrival(number), None).into_iter();
    done.filter_map(
        |action| if let Action::Send { signal, .. } = action { Some(signal.number()) } else { None },
    )
    .collect()
}

#[test]
fn every_signal_is_forwarded_but_for_our_own_and_the_faults() {
    let mut core = core("epitaph true");
    for number in (1..=64).filter(|number| Signal::new(*number).is_some()) {
        let held = [libc::SIGCHLD, 4, 5, 6, 7, 8, 11, 31].contains(&number);
        let expected: &[i32] = if held { &[] } else { &[number] };
        assert_eq!(sent(&mut core, number), expected, "{number}");
    }
}

#[test]
fn a_fault_signal_that_is_rewritten_is_somebodys_choice() {
    for number in [4, 5, 6, 7, 8, 11, 31] {
        let mut core = core(&format!("epitaph -r {number}:15 true"));
        assert_eq!(sent(&mut core, number), [15]);
        assert_eq!(core.stops.current().map(|stop| stop.signal), Some(Signal::TERM));
    }
}

#[test]
fn what_our_own_writing_brings_is_not_the_programs() {
    let mut core = core("epitaph true");
    for number in [libc::SIGPIPE, libc::SIGXFSZ] {
        let ours = Arrival { sender: Sender::Inside(1), ..arrival(number) };
        assert_eq!(core.step(ours.at, Event::Signal(ours)).to_vec(), []);
        assert_eq!(sent(&mut core, number), [number]);
    }
}

#[test]
fn rewriting() {
    let mut core = core("epitaph -r TERM:QUIT -r HUP:0 -r USR1:TERM true");
    assert!(sent(&mut core, 1).is_empty());
    assert_eq!(core.stops.current(), None);
    assert_eq!(sent(&mut core, 15), [3]);
    assert_eq!(core.stops.current().map(|stop| stop.signal.number()), Some(3));
    assert_eq!(sent(&mut core, libc::SIGUSR1), [15]);
}

#[test]
fn a_terminal_stop_suspends_whoever_has_no_group_of_its_own_for_the_program() {
    let arrives = |line: &str| {
        let mut core = core(line);
        let stop = Arrival { sender: Sender::Terminal, ..arrival(libc::SIGTSTP) };
        let done = core.step(stop.at, Event::Signal(stop)).into_iter();
        done.map(|action| match action {
            Action::Send { signal, target, .. } => format!("{} {target:?}", signal.number()),
            other => format!("{other:?}"),
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(arrives("dumb-init true"), ["19 Group", "Suspend"]);
    assert_eq!(arrives("dumb-init -c true"), ["20 Program", "Suspend"]);
    assert_eq!(arrives("epitaph -c true"), ["20 Program", "Suspend"]);
    assert_eq!(arrives("epitaph true"), ["20 Program"]);
    assert_eq!(arrives("dumb-init -r TSTP:0 true"), ["Suspend"]);
    assert_eq!(arrives("dumb-init -r TSTP:TERM true"), ["15 Group", "Suspend"]);
    assert_eq!(arrives("dumb-init -r TSTP:TSTP true"), ["20 Group", "Suspend"]);
}

#[test]
fn pause_ends_on_sigterm_and_sigint_alone() {
    for (number, ends) in
        [(libc::SIGUSR1, false), (libc::SIGHUP, false), (libc::SIGQUIT, false), (15, true), (2, true)]
    {
        let mut core = core("epitaph -P");
        assert_eq!(core.step(Instant::now(), Event::Signal(arrival(number))).to_vec(), []);
        assert_eq!(core.over().map(|(over, _)| over), ends.then_some(Over::PauseEnded), "{number}");
    }
}

#[test]
fn lines_wait_for_a_helper_that_cannot_be_started_and_are_tried_again() {
    let mut core = core("epitaph true");
    let at = |ms| Instant::now() + Duration::from_millis(ms);
    let begin = at(0);
    let child = |pid, ending| Event::Reaped(Child { pid, ending, name: None });
    assert_eq!(core.step(begin, Event::LineQueued).to_vec(), [Action::Append]);
    core.step(begin, Event::HelperMissing(Purpose::Journal));
    assert!(core.journal.is_stalled());
    // Not with each of thousands of events, but with the next one after a moment, and in a second anyway.
    assert_eq!(core.step(begin, child(50, Ending::Exited(0))).to_vec(), []);
    assert_eq!(
        core.step(begin + Duration::from_millis(20), child(51, Ending::Exited(0))).to_vec(),
        [Action::Append]
    );
    core.step(begin + Duration::from_millis(20), Event::HelperMissing(Purpose::Journal));
    let due = core.next_deadline().unwrap();
    assert_eq!(due, begin + Duration::from_millis(1020));
    assert_eq!(core.step(due, Event::Time).to_vec(), [Action::Append]);
    core.step(due, Event::HelperStarted { purpose: Purpose::Journal, pid: 60, deadline: None });
    assert_eq!(core.step(due, Event::LineQueued).to_vec(), [], "one appender at a time");
    // The OOM killer takes the appender: nothing was written, and nothing is lost.
    let killed = core.step(due, child(60, Ending::Signaled(9))).to_vec();
    assert_eq!(killed, [Action::TakeLinesBack, Action::Append]);
    core.step(due, Event::HelperStarted { purpose: Purpose::Journal, pid: 61, deadline: None });
    core.step(due, child(61, Ending::Exited(1)));
    assert_eq!(core.journal.lost(), 2);
    assert_eq!(core.reaped(), 2, "helpers are no orphans");
}

#[test]
fn a_stuck_record_is_made_without_a_helper_where_there_is_none() {
    let mut core = core("epitaph true");
    deliver(&mut core, arrival(15), None);
    let due = core.next_deadline().unwrap();
    assert_eq!(core.step(due, Event::Time).to_vec(), [Action::RecordStuck { late: None }]);
    let missing = core.step(due, Event::HelperMissing(Purpose::Record)).to_vec();
    assert_eq!(missing, [Action::RecordStuckAlone { late: None }]);
}

#[test]
fn a_helper_is_killed_once_and_its_record_is_lost() {
    let mut core = core("epitaph true");
    let now = Instant::now();
    let due = now + Duration::from_secs(3);
    core.step(now, Event::HelperStarted { purpose: Purpose::Record, pid: 80, deadline: Some(due) });
    assert_eq!(core.next_deadline(), Some(due));
    assert_eq!(core.step(due, Event::Time).to_vec(), [Action::EndHelper { pid: 80 }]);
    assert_eq!((core.next_deadline(), core.step(due, Event::Time).to_vec()), (None, vec![]));
    core.step(due, Event::Reaped(Child { pid: 80, ending: Ending::Signaled(9), name: None }));
    assert_eq!(core.helpers.lost(), 1);
}

#[test]
fn an_identity_that_comes_after_the_start_is_told_once() {
    let mut core = core("epitaph true");
    let now = Instant::now();
    assert_eq!(core.step(now, Event::ReportClosed).to_vec(), [], "the child has ended before the exec");
    core.step(now, Event::Executing);
    assert_eq!(core.step(now, Event::ReportClosed).to_vec(), [Action::SearchIdentity]);
    core.step(now, Event::HelperMissing(Purpose::Identity));
    let due = core.next_deadline().unwrap();
    assert_eq!(core.step(due, Event::Time).to_vec(), [Action::SearchIdentity]);
    core.step(due, Event::HelperStarted { purpose: Purpose::Identity, pid: 9, deadline: None });
    assert_eq!(core.step(due, Event::Resolved).to_vec(), [Action::RecordIdentity]);
    assert_eq!(core.step(due, Event::Resolved).to_vec(), []);
    assert!(!core.late.is_wanted());
}

#[test]
fn an_identity_of_the_start_is_in_the_start_record() {
    let mut core = core("epitaph true");
    let now = Instant::now();
    for event in [Event::Resolved, Event::Executing, Event::ReportClosed] {
        assert_eq!(core.step(now, event).to_vec(), []);
    }
}
