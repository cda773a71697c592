//! Who a container was, and each text of it once, since there may be many lives of the same.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Who a container was: of the keys that are kept, those that were told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// what many lives have in common, in the order of [`SHARED`]
    shared: Option<Arc<Values>>,
    /// what each life has for itself, in the order of [`OWN`]
    own: Box<[Value]>,
    /// how many are told
    known: usize,
}

type Value = Option<Arc<str>>;
type Values = [Value; SHARED.len()];

/// What is kept of the identity, and is the same for many lives.
const SHARED: [&str; 13] = [
    "container_name",
    "family",
    "revision",
    "service",
    "cluster",
    "launch_type",
    "availability_zone",
    "region",
    "account",
    "instance_arn",
    "image",
    "image_id",
    "log_group",
];

/// The rest.
const OWN: [&str; 6] = ["container_arn", "docker_name", "hostname", "ip", "log_stream", "network_wait_ms"];

impl Identity {
    /// Of whom nothing is known.
    pub fn nobody() -> Identity {
        Identity::default()
    }

    /// What `value` tells of each key.
    pub fn of(value: impl Fn(&str) -> Option<Arc<str>>) -> Identity {
        let shared = SHARED.map(&value);
        let own = OWN.map(value);
        let any = |values: &[Value]| values.iter().any(Option::is_some);
        Identity {
            known: shared.iter().chain(&own).flatten().count(),
            own: if any(&own) { Box::new(own) } else { Box::new([]) },
            shared: any(&shared).then(|| Arc::new(shared)),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let shared = self.shared.iter().flat_map(|values| SHARED.iter().zip(values.iter()));
        let all = shared.chain(OWN.iter().zip(&self.own));
        all.filter_map(|(name, value)| Some((*name, value.as_deref()?)))
    }

    /// How many keys are known.
    pub fn len(&self) -> usize {
        self.known
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }
}

/// Keeps each text once.
#[derive(Debug, Default)]
pub struct Interner {
    texts: Mutex<HashSet<Arc<str>>>,
    shared: Mutex<HashSet<Arc<Values>>>,
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
    pub fn identity(&self, mut identity: Identity) -> Arc<Identity> {
        if let Some(shared) = &mut identity.shared {
            let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get(shared) {
                Some(known) => *shared = known.clone(),
                None => drop(all.insert(shared.clone())),
            }
        }
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = identities.get(&identity) {
            return known.clone();
        }
        let new = Arc::new(identity);
        identities.insert(new.clone());
        new
    }

    /// Forgets all texts, of which there may be several for each life. Those that somebody has are not
    /// touched.
    pub fn forget(&self) {
        *self.texts.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
        *self.identities.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
    }
}
