#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

/// As the agent on EC2 with cgroup v1 answers, with every other shape beside it.
pub(in crate::task) const V1: &str = r#"{
"pause":{},
"fargate":null,
"ended":{"read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","pids_stats":{},"blkio_stats":{"io_service_bytes_recursive":null},
  "cpu_stats":{"cpu_usage":{"total_usage":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"memory_stats":{}},
"server":{"read":"2026-11-26T21:22:48.812236714Z","preread":"2026-11-26T21:22:47.812236714Z","pids_stats":{"current":2,"limit":18446744073709551615},
  "blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":1000},{"major":8,"minor":0,"op":"Write","value":20},
    {"major":8,"minor":0,"op":"Total","value":1020},{"major":8,"minor":16,"op":"read","value":7}],"io_serviced_recursive":[{"op":"Read","value":9}]},
  "num_procs":0,"storage_stats":{},
  "cpu_stats":{"cpu_usage":{"total_usage":115151615,"percpu_usage":[339744,114811871],"usage_in_kernelmode":50000000},"system_cpu_usage":3280890000000,
    "online_cpus":2,"throttling_data":{"periods":10,"throttled_periods":4,"throttled_time":5000000}},
  "precpu_stats":{"cpu_usage":{"total_usage":91151615},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},
  "memory_stats":{"usage":536576,"max_usage":3526656,"stats":{"cache":5,"rss":114688,"total_rss":114689,"total_inactive_file":36576,"inactive_file":1,
    "total_cache":4096,"hierarchical_memory_limit":67108864},"limit":9223372036854771712},
  "name":"/ecs-shop-web-26-server-ae81f3c5d0b7e2946a00","id":"x",
  "networks":{"eth0":{"rx_bytes":1802731,"tx_bytes":94211},"eth1":{"rx_bytes":1,"tx_bytes":2}},"network_rate_stats":{"rx_bytes_per_sec":123.5}}}"#;

fn one(body: &str) -> Option<Stats> {
    stats(format!("{{\"a\":{body}}}").as_bytes()).unwrap().pop().map(|(_, stats)| stats)
}

#[test]
fn each_shape_of_the_statistics() {
    let found = stats(V1.as_bytes()).unwrap();
    let [(id, server)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(id, "server");
    let sample = Sample {
        cpu_ns: Some(115_151_615),
        throttled_ns: Some(5_000_000),
        throttled_periods: Some(4),
        periods: Some(10),
        memory_usage: Some(536_576),
        memory_anon: Some(114_689),
        memory_file: Some(4096),
        inactive_file: Some(36_576),
        memory_limit: Some(64 << 20),
        memory_peak: Some(3_526_656),
        pids: Some(2),
        read_bytes: Some(1007),
        write_bytes: Some(20),
        net_rx_bytes: Some(1_802_732),
        net_tx_bytes: Some(94_213),
        ..Sample::default()
    };
    assert_eq!(server.sample, sample);
    let before = Sample { cpu_ns: Some(91_151_615), ..Sample::default() };
    assert_eq!(server.before, Some((before, Duration::from_secs(1))));
}

#[test]
fn version_2_of_cgroups_has_other_names() {
    let stats = one(
        r#"{"read":"2026-11-26T21:22:48Z","memory_stats":{"usage":100,"limit":25276514304,"stats":{"anon":10,"file":50,"inactive_file":30,"shmem":3}},
        "blkio_stats":{"io_service_bytes_recursive":[{"op":"read","value":1},{"op":"write","value":2}]}}"#,
    )
    .unwrap();
    let sample = stats.sample;
    assert_eq!(
        (sample.memory_used(), sample.memory_anon, sample.memory_limit),
        (Some(70), Some(10), Some(25_276_514_304))
    );
    assert_eq!((sample.read_bytes, sample.write_bytes, stats.before), (Some(1), Some(2), None));
}

