//! A program that uses memory to order. It is no part of the tests' own program: they build it, statically,
//! for containers and for the virtual machine.
//!
//! - `hog fill PERCENT`: uses memory until the cgroup has PERCENT of its limit, and aborts, as a program does
//!   whose allocation failed.
//! - `hog reclaimable MIB`: uses so much memory that the kernel may take back (`MADV_FREE` in madvise(2)), so
//!   that a limit is hit and nobody has to die.
//! - `hog family COUNT`: has so many children that die with it (PR_SET_PDEATHSIG), and uses memory without
//!   end.
//! - `hog mark`: writes the time of the wall clock into the kernel's log, so that its lines can be dated.

use std::alloc::{Layout, alloc};
use std::io::{Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

unsafe extern "C" {
    fn madvise(address: *mut u8, length: usize, advice: i32) -> i32;
    fn fork() -> i32;
    fn prctl(option: i32, ...) -> i32;
    fn pause() -> i32;
}

const MADV_FREE: i32 = 8;
const PR_SET_PDEATHSIG: i32 = 1;
const SIGKILL: std::ffi::c_ulong = 9;
const MIB: usize = 1 << 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse().expect("a number");
    match arguments[0].as_str() {
        "fill" => fill(number(1)),
        "reclaimable" => reclaimable(usize::try_from(number(1)).expect("a size")),
        "family" => family(number(1)),
        "mark" => mark(),
        other => panic!("{other}?"),
    }
}

/// Memory in use: every page of it was written to, so the kernel has to hold it.
fn used(size: usize) -> *mut u8 {
    let layout = Layout::from_size_align(size, 4096).expect("whole pages");
    // SAFETY: the size is not zero, and the bytes written are within the allocation.
    unsafe {
        let memory = alloc(layout);
        assert!(!memory.is_null());
        memory.write_bytes(1, size);
        memory
    }
}

fn fill(percent: u64) {
    let [usage, limit] = cgroup_files();
    let limit = read(&limit);
    while read(&usage) * 100 < limit * percent {
        std::hint::black_box(used(MIB / 8));
    }
    std::process::abort();
}

fn reclaimable(mebibytes: usize) {
    for _ in 0..mebibytes {
        let memory = std::hint::black_box(used(MIB));
        // SAFETY: our own whole pages, which nobody reads any more.
        assert_eq!(unsafe { madvise(memory, MIB, MADV_FREE) }, 0);
    }
}

fn family(count: u64) {
    let (mut all_there, mut there) = std::io::pipe().expect("a pipe");
    for _ in 0..count {
        // SAFETY: there is one thread, and numbers only.
        unsafe {
            if fork() == 0 {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                std::hint::black_box(used(MIB / 16));
                there.write_all(b".").expect("a reader");
                loop {
                    pause();
                }
            }
        }
    }
    let mut marks = vec![0; usize::try_from(count).expect("a count")];
    all_there.read_exact(&mut marks).expect("all children");
    loop {
        std::hint::black_box(used(MIB));
    }
}

fn mark() {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    std::fs::write("/dev/kmsg", format!("epitaph-mark {}", since.as_micros())).expect("/dev/kmsg");
}

/// The files with the usage and the limit of our own cgroup: version 1 as Docker mounts it, or version 2.
fn cgroup_files() -> [String; 2] {
    let own = std::fs::read_to_string("/proc/self/cgroup").expect("/proc");
    if own.lines().any(|line| line.contains(":memory:")) {
        return ["usage_in_bytes", "limit_in_bytes"]
            .map(|name| format!("/sys/fs/cgroup/memory/memory.{name}"));
    }
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).expect("a cgroup of version 2");
    ["current", "max"].map(|name| format!("/sys/fs/cgroup{}/memory.{name}", path.trim_end_matches('/')))
}

fn read(file: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.trim().parse().expect("a number")
}
