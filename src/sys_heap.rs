//! The heap of the init: a small arena in its own data, with lists of free blocks by size.
//!
//! musl's malloc gives a page of its own to a size that is asked for seldom, and gives it back when it is
//! freed: for a start of some ten such sizes that is a mmap(2), two page faults and a munmap(2) each, a tenth
//! of the whole start. The arena takes a page from the kernel when it is first written to, and keeps it; what
//! is large, or has no room here, is the C library's.
//!
//! Where the C library has nothing to give, a large block comes from the arena too. That happens in a memory
//! cgroup that is full and has no OOM killer: the kernel then refuses mmap(2), and a program that cannot
//! allocate is aborted.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Blocks have 16, 32, … 32,768 bytes.
const CLASSES: usize = 12;
const SMALLEST: usize = 16;

/// Of these classes, up to 4,096 bytes, the arena is asked first; of the larger ones the C library.
const SMALL_CLASSES: usize = 9;

/// Whether the arena is asked first for all of them. Set once.
static OWN_FIRST: AtomicBool = AtomicBool::new(false);

/// From now on the arena is asked before the C library for large blocks too: a page that the library gets may
/// be one that the process has to wait for.
pub fn prefer_own() {
    OWN_FIRST.store(true, Ordering::Relaxed);
}

/// The arena of the init: room for all that PID 1 keeps, several times. Pages that are not used take no
/// memory.
///
/// It lies behind all other data, so that these are on the same pages, and not some before it and some
/// behind: two pages fewer to get at the start, to copy in the child and to keep. The linkers put a section
/// that they do not know behind those that they know, and for LLVM one of this name is as `.bss`.
#[cfg_attr(target_os = "linux", unsafe(link_section = ".llvm.linkonce.b.arena"))]
static ARENA: Arena<{ 256 << 10 }> = Arena::new();

static HEAP: Heap<{ 256 << 10 }> = Heap::new(&ARENA);

/// The one heap of the init, for `#[global_allocator]`.
#[derive(Debug)]
pub struct InitHeap;

// SAFETY: as of the heap behind it.
unsafe impl GlobalAlloc for InitHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; so it is below.
        unsafe { HEAP.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { HEAP.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        unsafe { HEAP.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { HEAP.realloc(block, layout, size) }
    }
}

/// An allocator that has `SIZE` bytes to give.
#[derive(Debug)]
struct Heap<const SIZE: usize> {
    arena: &'static Arena<SIZE>,
    state: UnsafeCell<State>,
    /// The process has one thread. Whoever comes here in the midst of a call, from a second one or a signal's
    /// handler, is served by the C library.
    taken: AtomicBool,
}

/// The bytes that a [`Heap`] gives out.
#[repr(align(16))]
#[derive(Debug)]
struct Arena<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: only a heap has to do with what is in it.
unsafe impl<const SIZE: usize> Sync for Arena<SIZE> {}

impl<const SIZE: usize> Arena<SIZE> {
    /// An empty one.
    const fn new() -> Self {
        Arena(UnsafeCell::new([0; SIZE]))
    }
}

#[derive(Debug)]
struct State {
    /// the first free block of each class, which holds the address of the next one
    free: [*mut u8; CLASSES],
    /// how much of the arena was ever given out
    used: usize,
}

// SAFETY: `taken` lets one in at a time.
unsafe impl<const SIZE: usize> Sync for Heap<SIZE> {}

impl<const SIZE: usize> Heap<SIZE> {
    /// A heap of this arena, which no other may have.
    const fn new(arena: &'static Arena<SIZE>) -> Self {
        Heap {
            arena,
            state: UnsafeCell::new(State { free: [ptr::null_mut(); CLASSES], used: 0 }),
            taken: AtomicBool::new(false),
        }
    }

    /// Runs `change` on the state, unless somebody is at it.
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        if self.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: the flag was free, and is ours until it is put back.
        let result = change(unsafe { &mut *self.state.get() });
        self.taken.store(false, Ordering::Release);
        Some(result)
    }

    fn take(&self, class: usize) -> Option<*mut u8> {
        self.with(|state| {
            let pop = |first: &mut *mut u8| {
                let block = *first;
                // SAFETY: a free block holds the address of the next one, or null.
                *first = unsafe { block.cast::<*mut u8>().read() };
                block
            };
            if let Some(first) = state.free.get_mut(class).filter(|first| !first.is_null()) {
                return Some(pop(first));
            }
            let Some(end) = state.used.checked_add(SMALLEST << class).filter(|end| *end <= SIZE) else {
                // All of it was given out once. What is larger does as well, and is of this class from now
                // on: the C library may have nothing.
                return state.free.iter_mut().skip(class).find(|first| !first.is_null()).map(pop);
            };
            // SAFETY: inside the arena, as `end` is.
            let block = unsafe { self.arena.0.get().cast::<u8>().add(state.used) };
            state.used = end;
            Some(block)
        })
        .flatten()
    }

    fn take_first(&self, layout: Layout) -> Option<*mut u8> {
        let most = if OWN_FIRST.load(Ordering::Relaxed) { CLASSES } else { SMALL_CLASSES };
        class_of(layout).filter(|class| *class < most).and_then(|class| self.take(class))
    }

    /// What the C library gave, or where that was nothing, a block of the arena.
    fn or_from_arena(&self, block: *mut u8, layout: Layout) -> *mut u8 {
        let large = class_of(layout).filter(|class| block.is_null() && *class >= SMALL_CLASSES);
        large.and_then(|class| self.take(class)).unwrap_or(block)
    }

    fn owns(&self, block: *mut u8) -> bool {
        (block as usize).wrapping_sub(self.arena.0.get() as usize) < SIZE
    }
}

