//! Where the kernel enters, and where the C runtime does.
//!
//! The kernel drops a signal to PID 1 that is neither handled nor blocked, and ends any other process with
//! it. From the kernel's entry to `main` a C library takes some hundred microseconds, in which a SIGTERM
//! would be lost. So the very first instructions block all signals, and only then comes what is there
//! otherwise. It is done where there is assembly for it; elsewhere the first line of `main` does the same.
//!
//! There is no Rust start-up code around `main`: it would ignore SIGPIPE, open closed standard descriptors
//! and set up a signal stack, all of which the program would inherit or PID 1 keep in memory.
#![allow(unsafe_code)]

use epitaph::launch::Inherited;
use epitaph::sys;

// rt_sigprocmask(SIG_SETMASK, all, &old, 8), with all registers that the C runtime looks at kept. Signals 32
// and 33 stay as they are: they belong to the C library.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .text.epitaph_start,\"ax\",@progbits",
    ".globl epitaph_start",
    ".type epitaph_start,@function",
    "epitaph_start:",
    "mov r8, rdx",
    "mov eax, 14",
    "mov edi, 2",
    "lea rsi, [rip + epitaph_all_signals]",
    "lea rdx, [rip + epitaph_signal_mask]",
    "mov r10d, 8",
    "syscall",
    "mov rdx, r8",
    "jmp _start",
    ".popsection",
);
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".pushsection .text.epitaph_start,\"ax\",@progbits",
    ".globl epitaph_start",
    ".type epitaph_start,%function",
    "epitaph_start:",
    "mov x9, x0",
    "mov x0, #2",
    "adrp x1, epitaph_all_signals",
    "add x1, x1, :lo12:epitaph_all_signals",
    "adrp x2, epitaph_signal_mask",
    "add x2, x2, :lo12:epitaph_signal_mask",
    "mov x3, #8",
    "mov x8, #135",
    "svc #0",
    "mov x0, x9",
    "b _start",
    ".popsection",
);
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
std::arch::global_asm!(
    ".pushsection .data.epitaph_signal_mask,\"aw\"",
    ".balign 8",
    ".globl epitaph_signal_mask",
    "epitaph_signal_mask: .quad -1",
    ".popsection",
    ".pushsection .rodata.epitaph_all_signals,\"a\"",
    ".balign 8",
    "epitaph_all_signals: .quad 0xfffffffe7fffffff",
    ".popsection",
);

// A note in the ELF file (elf(5), PT_NOTE): name, description and type. By it another epitaph below this one
// knows whose child it is, whatever file either was started from; see `launch::has_init_above`.
std::arch::global_asm!(
    ".pushsection .note.epitaph,\"a\",%note",
    ".balign 4",
    ".long 8, 16, 1",
    ".asciz \"epitaph\"",
    ".ascii \"container init 1\"",
    ".popsection",
);

/// The signal mask that epitaph was started with, bit n-1 for signal n, if the lines above have run.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn mask_at_entry() -> Option<u64> {
    unsafe extern "C" {
        static epitaph_signal_mask: u64;
    }
    // SAFETY: written once, before the C runtime began. No mask is all ones, as SIGKILL cannot be blocked.
    Some(unsafe { epitaph_signal_mask }).filter(|mask| *mask != u64::MAX)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn mask_at_entry() -> Option<u64> {
    None
}

/// Called by the C runtime.
#[unsafe(no_mangle)]
extern "C" fn main(argc: libc::c_int, argv: *const *const libc::c_char) -> libc::c_int {
    let inherited = Inherited::take(mask_at_entry());
    sys::reserve_standard_descriptors();
    // SAFETY: these are the arguments of `main`.
    let args = unsafe { sys::args(argc, argv) };
    let code = crate::run(args, &inherited);
    // Nothing is left that the C runtime's handlers could do.
    sys::exit_now(i32::from(code))
}
