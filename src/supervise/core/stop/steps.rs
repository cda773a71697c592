//! Tests of the steps of a stop: held, hurried, expired, drained.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::tests::{arrival, core, deliver};
use super::super::{Arrival, Child, Core, Ending, Event, Over};
use super::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(begin: Instant, seconds: u64, number: i32) -> Arrival {
    Arrival { at: begin + s(seconds), ..arrival(number) }
}

/// A core whose program is executed, and when.
fn running(line: &str) -> (Core, Instant) {
    let (mut core, now) = (core(line), Instant::now());
    core.step(now, Event::Executing);
    (core, now)
}

/// All that is done about an event, with the answers to what is sent.
fn all(core: &mut Core, now: Instant, event: Event) -> Vec<Action> {
    let mut done = Vec::new();
    for action in core.step(now, event) {
        done.push(action);
        if let Action::Send { order, .. } = action {
            done.extend(core.step(now, Event::Sent { order, refused: None }));
        }
    }
    done
}

fn sent(done: &[Action]) -> Vec<i32> {
    let number = |action: &Action| match action {
        Action::Send { signal, .. } | Action::SendToAll { signal } => Some(signal.number()),
        _ => None,
    };
    done.iter().filter_map(number).collect()
}

fn delivery(done: &[Action]) -> Option<Delivery> {
    done.iter().find_map(|action| match action {
        Action::RecordSignal(told) => Some(told.delivery),
        _ => None,
    })
}

fn end(core: &mut Core, now: Instant, ending: Ending) {
    core.step(now, Event::Reaped(Child { pid: 7, ending, name: None }));
}

#[test]
fn all_times_count_from_the_release() {
    let (mut core, begin) = running("epitaph --stop-delay 10s --kill-after 4s true");
    let done = deliver(&mut core, at(begin, 0, 15), None);
    assert_eq!((sent(&done), delivery(&done)), (vec![], Some(Delivery::Held(s(10)))));
    assert_eq!((core.stops.current(), core.next_deadline()), (None, Some(begin + s(10))));
    assert_eq!(sent(&deliver(&mut core, at(begin, 1, 1), None)), [1], "no stop signal is held");
    assert_eq!(all(&mut core, begin + s(9), Event::Time), []);
    assert_eq!(sent(&all(&mut core, begin + s(10), Event::Time)), [15]);
    assert_eq!(core.stops.current().map(|stop| stop.at), Some(begin + s(10)));
    assert_eq!(core.next_deadline(), Some(begin + s(12)));
    all(&mut core, begin + s(12), Event::Time);
    assert_eq!(sent(&all(&mut core, begin + s(14), Event::Time)), [9]);
}

#[test]
fn what_is_not_held() {
    let mut not_executed = core("epitaph --stop-delay 10s true");
    assert_eq!(sent(&deliver(&mut not_executed, arrival(15), None)), [15]);
    let (mut core, begin) = running("epitaph --stop-delay 10s true");
    let terminal = Arrival { sender: Sender::Terminal, ..at(begin, 0, 2) };
    assert_eq!(sent(&deliver(&mut core, terminal, None)), [2]);
    // Nor a further one of the same stop.
    assert_eq!(sent(&deliver(&mut core, at(begin, 1, 15), None)), [15]);
    // That one is long over.
    assert_eq!(sent(&deliver(&mut core, at(begin, 200, 15), None)), [0; 0]);
}

#[test]
fn another_stop_signal_hurries_and_the_same_one_is_sent_once() {
    for (second, expected) in [(15, vec![15]), (2, vec![15, 2])] {
        let (mut core, begin) = running("epitaph --stop-delay 1h true");
        deliver(&mut core, at(begin, 0, 15), None);
        let done = deliver(&mut core, at(begin, 3, second), None);
        assert_eq!((sent(&done), delivery(&done)), (expected, Some(Delivery::Forwarded)));
        let held = core.stops.held().unwrap();
        assert_eq!(held.released, Some(begin + s(3)));
        assert_eq!(core.stops.current().map(|stop| stop.signal), Some(Signal::TERM));
    }
}

#[test]
fn an_end_while_held_is_no_stop_unless_it_was_that_signal() {
    for (ending, forwarded) in [
        (Ending::Exited(0), None),
        (Ending::Exited(1), None),
        (Ending::Signaled(9), None),
        (Ending::Signaled(15), Some(false)),
        (Ending::Exited(143), None),
    ] {
        let (mut core, begin) = running("epitaph --stop-delay 1h true");
        deliver(&mut core, at(begin, 0, 15), None);
        end(&mut core, begin + s(1), ending);
        assert_eq!(core.stops.current().map(|stop| stop.forwarded), forwarded, "{ending:?}");
        assert_eq!(core.stops.held().is_some(), forwarded.is_none(), "{ending:?}");
        assert_eq!(core.next_deadline(), None);
    }
}

#[test]
fn a_release_that_is_refused_is_told() {
    let (mut core, begin) = running("epitaph --stop-delay 1s --kill-after 5s true");
    deliver(&mut core, at(begin, 0, 15), None);
    let now = begin + s(1);
    let done = core.step(now, Event::Time).to_vec();
    let [Action::Send { order, .. }] = done[..] else { panic!("{done:?}") };
    let told = core.step(now, Event::Sent { order, refused: Some(libc::EPERM) }).to_vec();
    assert_eq!(delivery(&told), Some(Delivery::Refused(libc::EPERM)));
    assert_eq!((core.stops.current(), core.next_deadline()), (None, Some(now + s(5))));
}

