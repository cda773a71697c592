#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::facts::{Facts, KillAfter, LeftBehind, Other, Outcome, Refused, Signal, Stop, Victim};
use super::super::verdict::{Verdict, near_limit};
use super::judge;
use crate::forensics::{Kills, LimitBelow, Memory};
use std::time::Duration;

const MIB: u64 = 1 << 20;

const QUIET: Memory = Memory {
    cgroup: 2,
    limit: Some(64 * MIB),
    usage: Some(MIB),
    peak: Some(32 * MIB),
    oom_kills: None,
    limit_hits: Some(0),
    high_hits: None,
    anon: None,
    file: None,
    shmem: None,
    swap: None,
    below: LimitBelow::None,
};

fn facts(outcome: Outcome<'static>) -> Facts<'static> {
    Facts {
        executed: true,
        outcome,
        runtime: Duration::from_millis(3240),
        stop: None,
        refused: None,
        kill_after: None,
        other: None,
        before: Some(Memory { usage: Some(MIB), peak: Some(2 * MIB), ..QUIET }),
        after: Some(QUIET),
        kills: None,
        held: None,
        expiry: None,
        drained: None,
        victim: None,
        pids: None,
        is_alone: false,
        is_pid_1: false,
        left: None,
    }
}

fn signal(number: i32) -> Outcome<'static> {
    let name = match number {
        libc::SIGKILL => "SIGKILL",
        libc::SIGABRT => "SIGABRT",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTERM => "SIGTERM",
        libc::SIGUSR1 => "SIGUSR1",
        34 => "SIGRTMIN",
        _ => "SIGNAME",
    };
    Outcome::Signaled(Signal { number, name })
}

fn stop() -> Option<Stop<'static>> {
    let Outcome::Signaled(signal) = signal(libc::SIGTERM) else { panic!() };
    Some(Stop { signal, before_end: Duration::from_millis(1250), forwarded: true })
}

fn killed_after(seconds: u64) -> Option<KillAfter<'static>> {
    Some(KillAfter { after: Duration::from_secs(seconds), refused: None })
}

