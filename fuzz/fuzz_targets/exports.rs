//! The export list, and the merging of resource attributes: the first line is the list, the second what the
//! environment holds, the third a value to encode.

#![no_main]

use epitaph::identity::{ExportList, Field, Identity, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    let mut lines = data.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (list, before, value) = (next(), next(), next());
    let list = match ExportList::parse(list) {
        Ok(list) => list,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return;
        }
    };
    let mut identity = Identity::default();
    let taken = identity.offer(Field::Image, value, Source::MetadataV4);
    for (name, value) in list.variables(&identity, before) {
        assert!(
            !name.is_empty()
                && !name.contains(['=', '\0'])
                && !name.starts_with(|c: char| c.is_ascii_digit())
        );
        if name == "OTEL_RESOURCE_ATTRIBUTES" && taken.is_ok() {
            let head = before.trim().trim_end_matches(',');
            assert!(value == *identity.get(Field::Image).unwrap_or_default() || value.starts_with(head));
        }
    }
});