fn lifetime(core: &mut Core, now: Instant, seconds: u64) {
    core.step(now, Event::Lifetime { lifetime: s(seconds), left: s(seconds) });
}

#[test]
fn the_end_of_the_life_time_stops_and_kills() {
    for (line, signal, kill) in [
        ("epitaph true", 15, 30),
        ("epitaph --kill-after 7s true", 15, 7),
        ("epitaph --stop-signal QUIT,TERM true", 3, 30),
        ("epitaph -r TERM:USR1 --stop-delay 1h true", 10, 30),
    ] {
        let (mut core, begin) = running(line);
        lifetime(&mut core, begin, 60);
        assert_eq!(core.next_deadline(), Some(begin + s(60)));
        let done = all(&mut core, begin + s(60), Event::Time);
        assert_eq!(
            (done[0], sent(&done)),
            (Action::RecordLifetime { lifetime: s(60) }, vec![signal]),
            "{line}"
        );
        assert_eq!(core.stops.expiry().map(|expiry| expiry.at), Some(begin + s(60)));
        all(&mut core, begin + s(65), Event::Time);
        let due = begin + s(60 + kill);
        assert_eq!(sent(&all(&mut core, due, Event::Time)), [9], "{line}");
        assert_eq!(core.stops.kill().map(|kill| kill.after), Some(s(kill)));
    }
    // Dropped by -r, it is killed all the same.
    let (mut core, begin) = running("epitaph -r TERM:0 true");
    lifetime(&mut core, begin, 60);
    assert_eq!(sent(&all(&mut core, begin + s(60), Event::Time)), [0; 0]);
    assert_eq!(sent(&all(&mut core, begin + s(90), Event::Time)), [9]);
}

#[test]
fn the_life_time_ends_in_a_stop_and_is_looked_at_again_after_it() {
    let (mut core, begin) = running("epitaph --grace 20s --kill-after 0 true");
    lifetime(&mut core, begin, 60);
    deliver(&mut core, at(begin, 55, 15), None);
    assert_eq!(sent(&all(&mut core, begin + s(60), Event::Time)), [0; 0]);
    assert_eq!(core.stops.expiry(), None);
    // The `stuck` record comes between.
    all(&mut core, begin + s(65), Event::Time);
    let lapsed = begin + s(75) + Duration::from_millis(1);
    assert_eq!(core.next_deadline(), Some(lapsed));
    assert_eq!(sent(&all(&mut core, lapsed, Event::Time)), [15]);

    // Both at once are one stop.
    let (mut core, begin) = running("epitaph --stop-delay 10s true");
    lifetime(&mut core, begin, 60);
    deliver(&mut core, at(begin, 50, 15), None);
    assert_eq!(sent(&all(&mut core, begin + s(60), Event::Time)), [15]);
    assert_eq!(core.stops.expiry(), None);
}

#[test]
fn pause_ends_with_the_life_time() {
    let mut core = core("epitaph -P");
    let begin = Instant::now();
    lifetime(&mut core, begin, 60);
    assert_eq!(all(&mut core, begin + s(60), Event::Time), [Action::RecordLifetime { lifetime: s(60) }]);
    assert_eq!(core.over(), Some((Over::PauseEnded, begin + s(60))));
}

#[test]
fn a_drain_ends_with_the_last_one_with_its_time_or_with_the_second_stop_signal() {
    let (mut core, begin) = running("epitaph -r TERM:QUIT true");
    end(&mut core, begin, Ending::Exited(0));
    assert_eq!(sent(&all(&mut core, begin, Event::Drain { time: s(10) })), [3]);
    assert_eq!(core.next_deadline(), Some(begin + s(10)));
    core.step(begin, Event::Reaped(Child { pid: 9, ending: Ending::Exited(0), name: None }));
    core.step(begin + s(2), Event::NobodyLeft);
    let drain = core.drain.unwrap();
    assert!(drain.is_over() && drain.is_complete());
    assert_eq!((drain.ended(core.reaped()), drain.took(), core.next_deadline()), (1, s(2), None));

    let drained = |stops: &[u64]| {
        let (mut core, begin) = running("epitaph true");
        end(&mut core, begin, Ending::Exited(0));
        all(&mut core, begin, Event::Drain { time: s(10) });
        for second in stops {
            let done = deliver(&mut core, at(begin, *second, 15), None);
            assert_eq!((sent(&done), delivery(&done)), (vec![15], Some(Delivery::ToAll)));
        }
        assert_eq!(sent(&deliver(&mut core, at(begin, 1, 1), None)).len(), usize::from(stops.len() < 2));
        core.step(begin + s(10), Event::Time);
        assert_eq!(core.stops.current(), None, "it explains nothing of an end before");
        let drain = core.drain.unwrap();
        (drain.is_complete(), drain.took())
    };
    assert_eq!(drained(&[]), (false, s(10)));
    assert_eq!(drained(&[1]), (false, s(10)));
    assert_eq!(drained(&[1, 4]), (false, s(4)));
}

#[test]
fn a_stop_lapses_with_the_grace() {
    for (seconds, counts) in [(30, true), (31, false)] {
        let (mut core, begin) = running("epitaph --grace 30s --kill-after 0 true");
        deliver(&mut core, at(begin, 0, 15), None);
        end(&mut core, begin + s(seconds), Ending::Exited(1));
        assert_eq!(core.stops.current().is_some(), counts, "{seconds}");
    }
}
