//! Two containers that tell the same identity, and one that its engine calls otherwise: an environment may
//! have been copied.

use super::life::Life;
use super::remark::Remark;
use super::sighting::Said;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a life says that it is, which only one container can be.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Claim<'a> {
    /// the container's ARN
    Arn(&'a str),
    /// the task and the name at the runtime
    Name(&'a str, &'a str),
}

fn claims(life: &Life) -> impl Iterator<Item = Claim<'_>> {
    let name = life.task.as_deref().zip(life.get("docker_name"));
    let name = name.map(|(task, name)| Claim::Name(task, name));
    life.get("container_arn").map(Claim::Arn).into_iter().chain(name)
}

/// For each life that says that it is the same container as another one, what is to be said of that. There
/// may be many lives, so that hashes are kept in place of texts.
pub fn doubles(lives: &[Life]) -> HashMap<usize, Remark> {
    let mut hashes: Vec<(u64, u32)> = Vec::new();
    for (place, life) in lives.iter().enumerate().filter(|(_, life)| life.container.is_some()) {
        for claim in claims(life) {
            let mut hasher = DefaultHasher::new();
            claim.hash(&mut hasher);
            hashes.extend(u32::try_from(place).map(|place| (hasher.finish(), place)));
        }
    }
    hashes.sort_unstable();
    let mut remarks = HashMap::new();
    let container = |place: &u32| lives.get(*place as usize)?.container.as_deref();
    for same in hashes.chunk_by(|(one, _), (other, _)| one == other) {
        let Some((_, first)) = same.first() else { continue };
        let Some((_, second)) = same.iter().find(|(_, place)| container(place) != container(first)) else {
            continue;
        };
        for (_, place) in same {
            // One other is enough to say so.
            let other = if container(place) == container(first) { second } else { first };
            let (own, other) = (lives.get(*place as usize), lives.get(*other as usize));
            let Some((own, other)) = own.zip(other) else { continue };
            let claim = claims(own).find(|claim| claims(other).any(|of_other| of_other == *claim));
            if let Some(claim) = claim {
                remarks.entry(*place as usize).or_insert_with(|| double(own, other, claim));
            }
        }
    }
    remarks
}

fn double(own: &Life, other: &Life, claim: Claim<'_>) -> Remark {
    let id = other.container.as_deref().unwrap_or_default();
    let what = match claim {
        Claim::Arn(_) => "the ARN of the same container".to_owned(),
        Claim::Name(task, _) => format!("the same task {task} and name"),
    };
    let begun = |life: &Life| life.begun().or(life.last_sign());
    let together = begun(own) <= other.at() && begun(other) <= own.at();
    let when = if together { "and ran at the same time" } else { "at another time" };
    let whose = match (name_fits(own), name_fits(other)) {
        (Some(true), Some(false)) => {
            "Docker calls this one as its records do, and the other one not: that has the identity of this one"
        }
        (Some(false), Some(true)) => {
            "Docker calls the other one as its records do, and this one not: this one has the identity of the other, and task, \
             name, image and logs above are the other's"
        }
        _ if together => {
            "one of the two has the identity of the other, as where its environment was copied. Task, name, image and logs above \
             may be the other's"
        }
        _ => {
            "it is the same under a new ID, or one of the two has the identity of the other, as where its environment was copied"
        }
    };
    let comma = if together { ", " } else { " " };
    let text = format!("Another container, {id}, tells {what} in its records{comma}{when}: {whose}.");
    Remark::new(&text, None)
}

/// What its engine calls it, in the engine's own log.
fn engine_name(life: &Life) -> Option<(&Said, &str)> {
    life.said
        .iter()
        .rev()
        .filter(|said| !said.unconfirmed)
        .find_map(|said| Some((said, said.statement.engine_name.as_deref()?)))
}

/// Whether its engine calls it as its records do, where both tell.
fn name_fits(life: &Life) -> Option<bool> {
    let told = life.get("docker_name")?.trim_start_matches('/');
    engine_name(life).map(|(_, name)| name == told)
}

/// The engine calls it otherwise than its records do.
pub fn other_name(life: &Life) -> Option<Remark> {
    let told = life.get("docker_name")?.trim_start_matches('/');
    let (said, name) = engine_name(life).filter(|(_, name)| *name != told)?;
    let text = format!(
        "Docker calls this container {name}, and its records say {told}: it was renamed, or its records tell the \
             identity of another container."
    );
    Some(Remark::new(&text, Some(said.place)))
}
