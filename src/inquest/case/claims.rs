//! Two containers that tell the same identity, and one that its engine calls otherwise: an environment may have been
//! copied.

use super::life::Life;
use super::remarks::Remark;
use std::collections::HashMap;

/// How many containers of one identity are kept; one other is enough to say so.
const CLAIMANTS: usize = 8;

/// Who tells which identity: of a container's ARN, and of a task and a name at the runtime, the containers.
#[derive(Default)]
pub struct Claims(HashMap<(String, String), Vec<Claimant>>);

struct Claimant {
    container: String,
    begun: Option<i64>,
    over: Option<i64>,
}

impl Claims {
    /// What all lives tell.
    pub fn of(lives: &[Life]) -> Claims {
        let mut claims = Claims::default();
        for life in lives {
            let Some(container) = life.container.as_deref() else { continue };
            for key in Claims::keys(life) {
                let known = claims.0.entry(key).or_default();
                if let Some(known) = known.iter_mut().find(|known| known.container == container) {
                    known.over = known.over.max(life.at());
                } else if known.len() < CLAIMANTS {
                    let container = container.to_owned();
                    known.push(Claimant { container, begun: life.begun.or(life.last_sign), over: life.at() });
                }
            }
        }
        claims
    }

    fn keys(life: &Life) -> impl Iterator<Item = (String, String)> {
        let arn = life.get("container_arn").map(|arn| ("the ARN of the same container".to_owned(), arn));
        let task = life.task.as_deref();
        let name =
            life.get("docker_name").zip(task).map(|(name, task)| (format!("the same task {task}"), name));
        [arn, name].into_iter().flatten().map(|(what, value)| (what, value.to_owned()))
    }

    /// Another container that says that it is the same as this one.
    pub fn on(&self, life: &Life) -> Option<Remark> {
        let own = life.container.as_deref()?;
        let (key, other) = Claims::keys(life).find_map(|key| {
            let other = self.0.get(&key)?.iter().find(|other| other.container != own)?;
            Some((key, other))
        })?;
        let together = life.begun.or(life.last_sign) <= other.over && other.begun <= life.at();
        let what = match key.0.as_str() {
            what if what.starts_with("the ARN") => what.to_owned(),
            what => format!("{what} and name"),
        };
        let text = if together {
            format!(
                "Another container, {}, tells {what} in its records, and ran at the same time: one of the two has the \
                 identity of the other, as where its environment was copied. Task, name, image and logs above may be the \
                 other's.",
                other.container
            )
        } else {
            format!(
                "Another container, {}, tells {what} in its records, at another time: it is the same under a new ID, or one \
                 of the two has the identity of the other, as where its environment was copied.",
                other.container
            )
        };
        Some(Remark { text, place: None, grave: false })
    }
}

/// The engine calls it otherwise than its records do.
pub fn other_name(life: &Life) -> Option<Remark> {
    let told = life.get("docker_name")?.trim_start_matches('/');
    let said =
        life.said.iter().rev().find(|said| !said.unconfirmed && said.statement.engine_name.is_some())?;
    let name = said.statement.engine_name.as_deref().filter(|name| *name != told)?;
    Some(Remark {
        text: format!(
            "Docker calls this container {name}, and its records say {told}: it was renamed, or its records tell the \
             identity of another container."
        ),
        place: Some(said.place),
        grave: false,
    })
}
