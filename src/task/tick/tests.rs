#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const START: Duration = Duration::from_secs(1_795_000_000);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + START + Duration::from_secs(seconds)
}

fn container(id: &str, status: &str) -> Container {
    Container {
        id: id.to_owned(),
        name: format!("{id}-name"),
        known_status: Some(status.to_owned()),
        started: Some(at(0)),
        network_mode: Some("awsvpc".to_owned()),
        ..Container::default()
    }
}

fn task(containers: Vec<Container>) -> Task {
    Task { cpu_limit_milli: Some(500), memory_limit: Some(1000), containers, ..Task::default() }
}

/// CPU in ms, and the bytes received.
fn stats(id: &str, seconds: u64, cpu_ms: u64, received: u64) -> (String, Stats) {
    let sample = Sample {
        cpu_ns: Some(cpu_ms * 1_000_000),
        memory_usage: Some(300),
        inactive_file: Some(100),
        net_rx_bytes: Some(received),
        ..Sample::default()
    };
    (id.to_owned(), Stats { read: at(seconds), sample, before: None })
}

fn field<'a>(told: &'a Told, name: &str) -> Option<&'a Value> {
    told.fields.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn number(told: &Told, name: &str) -> Option<u64> {
    match field(told, name)? {
        Value::Number(number) => Some(*number),
        other => panic!("{other:?}"),
    }
}

fn kinds(told: &[Told]) -> Vec<(Kind, Option<&str>)> {
    told.iter().map(|told| (told.kind, told.of.as_deref())).collect()
}

#[test]
fn each_container_and_the_sum() {
    let mut tracker = Tracker::default();
    let task = task(vec![container("a", "RUNNING"), container("b", "RUNNING")]);
    tracker.tick(&task, &[stats("a", 10, 1000, 5), stats("b", 10, 0, 5)]);
    let told = tracker.tick(&task, &[stats("a", 20, 2000, 105), stats("b", 20, 500, 105)]);
    assert_eq!(kinds(&told), [(Kind::Stats, Some("a")), (Kind::Stats, Some("b")), (Kind::Task, None)]);
    let a = &told[0];
    assert_eq!(field(a, "container_name"), Some(&Value::from("a-name")));
    assert_eq!(
        (number(a, "window_ms"), number(a, "cpu_milli"), number(a, "cpu_percent")),
        (Some(10_000), Some(100), Some(20))
    );
    assert_eq!(
        (number(a, "memory_used"), number(a, "memory_limit"), number(a, "uptime_ms")),
        (Some(200), Some(1000), Some(20_000))
    );
    assert_eq!(number(a, "net_rx_bytes"), None, "it may be the task's");
    let sum = &told[2];
    assert_eq!((number(sum, "cpu_milli"), number(sum, "cpu_percent")), (Some(150), Some(30)));
    assert_eq!((number(sum, "memory_used"), number(sum, "memory_percent")), (Some(400), Some(40)));
    assert_eq!(number(sum, "net_rx_bytes"), Some(100), "each of them reports all of it");
    assert_eq!((number(sum, "containers"), number(sum, "running")), (Some(2), Some(2)));
}

#[test]
fn in_bridge_mode_the_network_is_each_ones_own() {
    for (mode, expected) in [("bridge", Some(200)), ("host", None)] {
        let mut tracker = Tracker::default();
        let of = |id| Container { network_mode: Some(mode.to_owned()), ..container(id, "RUNNING") };
        let task = task(vec![of("a"), of("b")]);
        tracker.tick(&task, &[stats("a", 10, 0, 5), stats("b", 10, 0, 5)]);
        let told = tracker.tick(&task, &[stats("a", 20, 0, 105), stats("b", 20, 0, 105)]);
        assert_eq!(number(&told[2], "net_rx_bytes"), expected, "{mode}");
    }
}

#[test]
fn the_same_once_more_is_nothing() {
    let mut tracker = Tracker::default();
    let task = task(vec![container("a", "RUNNING")]);
    assert_eq!(tracker.tick(&task, &[stats("a", 10, 0, 0)]).len(), 2);
    assert_eq!(tracker.tick(&task, &[stats("a", 10, 0, 0)]), []);
    assert_eq!(tracker.tick(&task, &[stats("a", 20, 0, 0)]).len(), 2);
}

#[test]
fn a_sum_without_one_of_them_is_none() {
    let mut tracker = Tracker::default();
    let both = task(vec![container("a", "RUNNING"), container("b", "RUNNING")]);
    tracker.tick(&both, &[stats("a", 10, 0, 0)]);
    let told = tracker.tick(&both, &[stats("a", 20, 1000, 0)]);
    assert_eq!((number(&told[1], "cpu_milli"), number(&told[1], "memory_used")), (None, None));
    assert_eq!(number(&told[1], "running"), Some(2));
}

