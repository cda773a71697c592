//! The URLs from the environment.

#![no_main]

use epitaph::identity::http::BaseUrl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &str| {
    match BaseUrl::parse(data) {
        Ok(base) => {
            let url = base.join("/task");
            assert!(url.starts_with("http://") && url.ends_with("/task") && url.len() <= 520);
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['?', '#']));
            let authority = url.split('/').nth(2).unwrap_or_default();
            assert!(
                authority.bytes().all(|byte| byte.is_ascii_hexdigit() || b".:[]".contains(&byte)),
                "{url}"
            );
        }
        Err(bad) => {
            let line = bad.to_string();
            assert!(line.len() < 2048 && !line.contains(['\n', '\r', '\0']));
        }
    }
});
