//! Instances that were lost, with all that ran there.

use super::conclusion::{RECENT, TOGETHER};
use super::event::Kind;
use super::life::Life;
use std::collections::HashMap;

/// For each life, what tells that its instance was lost: others of the same instance ended without an exit
/// record at the same time, none of them after a stop signal.
pub fn lost_instances(lives: &[Life]) -> Vec<Option<String>> {
    let open = |life: &Life| life.exit().is_none() && !life.has(&Kind::Stop) && life.next_begun().is_none();
    let host = |life: &Life| life.get("instance_arn").map(str::to_owned);
    let mut ends: Vec<(String, i64, usize)> = lives
        .iter()
        .enumerate()
        .filter(|(_, life)| open(life))
        .filter_map(|(place, life)| Some((host(life)?, life.last_sign()?, place)))
        .collect();
    ends.sort();
    // Of each instance the newest time, and when something there was stopped.
    let mut hosts: HashMap<&str, (Option<i64>, Vec<i64>)> = HashMap::new();
    for life in lives {
        if let Some(host) = life.get("instance_arn") {
            let (newest, stops) = hosts.entry(host).or_default();
            *newest = (*newest).max(life.at());
            stops.extend(life.at().filter(|_| life.has(&Kind::Stop)));
        }
    }
    hosts.values_mut().for_each(|(_, stops)| stops.sort_unstable());
    let newest = lives.iter().filter_map(|life| life.at()).max();
    let mut lost: Vec<Option<String>> = vec![None; lives.len()];
    for run in ends.chunk_by(|(host, end, _), (other, later, _)| host == other && later - end <= TOGETHER) {
        let (Some((host, first, _)), Some((_, last, _))) = (run.first(), run.last()) else { continue };
        // All that runs at the end of the heap would look so, and so would what somebody outlived.
        let Some((last_there, stops)) = hosts.get(host.as_str()) else { continue };
        let outlived = *last_there > Some(last + TOGETHER);
        // Where others were stopped then, the instance was drained, or its machine was shut down in order.
        let next = stops.partition_point(|at| *at < first - TOGETHER);
        let stopped = stops.get(next).is_some_and(|at| *at <= last + TOGETHER);
        if run.len() < 2 || outlived || stopped || newest.is_none_or(|newest| newest - last < RECENT) {
            continue;
        }
        let id = host.rsplit('/').next().unwrap_or(host);
        let others = run.len() - 1;
        let s = if others == 1 { "" } else { "s" };
        for (_, _, place) in run {
            if let Some(entry) = lost.get_mut(*place) {
                *entry = Some(format!(
                    "No exit record, and {others} other container{s} of the instance {id} ended within a minute, none after \
                     a stop signal: most likely the instance was lost."
                ));
            }
        }
    }
    lost
}
