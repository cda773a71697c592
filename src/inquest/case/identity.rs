//! Who a container was, and each text of it once, since there may be many lives of the same.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Who a container was: of the keys that are kept, those that were told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity(Vec<(&'static str, Arc<str>)>);

/// What is kept of the identity.
const KEYS: [&str; 19] = [
    "container_name",
    "container_arn",
    "family",
    "revision",
    "service",
    "cluster",
    "launch_type",
    "availability_zone",
    "region",
    "account",
    "instance_arn",
    "docker_name",
    "image",
    "image_id",
    "hostname",
    "ip",
    "log_group",
    "log_stream",
    "network_wait_ms",
];

impl Identity {
    /// Of whom nothing is known.
    pub const fn nobody() -> Identity {
        Identity(Vec::new())
    }

    /// What `value` tells of each key.
    pub fn of(value: impl Fn(&str) -> Option<Arc<str>>) -> Identity {
        Identity(KEYS.iter().filter_map(|key| Some((*key, value(key)?))).collect())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| &**value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, &**value))
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Keeps each text once.
#[derive(Debug, Default)]
pub struct Interner {
    texts: Mutex<HashSet<Arc<str>>>,
    identities: Mutex<HashSet<Arc<Identity>>>,
}

impl Interner {
    /// The text, shared.
    pub fn text(&self, text: &str) -> Arc<str> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        texts.insert(new.clone());
        new
    }

    /// The identity, shared.
    pub fn identity(&self, identity: Identity) -> Arc<Identity> {
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = identities.get(&identity) {
            return known.clone();
        }
        let new = Arc::new(identity);
        identities.insert(new.clone());
        new
    }
}
