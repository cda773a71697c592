//! Random lives, played against what decides in PID 1.
//!
//! A simulated kernel has processes with parents and parent-death signals, merged SIGCHLDs, the kill counter
//! of cgroup v1 (seen at looks alone) or v2, an OOM killer, kills by others, refused signals, forks that
//! fail, and freezes. It knows who was killed by whom. After each life the story that was told is held
//! against that truth; see `check.rs`.
//!
//! `EPITAPH_TEST_HISTORIES=N` plays N lives, `EPITAPH_TEST_SEED=S` the one with that seed, and tells it step
//! by step.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, missing_docs)]

mod check;
mod life;
mod random;
mod script;
mod world;

use life::Life;

const LIVES: u64 = 20_000;

#[test]
fn no_life_is_told_wrongly() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("EPITAPH_TEST_SEED") {
        let life = Life::play(seed, true);
        if let Err(wrong) = check::check(&life) {
            panic!("seed {seed}: {wrong}");
        }
        return;
    }
    let lives = number("EPITAPH_TEST_HISTORIES").unwrap_or(LIVES);
    let mut verdicts = std::collections::BTreeMap::<&str, u64>::new();
    let mut wrong = Vec::new();
    for seed in 1..=lives {
        let life = Life::play(seed, false);
        *verdicts.entry(life.verdict()).or_default() += 1;
        if let Err(error) = check::check(&life) {
            wrong.push(format!("seed {seed}: {error}"));
        }
    }
    println!("{lives} lives, seeds 1 to {lives}: {verdicts:?}");
    assert!(
        wrong.is_empty(),
        "{} of {lives} lives are told wrongly; EPITAPH_TEST_SEED=N plays one alone:\n{}",
        wrong.len(),
        wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
    // A simulation in which nothing happens would be green as well.
    for verdict in
        ["ok", "failed", "stopped", "expired", "oom_killed", "oom_child", "killed", "kill_after", "signaled"]
    {
        assert!(
            lives < LIVES || verdicts.get(verdict).is_some_and(|count| *count > lives / 500),
            "{verdicts:?}"
        );
    }
}
