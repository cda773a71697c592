//! The heap of the reader's static file: lists of free blocks by size, in front of the C library's.
//!
//! musl has one lock for all threads, and gives memory back to the kernel as soon as a group of blocks is
//! free, to ask for it again with the next record: of 40,000 mmap(2) for 100,000 lives, each stops all
//! threads for a moment. Here a block that is freed stays with a thread that may want one of its size again;
//! how many do is bounded, and what is more goes back.
#![allow(unsafe_code)]

use crate::sys_heap::moved;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Blocks have multiples of this less [`HEADER`], in bytes: with musl's own four, that is what it gives out
/// without a rest.
const UNIT: usize = 16;
const HEADER: usize = 8;

/// The sizes: 8, 24, 40, … 120 bytes, and then four between each power of two and the next, up to 2 KiB.
const CLASSES: usize = 24;

/// How many bytes of free blocks of one size are kept on a shelf, unless four blocks are more.
const KEPT: usize = 4 << 10;

/// As many threads do not wait for each other.
const SHELVES: usize = 16;

/// The heap, for `#[global_allocator]`.
#[derive(Debug)]
pub struct Pool {
    shelves: [Shelf; SHELVES],
}

/// The free blocks of a thread; of several, where there are more than shelves.
#[derive(Debug)]
#[repr(align(64))]
struct Shelf {
    lists: UnsafeCell<[List; CLASSES]>,
    /// Who comes while somebody else is here is served by the C library.
    taken: AtomicBool,
}

/// Free blocks of one size.
#[derive(Debug, Clone, Copy)]
struct List {
    /// the first one, which holds the address of the next
    first: *mut u8,
    length: usize,
}

// SAFETY: `taken` lets one in at a time, and blocks belong to no thread.
unsafe impl Sync for Shelf {}
// SAFETY: the same.
unsafe impl Send for Shelf {}

/// The class of blocks for it; `None` for what is too large, or wants a rarer alignment.
fn class_of(layout: Layout) -> Option<usize> {
    if layout.align() > HEADER {
        return None;
    }
    let units = (layout.size().max(1) + HEADER).div_ceil(UNIT);
    if units <= 8 {
        return Some(units - 1);
    }
    // Four steps from a power of two to the next: 10, 12, 14, 16, 20, …
    let shift = (units - 1).ilog2() as usize - 2;
    let class = 4 * shift + ((units - 1) >> shift);
    (class < CLASSES).then_some(class)
}

/// What a block of this class is, for the C library.
fn block_of(class: usize) -> Layout {
    let units = if class < 8 { class + 1 } else { (class % 4 + 5) << (class / 4 - 1) };
    // SAFETY: neither is 0, the alignment is a power of two, and the size is small.
    unsafe { Layout::from_size_align_unchecked(units * UNIT - HEADER, HEADER) }
}

impl Pool {
    /// An empty one.
    pub const fn new() -> Pool {
        const EMPTY: List = List { first: ptr::null_mut(), length: 0 };
        Pool {
            shelves: [const { Shelf { lists: UnsafeCell::new([EMPTY; CLASSES]), taken: AtomicBool::new(false) } };
                SHELVES],
        }
    }

    /// Runs `change` on this thread's list of the class, unless somebody is at its shelf.
    fn with<T>(&self, class: usize, change: impl FnOnce(&mut List) -> Option<T>) -> Option<T> {
        thread_local! {
            static SHELF: Cell<Option<usize>> = const { Cell::new(None) };
        }
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // It has nothing to be dropped, so that it is there as long as the thread.
        let shelf = SHELF.with(|shelf| {
            let place = shelf.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % SHELVES);
            shelf.set(Some(place));
            self.shelves.get(place)
        })?;
        if shelf.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: the flag was free, and is ours until it is put back.
        let list = unsafe { (*shelf.lists.get()).get_mut(class) };
        let result = list.and_then(change);
        shelf.taken.store(false, Ordering::Release);
        result
    }
}

impl Default for Pool {
    fn default() -> Pool {
        Pool::new()
    }
}

