//! The exit record.

use super::evidence::{AtEnd, memory_value};
use super::{Supervisor, table};
use crate::forensics::{self, Facts, Judgement, Outcome, ShortName, Verdict, judge};
use crate::launch::NotStarted;
use crate::options::Signal;
use crate::record::{Value, stderr};
use crate::sys::{self, Ended};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the end may take to look for processes that are still there.
const LOOK_AROUND: Duration = Duration::from_millis(50);

/// The exit code of the container: the program's own, or 128 + n when signal n ended it.
pub fn exit_code(ended: &Ended, not_started: Option<&NotStarted>) -> u8 {
    let code = not_started.map(|failure| i32::from(failure.code)).or_else(|| ended.status.code());
    let code = code.or_else(|| ended.status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

impl Supervisor {
    /// `exit` and `memory` of the exit record.
    pub(super) fn exit_fields(&self, ended: &Ended, at: Instant, code: u8) -> Vec<(&'static str, Value)> {
        let task_limit = self.identity.task_memory_limit();
        let evidence = self.evidence.as_ref().map(|evidence| evidence.at_end(at, task_limit));
        let memory = evidence.as_ref().map(|evidence| evidence.after.since(&evidence.before));
        let judgement = self.judge(ended, at, evidence.as_ref());
        let ms = |duration: Duration| Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));

        let mut exit = vec![("code", Value::from(u64::from(code)))];
        if let Some(signal) = ended.status.signal().and_then(Signal::new) {
            exit.push(("signal", Value::from(signal.to_string())));
        }
        exit.push(("verdict", Value::from(judgement.verdict.name())));
        exit.push(("why", Value::from(judgement.why)));
        exit.push(("runtime_ms", ms(at.saturating_duration_since(self.started))));
        if let Some(stop) = self.core.stop() {
            exit.push(("stop_signal", Value::from(stop.signal.to_string())));
            exit.push(("stop_ms", ms(at.saturating_duration_since(stop.at))));
        }
        if let Some(usage) = ended.usage {
            exit.push(("user_ms", Value::from(usage.user_ms)));
            exit.push(("system_ms", Value::from(usage.system_ms)));
            exit.push(("max_rss", Value::from(usage.max_rss)));
        }
        exit.push(("reaped", Value::from(self.reaped)));
        // Where nobody is left the process table need not be read. As PID 1 that is who ends with us, those too that
        // came into the namespace from outside; as a subreaper our children, among whom all orphans are by now.
        let own = table::own_pid();
        let anybody = if own == 1 { sys::is_anybody_else_here() } else { sys::has_children() };
        let (left, count) = if anybody {
            table::of_container(Path::new("/"), own, &self.helpers.pids(), LOOK_AROUND)
        } else {
            (Vec::new(), Some(0))
        };
        if let Some(count) = count.filter(|_| self.adopts) {
            exit.push(("left", Value::from(count as u64)));
        }
        exit.push(("records_lost", Value::from(stderr().lost())));
        if !left.is_empty() {
            exit.push(("left_processes", table::value(&left)));
        }

        let mut fields = vec![("exit", Value::Object(exit))];
        fields.extend(memory.map(|memory| ("memory", memory_value(&memory))));
        fields
    }

    fn judge(&self, ended: &Ended, at: Instant, evidence: Option<&AtEnd>) -> Judgement {
        if let Some(failure) = &self.not_started {
            return Judgement { verdict: Verdict::NotStarted, why: failure.why.clone() };
        }
        let signal_name = ended.status.signal().and_then(Signal::new).map(|signal| signal.to_string());
        let named = |signal: Signal, name| forensics::Signal { number: signal.number(), name };
        let outcome = match ended.status.signal() {
            Some(number) => {
                let name = signal_name.as_deref().unwrap_or("a signal");
                Outcome::Signaled(forensics::Signal { number, name })
            }
            None => Outcome::Exited(ended.status.code().unwrap_or(0)),
        };
        let stop = self.core.stop();
        let stop_name = stop.map(|stop| stop.signal.to_string());
        let victim = evidence.and_then(|evidence| evidence.other_victim);
        judge(&Facts {
            executed: self.executed,
            outcome,
            runtime: at.saturating_duration_since(self.started),
            stop: stop.zip(stop_name.as_deref()).map(|(stop, name)| forensics::Stop {
                signal: named(stop.signal, name),
                before_end: at.saturating_duration_since(stop.at),
            }),
            kill_after: self.core.killed_after(),
            before: evidence.map(|evidence| evidence.before),
            after: evidence.map(|evidence| evidence.after),
            kills: evidence.and_then(|evidence| evidence.kills),
            victim: victim.as_ref().map(|victim| forensics::Victim {
                pid: victim.pid.as_raw(),
                command: victim.name.as_ref().map(ShortName::as_str),
            }),
        })
    }
}
