//! Which image brought which ends.

use super::outcome::{is_bad, outcome, tally};
use crate::inquest::case::Life;
use std::collections::{BTreeMap, BTreeSet};

/// An image of a container, and what became of its lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `family/container`, without the revision
    pub container: String,
    /// the digest
    pub id: String,
    /// the revisions of the task definition that it came with
    pub revisions: Vec<String>,
    /// the first start, in milliseconds since 1970
    pub first: Option<i64>,
    /// the last that was seen of it
    pub last: Option<i64>,
    /// how many lives
    pub lives: usize,
    /// how many of them ended, and not as they should
    pub bad: usize,
    /// how they ended
    pub outcomes: Vec<(String, usize)>,
}

/// The images of each container, in order of their first start. A container whose image is not known is left
/// out.
pub fn of(lives: &[&Life]) -> Vec<Image> {
    let mut images: BTreeMap<(String, &str), Vec<&Life>> = BTreeMap::new();
    for life in lives {
        let Some(id) = life.get("image_id") else { continue };
        let name = life.get("container_name").or(life.get("docker_name"));
        let container: Vec<&str> = life.get("family").into_iter().chain(name).collect();
        images.entry((container.join("/"), id)).or_default().push(life);
    }
    let mut images: Vec<Image> = images
        .into_iter()
        .map(|((container, id), lives)| Image {
            container,
            id: id.to_owned(),
            // Set apart at once: of many lives there are few.
            revisions: lives
                .iter()
                .filter_map(|life| life.get("revision"))
                .map(|revision| (revision.len(), revision))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|(_, revision)| revision.to_owned())
                .collect(),
            first: lives.iter().filter_map(|life| life.begun().or(life.at())).min(),
            last: lives.iter().filter_map(|life| life.at()).max(),
            lives: lives.len(),
            bad: lives.iter().filter(|life| is_bad(life)).count(),
            outcomes: tally(lives.iter().map(|life| outcome(life))),
        })
        .collect();
    images.sort_by(|one, other| {
        (&one.container, one.first, &one.id).cmp(&(&other.container, other.first, &other.id))
    });
    images
}