// SAFETY: a block of a class is what the C library gave for the layout of that class, which has room for all
// that has this class and is aligned for it. It is on one list, or with whom it was given to, or back where
// it came from. What has no class goes there and comes from there as it is.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        let kept = self.with(class, |list| {
            let first = ptr::NonNull::new(list.first)?;
            // SAFETY: a free block holds the address of the next one, or null.
            list.first = unsafe { first.as_ptr().cast::<*mut u8>().read() };
            list.length -= 1;
            Some(first.as_ptr())
        });
        // SAFETY: it has a size.
        kept.unwrap_or_else(|| unsafe { System.alloc(block_of(class)) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if class_of(layout).is_none() {
            // SAFETY: the caller's promise. The kernel gives zeros.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: the same; the block has at least this size.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(class) = class_of(layout) else {
            // SAFETY: the caller's promise, and it came from there.
            return unsafe { System.dealloc(block, layout) };
        };
        let own = block_of(class);
        let kept = self.with(class, |list| {
            if list.length >= (KEPT / own.size()).max(4) {
                return None;
            }
            // SAFETY: the block is free now, and has room for an address.
            unsafe { block.cast::<*mut u8>().write(list.first) };
            *list = List { first: block, length: list.length + 1 };
            Some(())
        });
        if kept.is_none() {
            // SAFETY: it came from there with this layout.
            unsafe { System.dealloc(block, own) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise: not too large with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (class_of(layout), class_of(wanted)) {
            // SAFETY: the caller's promise. The C library may move its pages instead of what is in them.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            (own, other) if own == other => block,
            // SAFETY: the caller's promise.
            _ => unsafe { moved(self, block, layout, wanted) },
        }
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
    fn each_size_has_the_smallest_block_that_fits() {
        let sizes: Vec<usize> = (0..CLASSES).map(|class| block_of(class).size()).collect();
        assert!(sizes.is_sorted_by(|one, other| one < other), "{sizes:?}");
        assert_eq!((sizes[0], sizes[7], sizes[8], sizes[23]), (8, 120, 152, 2040));
        for size in 1..=2040 {
            let class = class_of(layout(size)).unwrap();
            assert!(sizes[class] >= size && (class == 0 || sizes[class - 1] < size), "{size}: {class}");
        }
        assert_eq!(class_of(layout(2041)), None);
        assert_eq!(class_of(Layout::from_size_align(16, 16).unwrap()), None);
    }

    /// How many free blocks of this size the calling thread has at hand.
    fn length(pool: &Pool, size: usize) -> usize {
        pool.with(class_of(layout(size)).unwrap(), |list| Some(list.length)).unwrap()
    }

    #[test]
    fn a_freed_block_is_used_again_and_few_are_kept() {
        let pool = Pool::new();
        // SAFETY: each block is given back once with its layout.
        unsafe {
            let first = pool.alloc(layout(90));
            first.write_bytes(7, 90);
            assert_eq!(pool.realloc(first, layout(90), 104), first, "there was room");
            pool.dealloc(first, layout(104));
            assert_eq!(pool.alloc_zeroed(layout(100)), first);
            assert_eq!(std::slice::from_raw_parts(first, 100), [0; 100]);
            pool.dealloc(first, layout(100));
            for size in [100, 2_000] {
                let blocks: Vec<*mut u8> = (0..500).map(|_| pool.alloc(layout(size))).collect();
                blocks.into_iter().for_each(|block| pool.dealloc(block, layout(size)));
            }
        }
        assert_eq!((length(&pool, 100), length(&pool, 2_000)), (KEPT / 104, 4));
    }

    /// Blocks of all sizes, filled, grown, given back in no order and by other threads: none of them ever has
    /// another's bytes.
    #[test]
    fn blocks_keep_what_is_in_them() {
        /// A block that may go to another thread.
        struct Block(*mut u8, usize, u8);
        // SAFETY: it is used by one at a time.
        unsafe impl Send for Block {}
        static POOL: Pool = Pool::new();
        let handed = std::sync::Mutex::new(Vec::<Block>::new());
        let check = |Block(block, size, mark): &Block| {
            // SAFETY: it is ours, and filled.
            let bytes = unsafe { std::slice::from_raw_parts(*block, *size) };
            assert!(bytes.iter().all(|byte| byte == mark), "{size} bytes of {mark}");
        };
        let work = |mut random: u32| {
            for round in 0..1_500_u32 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (size, mark) = (1 + ((random >> 8) & (random >> 16)) as usize % 3_000, round as u8);
                // SAFETY: each block is used by its size, and given back once with its layout.
                unsafe {
                    let new = POOL.alloc(layout(size));
                    new.write_bytes(mark, size);
                    let mut blocks = handed.lock().unwrap();
                    blocks.push(Block(new, size, mark));
                    let place = random as usize % blocks.len();
                    let own = blocks.swap_remove(place);
                    let many = blocks.len() > 60;
                    drop(blocks);
                    check(&own);
                    if random >> 31 == 0 {
                        let new = Block(POOL.realloc(own.0, layout(own.1), size), own.1.min(size), own.2);
                        check(&new);
                        new.0.write_bytes(mark, size);
                        handed.lock().unwrap().push(Block(new.0, size, mark));
                    } else {
                        POOL.dealloc(own.0, layout(own.1));
                    }
                    if many && let Some(last) = handed.lock().unwrap().pop() {
                        check(&last);
                        POOL.dealloc(last.0, layout(last.1));
                    }
                }
            }
        };
        let work = &work;
        std::thread::scope(|scope| {
            (1..=2 + SHELVES as u32).for_each(|seed| drop(scope.spawn(move || work(seed))))
        });
        for block in handed.into_inner().unwrap() {
            check(&block);
            // SAFETY: as above.
            unsafe { POOL.dealloc(block.0, layout(block.1)) };
        }
    }
}
