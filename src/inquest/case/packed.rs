//! A record in few bytes: there may be very many. What is looked at most stands first, at places of its own;
//! of the rest only what is there.

use super::event::{Cpu, Event, Exit, Kind, Memory};
use super::identity::Whose;
use super::sighting::{Around, Place, Sighting};
use crate::inquest::text::{Room, Text};
use arrayvec::ArrayVec;
use std::num::{NonZeroU32, NonZeroU64};

/// A record at one place, in bytes that stay until the program ends: they are not copied.
#[derive(Debug, Clone, Copy)]
pub struct Packed(&'static [u8]);

/// The kinds, by their numbers here; behind these come the others.
const KINDS: [Kind; 11] = [
    Kind::Start,
    Kind::Identity,
    Kind::OomKill,
    Kind::MemoryPressure,
    Kind::Stop,
    Kind::Stuck,
    Kind::Signal,
    Kind::Task,
    Kind::Health,
    Kind::Stats,
    Kind::Exit,
];

/// Where the first things stand: the kind, the flags, container and identity (4 bytes each), the file, time,
/// hashes (8 each), and then the rest.
const FLAGS: usize = 1;
const CONTAINER: usize = 2;
const IDENTITY: usize = 6;
const FILE: usize = 10;
const TIME: usize = 14;
const HASH: usize = 22;
const CORE: usize = 30;
const REST: usize = 38;

/// The flags.
const CLEAN: u8 = 1;
const NEWER: u8 = 2;
const BARE: u8 = 4;

impl Packed {
    /// Packs it.
    pub fn new(sighting: &Sighting, room: &mut Room) -> Packed {
        let Sighting { event, place, around, bare } = sighting;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut out = Writer(ArrayVec::new());
        let kind = KINDS.iter().position(|kind| *kind == event.kind);
        out.0.push(u8::try_from(kind.unwrap_or(KINDS.len())).unwrap_or(u8::MAX));
        out.0.push(flag(event.clean, CLEAN) | flag(event.newer, NEWER) | flag(*bare, BARE));
        out.0.extend(event.container.map_or(0, |text| text.number().get()).to_le_bytes());
        out.0.extend(event.identity.number().get().to_le_bytes());
        out.0.extend(place.file.to_le_bytes());
        out.0.extend(event.time.to_le_bytes());
        out.0.extend(event.hash.to_le_bytes());
        out.0.extend(event.core.to_le_bytes());
        out.amount(place.offset);
        if let Kind::Other(name) = event.kind {
            out.text(name);
        }
        let exit = event.exit.unwrap_or_default();
        let memory = event.memory.unwrap_or_default();
        let cpu = event.cpu;
        // A bit for each thing that is there, in the order in which they stand.
        let texts = [
            event.run,
            event.task,
            event.task_arn,
            event.program,
            event.about,
            event.line,
            around.container,
            exit.signal,
            exit.verdict,
            exit.stop_signal,
            exit.stopped_by,
            event.exit.map(|exit| exit.why),
        ];
        let numbers = [event.pid, event.waited, around.stored, exit.code, exit.runtime, exit.stop];
        let amounts = [
            around.writer.map(NonZeroU64::get),
            event.exit.map(|exit| exit.lost),
            event.memory.map(|_| 0),
            memory.limit,
            memory.usage,
            memory.peak,
            memory.oom_kills,
            cpu.map(|cpu| cpu.milli.into()),
            cpu.and_then(|cpu| cpu.limit).map(u64::from),
        ];
        let there = texts.iter().map(Option::is_some).chain(numbers.iter().map(Option::is_some));
        let there = there.chain(amounts.iter().map(Option::is_some));
        let bits =
            there.enumerate().filter(|(_, there)| *there).fold(0_u32, |bits, (bit, _)| bits | 1 << bit);
        out.0.extend(bits.to_le_bytes());
        texts.into_iter().flatten().for_each(|text| out.text(text));
        numbers.into_iter().flatten().for_each(|number| out.number(number));
        amounts.into_iter().flatten().for_each(|amount| out.amount(amount));
        Packed(room.keep(&out.0))
    }

    /// All of it.
    pub fn sighting(self) -> Sighting {
        let mut rest = self.rest();
        let offset = rest.amount();
        let kind = self.kind_before(&mut rest);
        let bits = u32::from_le_bytes(rest.take());
        let mut bit = 0;
        let mut is_there = || {
            bit += 1;
            bits & (1 << (bit - 1)) != 0
        };
        let [
            run,
            task,
            task_arn,
            program,
            about,
            line,
            container,
            signal,
            verdict,
            stop_signal,
            stopped_by,
            why,
        ] = std::array::from_fn(|_| if is_there() { rest.text() } else { None });
        let [pid, waited, stored, code, runtime, stop] =
            std::array::from_fn(|_| is_there().then(|| rest.number()));
        let [writer, lost, has_memory, limit, usage, peak, oom_kills, milli, cpu_limit] =
            std::array::from_fn(|_| is_there().then(|| rest.amount()));
        let small = |amount: u64| u32::try_from(amount).ok();
        let exit = lost.map(|lost| Exit {
            code,
            signal,
            verdict,
            why: why.unwrap_or_default(),
            runtime,
            stop_signal,
            stop,
            stopped_by,
            lost,
        });
        let event = Event {
            kind,
            time: self.time(),
            pid,
            run,
            container: self.container(),
            task,
            task_arn,
            program,
            identity: self.identity(),
            exit,
            memory: has_memory.map(|_| Memory { limit, usage, peak, oom_kills }),
            cpu: milli.and_then(small).map(|milli| Cpu { milli, limit: cpu_limit.and_then(small) }),
            waited,
            about,
            hash: self.hash(),
            core: self.core(),
            clean: self.is_clean(),
            newer: self.is_newer(),
            line,
        };
        let around = Around { container, stored, writer: writer.and_then(NonZeroU64::new) };
        Sighting { event, place: Place { file: self.file(), offset }, around, bare: self.is_bare() }
    }

    /// The kind of the record.
    pub fn kind(self) -> Kind {
        self.named_kind().unwrap_or_else(|| {
            let mut rest = self.rest();
            rest.amount();
            self.kind_before(&mut rest)
        })
    }

    fn named_kind(self) -> Option<Kind> {
        KINDS.get(usize::from(*self.0.first()?)).copied()
    }

    fn kind_before(self, rest: &mut Reader) -> Kind {
        self.named_kind().unwrap_or_else(|| Kind::Other(rest.text().unwrap_or_default()))
    }

    /// When it was made, in milliseconds since 1970.
    pub fn time(self) -> i64 {
        i64::from_le_bytes(self.at(TIME))
    }

    /// The container's ID.
    pub fn container(self) -> Option<Text> {
        NonZeroU32::new(u32::from_le_bytes(self.at(CONTAINER))).map(Text::of_number)
    }

    /// Who the container was.
    pub fn identity(self) -> Whose {
        NonZeroU32::new(u32::from_le_bytes(self.at(IDENTITY))).map(Whose::of_number).unwrap_or_default()
    }

    /// Where it stands.
    pub fn place(self) -> Place {
        Place { file: self.file(), offset: self.rest().amount() }
    }

    fn file(self) -> u32 {
        u32::from_le_bytes(self.at(FILE))
    }

    /// See [`Event::hash`].
    pub fn hash(self) -> u64 {
        u64::from_le_bytes(self.at(HASH))
    }

    /// See [`Event::core`].
    pub fn core(self) -> u64 {
        u64::from_le_bytes(self.at(CORE))
    }

    /// See [`Event::clean`].
    pub fn is_clean(self) -> bool {
        self.has(CLEAN)
    }

    /// See [`Event::newer`].
    pub fn is_newer(self) -> bool {
        self.has(NEWER)
    }

    /// See [`Sighting::bare`].
    pub fn is_bare(self) -> bool {
        self.has(BARE)
    }

    fn has(self, flag: u8) -> bool {
        self.0.get(FLAGS).is_some_and(|flags| flags & flag != 0)
    }

    fn at<const N: usize>(self, place: usize) -> [u8; N] {
        self.0.get(place..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn rest(self) -> Reader {
        Reader(self.0.get(REST..).unwrap_or_default())
    }
}

/// Has room for the longest: what stands first, four bytes for each of up to 14 texts and flags, and ten for
/// each of 16 numbers.
struct Writer(ArrayVec<u8, { REST + 14 * 4 + 16 * 10 }>);

impl Writer {
    fn text(&mut self, text: Text) {
        self.0.extend(text.number().get().to_le_bytes());
    }

    /// Seven bits a byte, the least first; the highest bit tells that more follow.
    fn amount(&mut self, mut amount: u64) {
        while amount >= 0x80 {
            self.0.push(amount.to_le_bytes()[0] | 0x80);
            amount >>= 7;
        }
        self.0.push(amount.to_le_bytes()[0]);
    }

    /// The sign in the lowest bit, so that small numbers are short, whatever their sign.
    fn number(&mut self, number: i64) {
        self.amount(((number << 1) ^ (number >> 63)).cast_unsigned());
    }
}

/// Reads what [`Writer`] wrote.
struct Reader(&'static [u8]);

impl Reader {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((first, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *first
    }

    fn text(&mut self) -> Option<Text> {
        NonZeroU32::new(u32::from_le_bytes(self.take())).map(Text::of_number)
    }

    fn amount(&mut self) -> u64 {
        let mut amount = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.take();
            amount |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        amount
    }

    fn number(&mut self) -> i64 {
        let amount = self.amount();
        (amount >> 1).cast_signed() ^ -(amount & 1).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inquest::carve;
    use crate::inquest::case::Interner;

    #[test]
    fn what_is_there_comes_back() {
        let least = r#"{"epitaph":"later_kind","schema":2,"time":"1960-11-23T17:02:10.691Z"}"#;
        let most = r#"{"epitaph":"exit","schema":1,"time":"2026-11-23T17:02:10.691Z","container_id":"c","task_id":"t","run":"r-1",
            "task_arn":"a:task/t","program":"p","pid":-9223372036854775808,"identity_ms":0,"ip":"10.0.0.1","family":"f","signal":"SIGTERM",
            "exit":{"code":-1,"signal":"SIGKILL","verdict":"killed","why":"w","runtime_ms":9007199254740993,"stop_signal":"SIGINT",
            "stop_ms":128,"stopped_by":"ecs","records_lost":3},"memory":{"limit":18446744073709551614,"usage":0,"peak":127,"oom_kills":1}}"#;
        let stats = r#"{"epitaph":"stats","schema":1,"time":"2026-11-23T17:02:10.691Z","cpu_milli":250,"cpu_limit_milli":4294967295}"#;
        let interner = Interner::default();
        let mut room = Room::default();
        for text in [least, most, stats] {
            let text = text.replace("\n            ", "");
            let record = carve::of_text(text.as_bytes()).expect("a record");
            let mut event = Event::of(&record, &interner);
            for (line, around, offset) in [
                (None, Around::default(), 0),
                (
                    Some(Text::new(&text)),
                    Around {
                        container: Some(Text::new("x")),
                        stored: Some(-5),
                        writer: NonZeroU64::new(u64::MAX),
                    },
                    u64::MAX,
                ),
            ] {
                event.line = line;
                let bare = line.is_none();
                let sighting = Sighting { event, place: Place { file: u32::MAX, offset }, around, bare };
                let packed = Packed::new(&sighting, &mut room);
                assert_eq!(packed.sighting(), sighting);
                assert_eq!((packed.kind(), packed.place()), (event.kind, sighting.place));
            }
        }
        let start = Event::of(
            &carve::of_text(most.replace("\n            ", "").as_bytes()).expect("a record"),
            &interner,
        );
        let (place, around) = (Place { file: 1, offset: 30_000_000 }, Around::default());
        let packed = Packed::new(&Sighting { event: start, place, around, bare: false }, &mut room);
        assert!(packed.0.len() < 140, "{}", packed.0.len());
    }
}