/// No readable counter; one that did not rise (with an old kill); rises of others' alone; a rise that may be
/// the program's.
fn counters() -> [(&'static str, Option<Kills>); 4] {
    let kills = |after, others| {
        let last = (after > 1).then_some(Duration::from_millis(80));
        Some(Kills { before: 1, after, others, helpers: 0, last, earliest: last })
    };
    [("unreadable", None), ("same", kills(1, 0)), ("others", kills(3, 2)), ("rose", kills(3, 1))]
}

/// Every way to end, each with facts of its own.
fn outcomes() -> Vec<(&'static str, Facts<'static>)> {
    let near = Memory { peak: Some(63 * MIB), ..QUIET };
    vec![
        ("exit 0", facts(Outcome::Exited(0))),
        ("exit 3", facts(Outcome::Exited(3))),
        ("exit 137", facts(Outcome::Exited(137))),
        ("exit 134 near", Facts { after: Some(near), ..facts(Outcome::Exited(134)) }),
        ("KILL", facts(signal(libc::SIGKILL))),
        ("KILL ours", Facts { kill_after: killed_after(10), ..facts(signal(libc::SIGKILL)) }),
        ("TERM ours", Facts { kill_after: killed_after(10), ..facts(signal(libc::SIGTERM)) }),
        ("ABRT", facts(signal(libc::SIGABRT))),
        ("ABRT near", Facts { after: Some(near), ..facts(signal(libc::SIGABRT)) }),
        ("SEGV near", Facts { after: Some(near), ..facts(signal(libc::SIGSEGV)) }),
        ("USR1", facts(signal(libc::SIGUSR1))),
        ("RTMIN", facts(signal(34))),
        ("TERM", facts(signal(libc::SIGTERM))),
    ]
}

/// All of them, with and without a stop signal, with each state of the counter. `a/b`: without and with a
/// stop signal.
const TABLE: &str = "
                unreadable             same                 others                 rose
exit 0          ok/stopped             ok/stopped           ok/stopped             ok/stopped
exit 3          failed/stopped         failed/stopped       oom_child/stopped      oom_child/stopped
exit 137        oom_suspected/stopped  failed/stopped       oom_child/stopped      oom_child/stopped
exit 134 near   failed/stopped         failed/stopped       oom_child/stopped      oom_child/stopped
KILL            oom_suspected/stopped  killed/stopped       oom_child/stopped      oom_killed/oom_killed
KILL ours       kill_after/kill_after  kill_after/kill_after kill_after/kill_after kill_after/kill_after
TERM ours       signaled/stopped       signaled/stopped     signaled/stopped       signaled/stopped
ABRT            crashed/stopped        crashed/stopped      crashed/stopped        crashed/stopped
ABRT near       oom_suspected/stopped  oom_suspected/stopped oom_suspected/stopped oom_suspected/stopped
SEGV near       crashed/stopped        crashed/stopped      crashed/stopped        crashed/stopped
USR1            signaled/stopped       signaled/stopped     signaled/stopped       signaled/stopped
RTMIN           signaled/stopped       signaled/stopped     signaled/stopped       signaled/stopped
TERM            signaled/stopped       signaled/stopped     signaled/stopped       signaled/stopped
";

#[test]
fn every_end_has_its_verdict() {
    let mut lines = TABLE.lines().skip(2);
    for (name, facts) in outcomes() {
        let line = lines.next().unwrap();
        let row = line.strip_prefix(name).unwrap_or_else(|| panic!("{name} is not in line {line}"));
        let mut cells = row.split_whitespace();
        for (counter, kills) in counters() {
            let verdict = |stop| judge(&Facts { kills, stop, ..facts }).verdict.name();
            let found = format!("{}/{}", verdict(None), verdict(stop()));
            assert_eq!(Some(found.as_str()), cells.next(), "{name}, counter {counter}");
        }
        assert_eq!(cells.next(), None);
    }
    assert_eq!(lines.next(), None, "an end that is not tried");
}

#[test]
fn no_verdict_claims_memory_without_evidence() {
    for (name, facts) in outcomes() {
        for (counter, kills) in counters() {
            for stop in [None, stop()] {
                let facts = Facts { kills, stop, ..facts };
                let verdict = judge(&facts).verdict;
                let rose = kills.is_some_and(|kills| kills.after > kills.before);
                let killed = facts.outcome == signal(libc::SIGKILL);
                let holds = match verdict {
                    Verdict::OomKilled => killed && rose,
                    Verdict::OomChild => rose && facts.outcome != Outcome::Exited(0),
                    Verdict::OomSuspected => {
                        let looks = killed || facts.outcome == Outcome::Exited(137);
                        looks && kills.is_none() || near_limit(&facts).is_some()
                    }
                    _ => true,
                };
                assert!(holds, "{name}, counter {counter}: {}", verdict.name());
            }
        }
    }
}

#[test]
fn each_exit_code_and_each_signal() {
    let same = counters()[1].1;
    for code in 0..=255 {
        let verdict = judge(&Facts { kills: same, ..facts(Outcome::Exited(code)) }).verdict;
        assert_eq!(verdict, if code == 0 { Verdict::Ok } else { Verdict::Failed }, "{code}");
    }
    let crashes = [11, 7, 4, 8, 6, 31, 5];
    for number in 1..=64 {
        let verdict = judge(&Facts { kills: same, ..facts(signal(number)) }).verdict;
        let expected = match number {
            9 => Verdict::Killed,
            _ if crashes.contains(&number) => Verdict::Crashed,
            _ => Verdict::Signaled,
        };
        assert_eq!(verdict, expected, "{number}");
    }
}

#[test]
fn near_the_limit_is_95_percent_of_this_programs_own_use() {
    let limit = 1000;
    let near = |used, then: Option<Memory>, after: Memory| {
        let facts = Facts { before: then, after: Some(after), ..facts(signal(libc::SIGABRT)) };
        assert_eq!(near_limit(&facts).map(|(used, _)| used), used, "{then:?} {after:?}");
        let verdict = if used.is_some() { Verdict::OomSuspected } else { Verdict::Crashed };
        assert_eq!(judge(&facts).verdict, verdict);
    };
    let at = |usage, peak, limit_hits| Memory {
        cgroup: 2,
        limit: Some(limit),
        usage: Some(usage),
        peak,
        oom_kills: Some(0),
        limit_hits,
        ..QUIET
    };
    let start = Some(at(10, Some(10), Some(0)));
    near(None, start, at(949, Some(949), Some(0)));
    near(Some(950), start, at(950, None, None));
    near(Some(950), start, at(0, Some(950), Some(0)));
    near(Some(1000), start, at(0, Some(1000), Some(0)));
    near(Some(1001), start, at(1001, Some(1000), Some(0)));
    // A peak of an earlier program in the same cgroup is none of this one's, unless the limit was hit again.
    let old = Some(at(10, Some(1000), Some(5)));
    near(None, old, at(20, Some(1000), Some(5)));
    near(Some(1000), old, at(20, Some(1000), Some(6)));
    near(None, None, at(20, Some(1000), Some(6)));
    // No limit, or one that makes no sense.
    near(None, start, Memory { limit: None, ..at(1 << 60, Some(1 << 60), Some(9)) });
    near(None, start, Memory { limit: Some(0), ..at(1, Some(1), Some(9)) });
    near(None, start, Memory { limit: Some(u64::MAX), ..at(1 << 60, Some(1 << 60), Some(9)) });
}

#[test]
fn the_sentences() {
    let [_, same, others, rose] = counters().map(|(_, kills)| kills);
    let kill = facts(signal(libc::SIGKILL));
    let v1 = |facts: Facts<'static>| Facts { after: Some(Memory { cgroup: 1, ..QUIET }), ..facts };
    let table = [
        (facts(Outcome::Exited(0)), "The program ended with exit code 0 after 3.2 s."),
        (
            Facts { kills: others, ..facts(Outcome::Exited(0)) },
            "The program ended with exit code 0 after 3.2 s; the OOM killer took another process, last seen 80 ms before the \
             end: oom_kill in memory.events rose from 1 to 3.",
        ),
        (
            Facts { kills: same, ..facts(Outcome::Exited(137)) },
            "The program ended with exit code 137 after 3.2 s; no OOM kill was counted: \
             oom_kill in memory.events stayed at 1.",
        ),
        (
            facts(Outcome::Exited(137)),
            "The program ended with exit code 137; no OOM kill counter is readable that could tell whether \
             it was memory.",
        ),
        (
            Facts { kills: rose, ..kill },
            "The kernel's OOM killer took the program: SIGKILL, and oom_kill in memory.events rose from 1 to 3 \
             (1 for other processes); usage peaked at 32.0 MiB of 64.0 MiB.",
        ),
        (
            Facts { kills: rose, stop: stop(), ..v1(kill) },
            "The kernel's OOM killer took the program: SIGKILL, and oom_kill in memory.oom_control rose from 1 to 3 \
             (1 for other processes), 1.2 s after SIGTERM was forwarded; usage peaked at 32.0 MiB of 64.0 MiB.",
        ),
        (
            Facts {
                kills: Some(Kills {
                    before: 0,
                    after: 1,
                    others: 0,
                    helpers: 0,
                    last: Some(Duration::ZERO),
                    earliest: stop().map(|stop| stop.before_end),
                }),
                ..v1(kill)
            },
            "The kernel's OOM killer took the program: SIGKILL, and oom_kill in memory.oom_control rose from 0 to 1, \
             last within 1.2 s of the end; usage peaked at 32.0 MiB of 64.0 MiB.",
        ),
        (
            Facts {
                kills: others,
                victim: Some(Victim { pid: 17, command: Some("wor\nker") }),
                ..facts(Outcome::Exited(1))
            },
            "The kernel's OOM killer took another process (pid 17, wor\u{fffd}ker): oom_kill in memory.events rose \
             from 1 to 3, last seen 80 ms before the end; the program then ended with exit code 1; \
             usage peaked at 32.0 MiB of 64.0 MiB.",
        ),
        (
            Facts {
                kills: others,
                victim: Some(Victim { pid: 17, command: None }),
                ..facts(Outcome::Exited(1))
            },
            "The kernel's OOM killer took another process (pid 17): oom_kill in memory.events rose \
             from 1 to 3, last seen 80 ms before the end; the program then ended with exit code 1; \
             usage peaked at 32.0 MiB of 64.0 MiB.",
        ),
        (
            Facts { kills: same, ..kill },
            "SIGKILL ended the program after 3.2 s; no OOM kill was counted: \
             oom_kill in memory.events stayed at 1.",
        ),
        (
            Facts { kills: same, stop: stop(), ..kill },
            "The program was ended by SIGKILL, 1.2 s after SIGTERM was forwarded; no OOM kill was counted: \
             oom_kill in memory.events stayed at 1.",
        ),
        (
            Facts { stop: stop(), ..kill },
            "The program was ended by SIGKILL, 1.2 s after SIGTERM was forwarded; no OOM kill counter is readable \
             that could tell whether it was memory.",
        ),
        (
            Facts { stop: stop(), kills: same, ..facts(Outcome::Exited(143)) },
            "The program ended with exit code 143, 1.2 s after SIGTERM was forwarded.",
        ),
        (
            Facts { stop: stop(), kill_after: killed_after(1), kills: same, ..kill },
            "epitaph sent SIGKILL because the program still ran 1.0 s after the stop signal; it ended 1.2 s after \
             SIGTERM was forwarded.",
        ),
        (
            Facts {
                after: Some(Memory { peak: Some(63 * MIB), ..QUIET }),
                kills: same,
                ..facts(signal(libc::SIGABRT))
            },
            "The program was ended by SIGABRT, with memory near its limit (63.0 MiB used of 64.0 MiB); no OOM \
             kill was counted: oom_kill in memory.events stayed at 1.",
        ),
        (facts(signal(libc::SIGSEGV)), "The program was ended by SIGSEGV after 3.2 s."),
        (
            Facts { executed: false, stop: stop(), kills: same, ..facts(signal(libc::SIGTERM)) },
            "The process that was to become the program was ended by SIGTERM, 1.2 s after SIGTERM was forwarded.",
        ),
        (
            Facts { executed: false, kills: same, ..kill },
            "SIGKILL ended the process that was to become the program after 3.2 s; no OOM kill was counted: \
             oom_kill in memory.events stayed at 1.",
        ),
    ];
    for (facts, expected) in table {
        assert_eq!(judge(&facts).why, expected);
    }
}

#[test]
fn another_processes_kill_is_a_cause_for_ten_seconds() {
    let with = |outcome, last, helpers| {
        let last = Some(Duration::from_millis(last));
        let kills = Some(Kills { before: 0, after: 1, others: 1, helpers, last, earliest: last });
        judge(&Facts { kills, ..facts(outcome) })
    };
    let (failed, killed) = (Outcome::Exited(1), signal(libc::SIGKILL));
    assert_eq!(with(failed, 10_000, 0).verdict, Verdict::OomChild);
    assert_eq!(with(killed, 10_000, 0).verdict, Verdict::OomChild);
    let old = with(failed, 10_001, 0);
    assert_eq!(old.verdict, Verdict::Failed);
    assert_eq!(
        old.why,
        "The program ended with exit code 1 after 3.2 s; the OOM killer took another process, last seen 10.0 s before the end: \
         oom_kill in memory.events rose from 0 to 1."
    );
    assert_eq!(with(killed, 200_000, 0).verdict, Verdict::Killed);
    assert!(with(killed, 200_000, 0).why.contains("took another process, last seen 3 min before the end"));
    // A helper of ours is nobody whom the program needs.
    assert_eq!(with(failed, 10, 1).verdict, Verdict::Failed);
    assert_eq!(with(killed, 10, 1).verdict, Verdict::Killed);
    assert!(
        with(killed, 10, 1)
            .why
            .contains("the OOM killer took a helper of epitaph, last seen 10 ms before the end")
    );
}

#[test]
fn what_was_refused_is_not_told_as_done() {
    let Outcome::Signaled(term) = signal(libc::SIGTERM) else { panic!() };
    let reason = "Operation not permitted";
    let refused = Some(Refused { signal: term, before_end: Duration::from_secs(3), reason });
    let same = counters()[1].1;
    let judged = judge(&Facts { refused, kills: same, ..facts(Outcome::Exited(1)) });
    assert_eq!(judged.verdict, Verdict::Failed);
    assert_eq!(
        judged.why,
        "The program ended with exit code 1 after 3.2 s; SIGTERM, 3.0 s before, could not be forwarded: \
         Operation not permitted."
    );
    let kill_after = Some(KillAfter { after: Duration::from_secs(5), refused: Some(reason) });
    let judged = judge(&Facts { refused, kill_after, ..facts(Outcome::StillRuns) });
    assert_eq!(judged.verdict, Verdict::KillAfter);
    assert_eq!(
        judged.why,
        "The program still ran 5.0 s after the stop signal, and epitaph may not signal it (Operation not permitted), \
         so epitaph ended and the kernel killed the rest; SIGTERM, 3.0 s before, could not be forwarded: \
         Operation not permitted."
    );
    // Somebody else's SIGKILL is no work of ours.
    let judged = judge(&Facts { kill_after, kills: same, ..facts(signal(libc::SIGKILL)) });
    assert_eq!(judged.verdict, Verdict::Killed);
}

#[test]
fn a_signal_that_is_no_stop_signal_is_told_and_changes_no_verdict() {
    let quit = Signal { number: libc::SIGQUIT, name: "SIGQUIT" };
    let other = Some(Other { signal: quit, before_end: Duration::from_millis(1200), from: " from outside" });
    let judged = judge(&Facts { other, ..facts(Outcome::Exited(0)) });
    assert_eq!(judged.verdict, Verdict::Ok);
    assert_eq!(
        judged.why,
        "The program ended with exit code 0 after 3.2 s, 1.2 s after SIGQUIT from outside; it is no stop signal here \
         (EPITAPH_STOP_SIGNAL)."
    );
}

#[test]
fn a_stop_that_reached_both_is_told_so() {
    let stop = stop().map(|stop| Stop { forwarded: false, ..stop });
    let judged = judge(&Facts { stop, ..facts(signal(libc::SIGTERM)) });
    assert_eq!(judged.verdict, Verdict::Stopped);
    assert_eq!(
        judged.why,
        "The program was ended by SIGTERM, as SIGTERM reached epitaph too, which did not have to forward it any more."
    );
}

#[test]
fn sentences_stay_short_and_plain() {
    let long = "ä\n\u{1b}[31m".repeat(100);
    let longest = Duration::from_millis(u64::MAX);
    let huge = Memory {
        cgroup: 1,
        limit: Some(u64::MAX),
        usage: Some(u64::MAX),
        peak: Some(u64::MAX),
        oom_kills: Some(u64::MAX),
        limit_hits: Some(u64::MAX),
        shmem: Some(u64::MAX),
        ..QUIET
    };
    let name = Signal { number: 9, name: &long };
    for (_, usual) in outcomes() {
        for (_, kills) in counters() {
            for extreme in [false, true] {
                let outcome = match usual.outcome {
                    Outcome::Signaled(signal) if extreme => {
                        Outcome::Signaled(Signal { name: &long, ..signal })
                    }
                    outcome => outcome,
                };
                let why = match extreme {
                    false => judge(&Facts { kills, ..usual }).why,
                    true => {
                        let kills = kills.map(|kills| Kills {
                            after: kills.after << 60,
                            last: Some(longest),
                            earliest: Some(longest),
                            ..kills
                        });
                        let stop = Some(Stop { signal: name, before_end: longest, forwarded: true });
                        let victim = Some(Victim { pid: i32::MIN, command: Some(&long) });
                        let memory = Some(huge);
                        let executed = false;
                        let runtime = longest;
                        let facts =
                            Facts { executed, runtime, outcome, stop, kills, victim, after: memory, ..usual };
                        judge(&facts).why
                    }
                };
                assert!(why.len() <= 300, "{} bytes: {why}", why.len());
                assert!(why.ends_with('.') && !why.ends_with(".."), "{why}");
                assert!(!why.chars().any(char::is_control), "{why:?}");
            }
        }
    }
}

#[test]
fn what_a_reader_would_conclude_wrongly() {
    let why = |facts: &Facts| judge(facts).why;
    let quiet = Some(Kills { before: 1, after: 1, others: 0, helpers: 0, last: None, earliest: None });
    // A kill that did not reach PID 1 was no stop by the engine.
    let killed = Facts { kills: quiet, is_pid_1: true, ..facts(signal(libc::SIGKILL)) };
    assert_eq!(
        why(&killed),
        "SIGKILL ended the program after 3.2 s; PID 1 (epitaph) got none, as it does from docker stop, docker kill and \
         ECS: this one was sent to this process; no OOM kill was counted: oom_kill in memory.events stayed at 1."
    );
    assert!(!why(&Facts { is_pid_1: false, ..killed }).contains("docker"));
    assert!(why(&Facts { stop: stop(), ..killed }).contains("PID 1 (epitaph) got none"));
    // A stop that is none of the usual.
    let stopped = |outcome| why(&Facts { stop: stop(), kills: quiet, is_pid_1: true, ..facts(outcome) });
    for code in [0, 129, 130, 131, 137, 143] {
        let why = stopped(Outcome::Exited(code));
        assert!(!why.contains("so it"), "{why}");
    }
    let lead = "The program ended with exit code 1, 1.2 s after SIGTERM was forwarded";
    assert_eq!(stopped(Outcome::Exited(1)), format!("{lead}; so it failed while it stopped."));
    assert!(stopped(signal(libc::SIGSEGV)).ends_with("; so it crashed while it stopped."));
    assert!(!stopped(signal(libc::SIGTERM)).contains("so it"));
    // A wrapper that has left the real server.
    let left = Some(LeftBehind { count: 1, largest: (12, "beam.smp") });
    let wrapper = Facts { left, kills: quiet, ..facts(Outcome::Exited(0)) };
    assert_eq!(
        why(&wrapper),
        "The program ended with exit code 0 after 3.2 s; it left beam.smp (pid 12) running."
    );
    let many = Some(LeftBehind { count: 3, largest: (12, "beam.smp") });
    let many = why(&Facts { left: many, ..wrapper });
    assert!(many.ends_with("; it left 3 processes running, the largest beam.smp (pid 12)."), "{many}");
    assert!(!why(&Facts { left, outcome: Outcome::StillRuns, ..wrapper }).contains("it left"));
}

#[test]
fn no_doubt_where_nobody_else_can_have_been_the_victim() {
    let at = Some(Duration::from_millis(8400));
    let kills = Some(Kills { before: 1, after: 2, others: 0, helpers: 0, last: at, earliest: at });
    let alone = |is_alone| judge(&Facts { kills, is_alone, ..facts(signal(libc::SIGKILL)) }).why;
    assert!(alone(false).contains(", last within 8.4 s of the end"), "{}", alone(false));
    assert!(!alone(true).contains("within"), "{}", alone(true));
}

#[test]
fn shared_memory_is_named_where_it_is_half_of_the_limit() {
    let why = |shmem| {
        let after = Some(Memory { shmem: Some(shmem), ..QUIET });
        judge(&Facts { after, ..facts(Outcome::Exited(1)) }).why
    };
    let told = "; 40.0 MiB of the limit of 64.0 MiB is shared memory (tmpfs, /dev/shm).";
    assert!(why(40 * MIB).ends_with(told), "{}", why(40 * MIB));
    assert!(why(32 * MIB).contains("shared memory") && !why(32 * MIB - 1).contains("shared memory"));
    let after = Some(Memory { shmem: Some(40 * MIB), ..QUIET });
    assert!(
        !judge(&Facts { after, ..facts(Outcome::Exited(0)) }).why.contains("shared"),
        "nobody asks after an ok"
    );
    let kills = Some(Kills { before: 1, after: 2, others: 0, helpers: 0, last: None, earliest: None });
    let killed = judge(&Facts { after, kills, ..facts(signal(libc::SIGKILL)) });
    assert!(killed.verdict == Verdict::OomKilled && killed.why.ends_with(told), "{}", killed.why);
}

#[test]
fn a_process_that_could_not_be_started() {
    let why = |hits, limit, code| {
        let pids = Some(crate::forensics::Pids { limit, peak: None, limit_hits: Some(hits) });
        judge(&Facts { pids, ..facts(Outcome::Exited(code)) }).why
    };
    assert!(
        why(3, Some(50), 1)
            .ends_with("; starting a process or thread failed 3 times: the limit of processes is 50.")
    );
    assert!(why(1, Some(50), 1).ends_with("failed once: the limit of processes is 50."));
    assert!(why(3, None, 1).ends_with("3 times: the limit of processes was hit."));
    assert!(!why(0, Some(50), 1).contains("limit of processes") && !why(3, Some(50), 0).contains("limit of"));
}
