//! The identity that came too late for the start: a helper goes on asking.

use crate::identity::{Deadline, System, local, resolve};
use crate::launch;
use crate::options::RecordFormat;
use crate::record::{Formats, Frame, Kind, Record, RenderedIdentity};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

/// How long the helper goes on before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// The pauses between two attempts: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long the last try at the program's end may take.
pub const LAST_TRY: Duration = Duration::from_millis(300);

/// What the helper does: asks until all is known or nothing more can be, and sends it up `pipe`.
/// `pause_first` when somebody has just asked in vain.
pub fn search(mut pipe: File, formats: Formats, mut pause_first: bool) -> u8 {
    let end = Deadline::after(PATIENCE);
    let mut pause = PAUSE.0;
    loop {
        if pause_first && !end.sleep(pause) {
            log::warn!(
                "gave up looking for the identity after {} minutes; epitaph --whoami in the container asks again",
                PATIENCE.as_secs() / 60
            );
            return 1;
        }
        if pause_first {
            pause = (pause * 2).min(PAUSE.1);
        }
        pause_first = true;
        if attempt(&mut pipe, formats, end.at_most(ATTEMPT)) {
            return 0;
        }
    }
}

/// One attempt, sent up `pipe` when it leaves nothing to learn. Returns whether it did.
pub fn attempt(pipe: &mut File, formats: Formats, deadline: Deadline) -> bool {
    let system = System::of_process();
    let outcome = resolve(&system, local(&system), deadline);
    if outcome.try_again {
        return false;
    }
    outcome.log_warnings();
    let mut frames = RenderedIdentity::of(&outcome.identity, formats).encode();
    if outcome.heard_endpoint {
        frames.extend(Frame::Endpoint.encode(&[u8::from(outcome.look_again)]));
    }
    frames.extend(Frame::Resolved.encode(b""));
    pipe.write_all(&frames).is_ok()
}

/// The last try before the exit record.
pub fn last_try(mut pipe: File, formats: Formats) -> u8 {
    u8::from(!attempt(&mut pipe, formats, Deadline::after(LAST_TRY)))
}

/// How long a look at the endpoint may take in all: 1 s for the answer, and some for the process.
pub const LOOK: Duration = Duration::from_millis(1500);

/// Asks once for what the agent could not know as the program was started, and sends it up `pipe`.
pub fn look_again(mut pipe: File, before: &RenderedIdentity, formats: Formats) -> u8 {
    let Some(frames) = launch::look_again(&System::of_process(), before, formats) else { return 1 };
    u8::from(pipe.write_all(&frames).is_err())
}

/// Asks once who stopped the task, and sends the record and the word for the exit record up `pipe`.
pub fn look_at_stop(
    mut pipe: File,
    identity: &RenderedIdentity,
    stopped: SystemTime,
    pid: Option<i32>,
    formats: (RecordFormat, bool),
) -> u8 {
    let Some(found) = launch::look_at_stop(&System::of_process(), identity, stopped) else { return 1 };
    let record = Record { kind: Kind::Task, time: SystemTime::now(), pid, fields: found.fields };
    let mut frames = record.frames(formats.0, formats.1, identity);
    if let Some(by) = found.stopped_by {
        frames.extend(Frame::StoppedBy.encode(by.name().as_bytes()));
    }
    u8::from(pipe.write_all(&frames).is_err())
}