#[test]
fn without_statistics_the_task_is_told_all_the_same() {
    let told = Tracker::default().tick(&task(vec![container("a", "RUNNING"), container("", "PULLED")]), &[]);
    assert_eq!(kinds(&told), [(Kind::Task, None)]);
    assert_eq!((number(&told[0], "containers"), number(&told[0], "running")), (Some(2), Some(1)));
}

#[test]
fn the_first_sample_has_the_agents_own_window() {
    let mut tracker = Tracker::default();
    let (id, mut first) = stats("a", 10, 1000, 5);
    let before = Sample { cpu_ns: Some(750_000_000), ..Sample::default() };
    first.before = Some((before, Duration::from_secs(1)));
    let told = tracker.tick(&task(vec![container("a", "RUNNING")]), &[(id, first)]);
    assert_eq!((number(&told[0], "window_ms"), number(&told[0], "cpu_milli")), (Some(1000), Some(250)));
}

#[test]
fn a_restart_in_place_is_a_new_baseline() {
    let mut tracker = Tracker::default();
    let mut task = task(vec![container("a", "RUNNING")]);
    tracker.tick(&task, &[stats("a", 10, 1170, 0)]);
    task.containers[0].started = Some(at(15));
    task.containers[0].restarts = Some(1);
    let told = tracker.tick(&task, &[stats("a", 20, 1350, 0)]);
    assert_eq!((number(&told[0], "cpu_milli"), number(&told[0], "window_ms")), (None, Some(0)));
    assert_eq!((number(&told[0], "restarts"), number(&told[0], "uptime_ms")), (Some(1), Some(5000)));
    // The agent had not noticed yet: the counter tells.
    let told = tracker.tick(&task, &[stats("a", 30, 350, 0)]);
    assert_eq!((number(&told[0], "cpu_milli"), number(&told[0], "window_ms")), (None, Some(10_000)));
}

#[test]
fn the_clock_set_back_is_a_new_baseline() {
    let mut tracker = Tracker::default();
    let task = task(vec![container("a", "RUNNING")]);
    tracker.tick(&task, &[stats("a", 100, 1000, 0)]);
    let told = tracker.tick(&task, &[stats("a", 50, 2000, 0)]);
    assert_eq!((number(&told[0], "cpu_milli"), number(&told[0], "window_ms")), (None, Some(0)));
    let told = tracker.tick(&task, &[stats("a", 60, 3000, 0)]);
    assert_eq!(number(&told[0], "cpu_milli"), Some(100));
}

#[test]
fn an_end_is_told_once() {
    let mut tracker = Tracker::default();
    let mut task = task(vec![container("a", "RUNNING"), container("gone", "STOPPED")]);
    tracker.tick(&task, &[stats("a", 10, 0, 0)]);
    task.containers[0] = Container { exit_code: Some(137), ..container("a", "STOPPED") };
    let told = tracker.tick(&task, &[]);
    assert_eq!(kinds(&told), [(Kind::Stats, Some("a")), (Kind::Task, None)]);
    let expected = [
        ("container_name", Value::from("a-name")),
        ("status", Value::from("STOPPED")),
        ("exit_code", Value::from(137_u64)),
    ];
    assert_eq!(told[0].fields, expected);
    assert_eq!(kinds(&tracker.tick(&task, &[])), [(Kind::Task, None)]);
}

#[test]
fn health_is_told_when_it_changes() {
    let mut tracker = Tracker::default();
    let mut task = task(vec![container("a", "RUNNING")]);
    let mut outcomes = Vec::new();
    for (status, code) in
        [("UNKNOWN", 0), ("HEALTHY", 0), ("HEALTHY", 0), ("UNHEALTHY", 7), ("UNKNOWN", 0), ("HEALTHY", 0)]
    {
        task.containers[0].health = Some(Health {
            status: status.to_owned(),
            since: Some("2026-11-26T21:27:59.317897105Z".to_owned()),
            code: Some(code),
            output: Some("é".repeat(300)),
        });
        for told in tracker.tick(&task, &[]).into_iter().filter(|told| told.kind == Kind::Health) {
            let Some(Value::Text(outcome)) = field(&told, "outcome") else { panic!("{told:?}") };
            let output = field(&told, "output").map(|output| output == &Value::from("é".repeat(128)));
            outcomes.push((outcome.clone(), field(&told, "code").cloned(), output));
        }
    }
    let passed = ("passed".to_owned(), Some(Value::Number(0)), None);
    assert_eq!(outcomes, [passed.clone(), ("failed".to_owned(), Some(Value::Number(7)), Some(true)), passed]);
}

#[test]
fn a_container_that_is_gone_is_forgotten() {
    let mut tracker = Tracker::default();
    tracker.tick(&task(vec![container("a", "RUNNING")]), &[stats("a", 10, 0, 0)]);
    tracker.tick(&task(Vec::new()), &[]);
    assert_eq!(tracker.shown().count(), 0);
}
