//! Instances that were lost, with all that ran there.

use super::conclude::{RECENT, TOGETHER};
use super::event::Kind;
use super::life::Life;

/// For each life, what tells that its instance was lost: others of the same instance ended without an exit
/// record at the same time, none of them after a stop signal.
pub fn lost_instances(lives: &[Life]) -> Vec<Option<String>> {
    let open = |life: &Life| life.exit().is_none() && !life.has(&Kind::Stop) && life.next.is_none();
    let host = |life: &Life| life.get("instance_arn").map(str::to_owned);
    let mut ends: Vec<(String, i64, usize)> = lives
        .iter()
        .enumerate()
        .filter(|(_, life)| open(life))
        .filter_map(|(place, life)| Some((host(life)?, life.last_sign?, place)))
        .collect();
    ends.sort();
    let newest = lives.iter().filter_map(|life| life.at()).max();
    let mut lost: Vec<Option<String>> = vec![None; lives.len()];
    for run in ends.chunk_by(|(host, end, _), (other, later, _)| host == other && later - end <= TOGETHER) {
        let (Some((host, first, _)), Some((_, last, _))) = (run.first(), run.last()) else { continue };
        // All that runs at the end of the heap would look so, and so would what somebody outlived.
        let of_host = || lives.iter().filter(|life| life.get("instance_arn") == Some(host));
        let outlived = of_host().any(|life| life.at() > Some(last + TOGETHER));
        // Where others were stopped then, the instance was drained, or its machine was shut down in order.
        let stopped = of_host()
            .filter(|life| life.has(&Kind::Stop))
            .any(|life| life.at().is_some_and(|at| at >= first - TOGETHER && at <= last + TOGETHER));
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