/// Gives what is in `block` a new one of the same heap, as large as is wanted; null where there is none, and
/// the old one stays.
///
/// # Safety
///
/// The promises of [`GlobalAlloc::realloc`].
#[inline]
pub(crate) unsafe fn moved(
    heap: &impl GlobalAlloc,
    block: *mut u8,
    layout: Layout,
    wanted: Layout,
) -> *mut u8 {
    // SAFETY: both blocks have as many bytes as are copied, and are not the same one.
    unsafe {
        let new = heap.alloc(wanted);
        if !new.is_null() {
            ptr::copy_nonoverlapping(block, new, layout.size().min(wanted.size()));
            heap.dealloc(block, layout);
        }
        new
    }
}

/// The class of blocks that have room for it; `None` for what is too large, or wants a rarer alignment.
fn class_of(layout: Layout) -> Option<usize> {
    let blocks = layout.size().max(1).div_ceil(SMALLEST).next_power_of_two();
    let class = blocks.trailing_zeros() as usize;
    (class < CLASSES && layout.align() <= SMALLEST).then_some(class)
}

// SAFETY: a block is given out once until it is given back, is as large as its class, and is aligned to 16
// bytes, as the arena and all sizes of blocks are. What is not in the arena came from `System` and goes back
// there.
unsafe impl<const SIZE: usize> GlobalAlloc for Heap<SIZE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take_first(layout) {
            Some(block) => block,
            // SAFETY: the caller's promise.
            None => self.or_from_arena(unsafe { System.alloc(layout) }, layout),
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let from_library = || unsafe { System.alloc_zeroed(layout) };
        let block = self.take_first(layout).unwrap_or_else(|| self.or_from_arena(from_library(), layout));
        if self.owns(block) {
            // SAFETY: the block has at least this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !self.owns(block) {
            // SAFETY: it came from there.
            return unsafe { System.dealloc(block, layout) };
        }
        // Where somebody is at the lists, the block is lost to them: some bytes, in what does not happen with
        // one thread.
        self.with(|state| {
            if let Some(first) = class_of(layout).and_then(|class| state.free.get_mut(class)) {
                // SAFETY: the block is free now, and has room for an address.
                unsafe { block.cast::<*mut u8>().write(*first) };
                *first = block;
            }
        });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: not too large with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !self.owns(block) {
            // SAFETY: it came from there.
            let new = unsafe { System.realloc(block, layout, size) };
            if !new.is_null() {
                return new;
            }
        } else if class_of(wanted) == class_of(layout) {
            return block;
        }
        // SAFETY: the caller's promise.
        unsafe { moved(self, block, layout, wanted) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn classes() {
        for (size, class) in
            [(0, Some(0)), (16, Some(0)), (17, Some(1)), (4096, Some(8)), (32_768, Some(11)), (32_769, None)]
        {
            assert_eq!(class_of(layout(size)), class, "{size}");
        }
        assert_eq!(class_of(Layout::from_size_align(16, 32).unwrap()), None);
    }

    /// Blocks of all sizes, filled, grown and given back in no order: none of them ever has another's bytes.
    #[test]
    fn blocks_keep_what_is_in_them() {
        static ARENA: Arena<20_000> = Arena::new();
        static HEAP: Heap<20_000> = Heap::new(&ARENA);
        let mut blocks: Vec<(*mut u8, usize, u8)> = Vec::new();
        let check = |block: &(*mut u8, usize, u8)| {
            // SAFETY: it is ours, and filled.
            let bytes = unsafe { std::slice::from_raw_parts(block.0, block.1) };
            assert!(bytes.iter().all(|byte| *byte == block.2), "{block:?}");
            assert_eq!(block.0 as usize % 8, 0);
        };
        let mut random = 1_u32;
        for round in 0..20_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (size, mark) = (1 + (random >> 8) as usize % 6000, round as u8);
            // SAFETY: each block is used by its size, and given back once with its layout.
            unsafe {
                match random >> 30 {
                    0 | 1 if blocks.len() < 40 => {
                        let block = HEAP.alloc(layout(size));
                        block.write_bytes(mark, size);
                        blocks.push((block, size, mark));
                    }
                    2 if !blocks.is_empty() => {
                        let place = random as usize % blocks.len();
                        let (block, old, mark) = blocks[place];
                        let new = HEAP.realloc(block, layout(old), size);
                        check(&(new, old.min(size), mark));
                        new.write_bytes(mark, size);
                        blocks[place] = (new, size, mark);
                    }
                    _ if !blocks.is_empty() => {
                        let block = blocks.swap_remove(random as usize % blocks.len());
                        check(&block);
                        HEAP.dealloc(block.0, layout(block.1));
                    }
                    _ => {}
                }
            }
            blocks.iter().for_each(check);
        }
        assert!(HEAP.with(|state| state.used).is_some_and(|used| used > 10_000), "the arena was used");
    }

