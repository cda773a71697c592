//! The environment of the program: ours, with what is known of the identity.

use super::own_pid;
use crate::identity::ExportList;
use crate::identity::otel::VARIABLE as OTEL_VARIABLE;
use crate::identity::{Identity, STANDARD};
use crate::shown::Shown;
use crate::sys::{self, Environment};
use std::ffi::OsString;

/// What the program is told of the identity.
pub(super) fn variables(export: &ExportList, identity: &Identity) -> Vec<(String, String)> {
    match sys::variable(OTEL_VARIABLE).map(OsString::into_string) {
        Some(Err(_)) => {
            let mut variables = export.variables(identity, "");
            let known = variables.len();
            variables.retain(|(name, _)| name != OTEL_VARIABLE);
            if variables.len() < known {
                log::warn!("{OTEL_VARIABLE} is not UTF-8 and stays as it is");
            }
            variables
        }
        Some(Ok(attributes)) => export.variables(identity, &attributes),
        None => export.variables(identity, ""),
    }
}

/// The environment of the program: ours, with `variables`, and with its own process ID where ours stood.
///
/// Who becomes the program without a fork has the ID that it was given, and is not `forked`.
pub(super) fn environment(variables: &[(String, String)], forked: bool) -> Environment {
    let mut environment = Environment::of_process();
    if forked {
        own_pid::set(&mut environment, nix::unistd::getppid().as_raw(), |name| {
            sys::variable(name)?.into_string().ok()
        });
    }
    for (name, value) in variables {
        let Some(old) = environment.set(name, value) else { continue };
        // Attributes are added to, which replaces nothing.
        if name != OTEL_VARIABLE && old != *value {
            // Not what it was, which may be a secret.
            log::warn!(
                "{name} had another value and is now \"{}\", which is what this container is",
                Shown::new(value)
            );
        }
    }
    environment
}

/// The standard variables that were there already and that nothing is known to confirm: an image may have
/// brought them along from elsewhere. They stay, since they may be somebody's own choice, and one warning
/// names them.
pub(super) fn unverified(identity: &Identity) -> Vec<&'static str> {
    let is_set = |name: &str| sys::variable(name).is_some_and(|value| !value.is_empty());
    let names: Vec<&str> = STANDARD
        .into_iter()
        .filter(|(name, field)| identity.get(*field).is_none() && is_set(name))
        .map(|(name, _)| name)
        .collect();
    if !names.is_empty() {
        log::warn!(
            "{} was in the environment already and stays as it was: what this container is could not be found out, so \
             the value may be another's",
            names.join(" and ")
        );
    }
    names
}