#[test]
fn hostile_values_lose_themselves() {
    for wrong in ["-1", "1e400", "\"\"", "true", "[]", "{}", "[[1]]", "18446744073709551616"] {
        let body = format!(
            r#"{{"read":"2026-11-26T21:22:48Z","preread":{wrong},"cpu_stats":{{"cpu_usage":{{"total_usage":{wrong}}}}},"memory_stats":{wrong},
            "pids_stats":{wrong},"blkio_stats":{{"io_service_bytes_recursive":{wrong}}},"networks":{wrong}}}"#
        );
        // A number without end is no JSON at all.
        let Ok(found) = stats(format!("{{\"a\":{body}}}").as_bytes()) else { continue };
        assert_eq!(found[0].1.sample, Sample::default(), "{wrong}");
        assert_eq!(found[0].1.before, None, "{wrong}");
    }
    for read in ["\"yesterday\"", "0", "null", "\"9999-99-99T00:00:00Z\""] {
        assert_eq!(one(&format!("{{\"read\":{read}}}")), None, "{read}");
    }
    let most = u64::MAX;
    let io = vec![format!("{{\"op\":\"Read\",\"value\":{most}}}"); 9].join(",");
    let body =
        format!(r#"{{"read":"2026-11-26T21:22:48Z","blkio_stats":{{"io_service_bytes_recursive":[{io}]}}}}"#);
    assert_eq!(one(&body).unwrap().sample.read_bytes, Some(most));
    for wrong in ["", "[]", "null", "\"no metadata\"", "<html>", "{\"a\":"] {
        assert!(stats(wrong.as_bytes()).is_err() && task(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn a_task_with_a_container_that_is_only_pulled() {
    let body = r#"{"DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":0.5,"Memory":1024},
      "EphemeralStorageMetrics":{"Utilized":319,"Reserved":21010},"Containers":[
      {"DockerId":"p","Name":"~internal~ecs~pause","Type":"CNI_PAUSE","KnownStatus":"RESOURCES_PROVISIONED"},
      {"DockerId":"s","Name":"server","Type":"NORMAL","KnownStatus":"RUNNING","Limits":{"CPU":256,"Memory":512},"StartedAt":"2026-01-15T09:30:04.120053877Z",
       "Health":{"status":"UNHEALTHY","statusSince":"2026-11-26T21:27:59.317897105Z","exitCode":7,"output":"no\u0000 \n"},
       "Networks":[{"NetworkMode":"awsvpc"}],"RestartCount":2},
      {"DockerId":"","Name":"late","KnownStatus":"PULLED","Limits":{"CPU":0,"Memory":0}},7,{"Name":""}]}"#;
    let task = task(body.as_bytes()).unwrap();
    assert_eq!((task.cpu_limit_milli, task.memory_limit), (Some(500), Some(1 << 30)));
    assert_eq!((task.storage_used, task.storage_limit), (Some(319 << 20), Some(21_010 << 20)));
    assert_eq!(task.containers.len(), 3);
    let server = &task.containers[1];
    assert!(task.containers[0].is_pause && server.is_running());
    assert_eq!(
        (server.restarts, server.memory_limit, server.network_mode.as_deref()),
        (Some(2), Some(512 << 20), Some("awsvpc"))
    );
    let health = server.health.clone().unwrap();
    assert_eq!(
        (health.status.as_str(), health.code, health.output.as_deref()),
        ("UNHEALTHY", Some(7), Some("no\0"))
    );
    assert_eq!((task.containers[2].id.as_str(), task.containers[2].memory_limit), ("", None));
}

#[test]
fn no_more_than_32_containers_are_looked_at() {
    let many: Vec<String> =
        (0..100).map(|number| format!(r#""{number}":{{"read":"2026-11-26T21:22:48Z"}}"#)).collect();
    assert_eq!(stats(format!("{{{}}}", many.join(",")).as_bytes()).unwrap().len(), 32);
}