    #[test]
    fn freed_memory_is_used_again_and_a_full_arena_is_no_end() {
        static ARENA: Arena<64> = Arena::new();
        static HEAP: Heap<64> = Heap::new(&ARENA);
        // SAFETY: as above.
        unsafe {
            let first = HEAP.alloc(layout(20));
            HEAP.dealloc(first, layout(20));
            assert_eq!(HEAP.alloc_zeroed(layout(30)), first);
            assert_eq!(std::slice::from_raw_parts(first, 30), [0; 30]);
            let second = HEAP.alloc(layout(32));
            assert!(HEAP.owns(first) && HEAP.owns(second) && first != second);
            let third = HEAP.alloc(layout(32));
            assert!(!third.is_null() && !HEAP.owns(third));
            HEAP.dealloc(third, layout(32));
        }
    }

    #[test]
    fn what_the_library_cannot_give_the_arena_gives() {
        static ARENA: Arena<20_000> = Arena::new();
        static HEAP: Heap<20_000> = Heap::new(&ARENA);
        let none = || HEAP.or_from_arena(ptr::null_mut(), layout(5000));
        let block = none();
        assert!(HEAP.owns(block));
        // SAFETY: as above.
        unsafe { HEAP.dealloc(block, layout(5000)) };
        assert_eq!(none(), block, "it is used again");
        assert!(HEAP.or_from_arena(ptr::null_mut(), layout(20_000)).is_null(), "as large as all of it");
        // SAFETY: as above.
        unsafe { HEAP.dealloc(block, layout(5000)) };
        let small: Vec<*mut u8> = std::iter::from_fn(|| HEAP.take(8)).take(4).collect();
        assert_eq!(small.len(), 3, "two new ones, and the large one that is free");
        assert_eq!(HEAP.take(9), None);
        let given = ptr::dangling_mut();
        assert_eq!(HEAP.or_from_arena(given, layout(5000)), given);
    }
}
