//! A record comes out as it went in, however it is wrapped, split and surrounded.

use epitaph::inquest::carve::{Carver, Found, Needles, Record};
use epitaph::inquest::heap::scan;
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Write;

/// One way to write a line down. Those of [`Wrap::Line`] end the escaping.
#[derive(Debug, Clone, Copy)]
enum Wrap {
    DockerJson,
    Event,
    Message,
    JsonWithUnicodeQuotes,
    Csv,
}

fn wrap(text: &str, how: Wrap) -> String {
    match how {
        Wrap::DockerJson => {
            json!({"log": format!("{text}\n"), "stream": "stderr", "time": "2026-11-23T17:02:10Z"})
                .to_string()
        }
        Wrap::Event => json!({"events": [{"timestamp": 1_795_453_330_615_u64, "message": text}]}).to_string(),
        Wrap::Message => serde_json::to_string_pretty(&json!({"a": {"b": [1, {"message": text, "z": "}"}]}}))
            .expect("JSON"),
        Wrap::JsonWithUnicodeQuotes => format!(
            "{{\"m\":\"{}\"}}",
            text.replace('\\', "\\\\").replace('"', "\\u0022").replace('\n', "\\n")
        ),
        Wrap::Csv => format!("2026-11-23,\"{}\",x\r\n", text.replace('"', "\"\"")),
    }
}

fn how() -> impl Strategy<Value = Wrap> {
    prop_oneof![
        Just(Wrap::DockerJson),
        Just(Wrap::Event),
        Just(Wrap::Message),
        Just(Wrap::JsonWithUnicodeQuotes),
        Just(Wrap::Csv),
    ]
}

/// Texts in a record: anything, with what escaping is about most often.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,40}", "[\\\\\"{}\\n\\t,:\\[\\]a]{0,40}", Just("\u{1f980}\u{1b}[0m\u{0}".to_owned())]
}

fn a_record() -> impl Strategy<Value = String> {
    (text(), text(), 0_i64..1000, any::<u32>()).prop_map(|(why, program, code, pid)| {
        let why = Value::from(why).to_string();
        let program = Value::from(program).to_string();
        format!(
            "{{\"epitaph\":\"exit\",\"schema\":1,\"time\":\"2026-11-23T17:02:10.691Z\",\"pid\":{pid},\"exit\":{{\"code\":{code},\"why\":{why}}},\"program\":{program}}}"
        )
    })
}

/// What programs print: not the name itself.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"INFO up\n".to_vec()),
        Just(b"\x1b[31mERROR\x1b[0m half a line ".to_vec()),
        Just(vec![0; 300]),
        Just(b"{\"level\":\"info\",\"msg\":\"{ \\\" \"}\n".to_vec()),
        Just(vec![b'x'; 70_000]),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

fn carve(bytes: &[u8], window: usize) -> Vec<Record<'static>> {
    let needles = Needles::new(true);
    let mut records = Vec::new();
    let mut found = |found: Found<'_>, _: u64| {
        if let Found::Record(record, ..) = found {
            records.push(record.into_owned());
        }
    };
    let mut carver = Carver::new(&needles, &mut found);
    scan(bytes, window, |window| carver.look(window)).expect("read");
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wrapped_and_surrounded(record in a_record(), wraps in proptest::collection::vec(how(), 0..4), before in noise(), after in noise()) {
        let mut text = record.clone();
        for how in wraps {
            text = wrap(&text, how);
        }
        // What comes before must not end within a string that swallows the record.
        let bytes = [&before[..], b"\n", text.as_bytes(), b"\n", &after].concat();
        let records = carve(&bytes, 1);
        prop_assert_eq!(records.len(), 1, "{}", text);
        prop_assert_eq!(&records[0].line, &record);
        prop_assert!(records[0].clean);
    }

    #[test]
    fn split_by_docker_at_any_byte(record in a_record(), before in 0_usize..200, limit in 64_usize..400) {
        // Docker cuts the bytes of the line, and a cut amid a character leaves U+FFFD: then nothing can bring
        // it back.
        let line = format!("{}{record}", "y".repeat(before));
        let mut parts = Vec::new();
        let mut rest = line.as_str();
        while rest.len() > limit {
            let at = (0..=limit).rev().find(|at| rest.is_char_boundary(*at)).expect("a place");
            let (part, more) = rest.split_at(at);
            parts.push(part.to_owned());
            rest = more;
        }
        parts.push(format!("{rest}\n"));
        // Docker's limit is 16 KiB: no record has as many parts as this, but for those that are tried here.
        prop_assume!(parts.len() < 40);
        let log: String = parts.iter().map(|part| json!({"log": part, "stream": "stderr", "time": "x"}).to_string() + "\n").collect();
        let records = carve(log.as_bytes(), 1);
        // A cut within the name itself, or before its value, leaves nothing to find it by.
        let name = before..before + 30;
        let hidden = (1..parts.len()).any(|place| {
            let at: usize = parts.iter().take(place).map(String::len).sum();
            name.contains(&at) || at == name.end
        });
        prop_assert!(records.len() == 1 || hidden, "{}", log);
        if let [found] = records.as_slice() {
            prop_assert_eq!(&found.line, &record);
        }
    }

    #[test]
    fn as_numbers_and_in_base64(record in a_record(), pretty in any::<bool>()) {
        let line = format!("\u{1b}[0m{record}");
        let list: Value = line.bytes().collect::<Vec<u8>>().into();
        let text = if pretty { format!("{{\n\t\"MESSAGE\" : [\n\t\t{}\n\t]\n}}", line.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",\n\t\t")) } else { json!({"MESSAGE": list}).to_string() };
        let records = carve(text.as_bytes(), 1);
        prop_assert_eq!(records.len(), 1, "{}", text);
        prop_assert_eq!(&records[0].line, &record);

        use base64::Engine;
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(json!({"messageType": "DATA_MESSAGE", "logEvents": [{"message": record}]}).to_string().as_bytes()).expect("gz");
        let text = json!({"awslogs": {"data": base64::engine::general_purpose::STANDARD.encode(packed.finish().expect("gz"))}}).to_string();
        let records = carve(text.as_bytes(), 1);
        prop_assert_eq!(records.len(), 1, "{}", text);
        prop_assert_eq!(&records[0].line, &record);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), parts in proptest::collection::vec(prop_oneof![
        Just("{\"epitaph\":\""), Just("\\\"epitaph\\\":\\\""), Just("epitaph=exit "), Just("oom-kill:"), Just("\"taskArn\":\""), Just("\"H4sI"),
        Just("101,112,105,116,97,112,104"), Just("{"), Just("}"), Just("\""), Just("\\"), Just("\n"), Just("(task "), Just("Killed process 1 (x)"),
    ], 0..60)) {
        let mut mixed = Vec::new();
        for (place, byte) in bytes.iter().enumerate() {
            mixed.push(*byte);
            if let Some(part) = parts.get(place) {
                mixed.extend_from_slice(part.as_bytes());
            }
        }
        carve(&mixed, 1);
    }
}
