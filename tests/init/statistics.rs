//! `--stats`: what the container used, while the program runs and once more at its end.

use crate::init::{Form, Launch};
use crate::records;
use serde_json::Value;

in_both_forms! {
    a_record_at_each_tick_and_one_before_the_exit_record
    metrics_without_an_identity_are_plain_records
}

fn statistics(stderr: &str) -> Vec<Value> {
    records::records(stderr).into_iter().filter(|record| record["epitaph"] == "stats").collect()
}

fn a_record_at_each_tick_and_one_before_the_exit_record(form: Form) {
    let running = Launch::new(form, ["cat"]).options(["--stats", "1s"]).start();
    running.stderr.wait_until("two ticks", |text| text.matches("\"epitaph\":\"stats\"").count() == 2);
    running.signal(libc::SIGTERM);
    let ended = running.finish();
    let told = statistics(&ended.stderr);
    let kinds = records::kinds(&ended.stderr);
    assert!(kinds.ends_with(&["stop".to_owned(), "stats".to_owned(), "exit".to_owned()]), "{kinds:?}");
    let number = |record: &Value, key: &str| record[key].as_u64();
    assert!(number(&told[0], "window_ms").is_some_and(|ms| ms >= 950), "{}", told[0]);
    for pair in told.windows(2) {
        let grew = number(&pair[1], "uptime_ms").zip(number(&pair[0], "uptime_ms"));
        assert!(grew.is_some_and(|(now, then)| now >= then), "{pair:?}");
    }
    // The windows are one after another: their sum is the life from the first sample on.
    let sum: u64 = told.iter().map(|record| number(record, "window_ms").unwrap()).sum();
    let life = number(told.last().unwrap(), "uptime_ms").unwrap();
    assert!(sum <= life && life - sum < 1000, "{sum} of {life} ms");
    assert_eq!(records::exit(&ended.stderr)["records_lost"], 0);
}

fn metrics_without_an_identity_are_plain_records(form: Form) {
    let options = ["--stats", "1h", "--stats-format", "emf"];
    let ended = Launch::new(form, ["true"]).options(options).run();
    let told = statistics(&ended.stderr);
    assert_eq!((told.len(), told[0].get("_aws")), (1, None), "{}", ended.stderr);
}
