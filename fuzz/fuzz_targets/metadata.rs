//! Every answer in JSON: of the metadata endpoint, of the introspection API, and the metadata file.

#![no_main]

use epitaph::identity::metadata::Findings;
use epitaph::identity::{ExportList, Source, derive, file, introspection, metadata, whoami};
use libfuzzer_sys::fuzz_target;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn check(mut told: Findings) {
    let _ = derive::derive(&mut told.identity);
    for (_, value) in told.identity.iter() {
        assert!(!value.is_empty() && value.len() <= 1024 && !value.contains(char::is_control));
    }
    for rejected in &told.rejected {
        let line = rejected.to_string();
        assert!(line.len() < 1024 && !line.contains(['\n', '\r', '\0']));
    }
    let exports = ExportList::parse("all,otel").expect("a list");
    for format in [whoami::Format::Text, whoami::Format::Json, whoami::Format::Env] {
        let text = whoami::render(&told.identity, format, &exports, "", false);
        assert!(!text.contains('\0') && (text.is_empty() || text.ends_with('\n')));
    }
}

fuzz_target!(|data: &[u8]| {
    let told = [
        metadata::container(data, Source::MetadataV4),
        metadata::task(data, Some(ID), Source::MetadataV4),
        metadata::task(data, None, Source::MetadataV2),
        introspection::task(data, ID),
        introspection::instance(data),
        file::parse(data).map(|reading| reading.findings),
    ];
    for told in told {
        match told {
            Ok(told) => check(told),
            Err(error) => assert!(error.to_string().len() < 200),
        }
    }
});
