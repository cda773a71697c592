//! The environment of the program: ours, with what is known of the identity.

use crate::identity::otel::VARIABLE as OTEL_VARIABLE;
use crate::identity::{Identity, STANDARD};
use crate::options::Options;
use crate::sys::Environment;
use std::env::VarError;

/// What the program is told of the identity.
pub(super) fn variables(options: &Options, identity: &Identity) -> Vec<(String, String)> {
    match std::env::var(OTEL_VARIABLE) {
        Err(VarError::NotUnicode(_)) => {
            let mut variables = options.export.variables(identity, "");
            let known = variables.len();
            variables.retain(|(name, _)| name != OTEL_VARIABLE);
            if variables.len() < known {
                log::warn!("{OTEL_VARIABLE} is not UTF-8 and stays as it is");
            }
            variables
        }
        attributes => options.export.variables(identity, &attributes.unwrap_or_default()),
    }
}

/// The environment of the program: ours, with `variables`.
pub(super) fn environment(variables: &[(String, String)]) -> Environment {
    let mut environment = Environment::of_process();
    for (name, value) in variables {
        let Some(old) = environment.set(name, value) else { continue };
        // Attributes are added to, which replaces nothing.
        if name != OTEL_VARIABLE && old != *value {
            log::warn!(
                "{name} was \"{}\" and is now \"{value}\", which is what this container is",
                old.escape_debug()
            );
        }
    }
    environment
}

/// The standard variables that were there already and that nothing is known to confirm: an image may have brought them
/// along from elsewhere. They stay, since they may be somebody's own choice, and one warning names them.
pub(super) fn unverified(identity: &Identity) -> Vec<&'static str> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
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
