//! Has the kernel enter epitaph at our own first instruction, and links its static binary small and at fixed
//! addresses. Nothing of this is for the other binary, `inquest`.
//!
//! A static position-independent executable relocates itself at every start, which writes to some 40 KB of
//! pages that then stay in memory for as long as PID 1 lives: two thirds more than without.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    // A compiler takes the linker's options behind `-Wl,`; LLVM's linker, called by itself, takes them as
    // they are.
    let is_bare = set("RUSTC_LINKER").ends_with("lld");
    let link = |options: &str| {
        let line = if is_bare { options.replace(',', " ") } else { format!("-Wl,{options}") };
        for argument in line.split(' ') {
            println!("cargo:rustc-link-arg-bin=epitaph={argument}");
        }
    };
    // See src/entry.rs.
    if matches!(set("CARGO_CFG_TARGET_ARCH").as_str(), "x86_64" | "aarch64") {
        link("--entry=epitaph_start");
    }
    let is_static = set("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    if is_static {
        // The index of the unwind tables is 24 KB for backtraces, which a stripped binary that aborts cannot
        // show.
        link("--no-eh-frame-hdr");
        // Code and what is only read in one mapping: two fewer to make at each exec and to copy at each fork,
        // and no gaps between them in the file.
        link("-z,noseparate-code");
    }
    // What is relocated at the start would have pages of its own, protected after that. Nothing is relocated
    // here, and musl protects nothing in a static program: without it the file is 3.5 KB smaller, and its
    // data lies on a page less.
    if is_static && set("CARGO_CFG_TARGET_ENV") == "musl" {
        link("-z,norelro");
    }
    // For musl rustc brings the start files itself, so there it is `-C relocation-model=static` that does it.
    if is_static && set("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bin=epitaph=-no-pie");
        println!("cargo:rustc-link-arg-bin=epitaph=-static");
    }
}
