//! Who a container was, and each text of it once, since there may be many lives of the same.

use crate::inquest::text::{Text, Texts};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
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

type Value = Option<Text>;
type Values = [Value; SHARED.len()];

/// What is kept of the identity, and is the same for many lives.
const SHARED: [&str; 14] = [
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
    "hostname",
];

/// The rest.
const OWN: [&str; 5] = ["container_arn", "docker_name", "ip", "log_stream", "network_wait_ms"];

impl Identity {
    /// Of whom nothing is known.
    pub fn nobody() -> Identity {
        Identity::default()
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

/// Keeps each text once, and of each record as much as is asked for.
#[derive(Debug, Default)]
pub struct Interner {
    brief: bool,
    texts: Texts,
    /// by the hashes of their texts
    shared: Mutex<HashMap<u64, Arc<Values>>>,
    hashes: RandomState,
    identities: Mutex<HashSet<Arc<Identity>>>,
}

impl Interner {
    /// One for who shows only what lives have in common: what is each life's own, and neither names it nor
    /// its machine, is left out.
    pub fn brief() -> Interner {
        Interner { brief: true, ..Interner::default() }
    }

    /// Whether that is left out.
    pub fn is_brief(&self) -> bool {
        self.brief
    }

    /// The text, shared.
    pub fn text(&self, text: &str) -> Text {
        self.texts.text(text)
    }

    /// The identity of which `value` tells each key, shared.
    pub fn identity<'a>(&self, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Arc<Identity> {
        let shared = SHARED.map(&value);
        let own = OWN.map(&value);
        // Left out or not: who tells the most is believed.
        let known = shared.iter().flatten().count() + own.iter().flatten().count();
        let is_there =
            |key: &str| SHARED.iter().zip(&shared).any(|(name, value)| *name == key && value.is_some());
        let is_kept = |key: &str| match key {
            _ if !self.brief => true,
            "docker_name" => !(is_there("family") && is_there("container_name")),
            "ip" => !is_there("hostname"),
            _ => false,
        };
        let mut own = OWN
            .iter()
            .zip(own)
            .map(|(key, value)| value.filter(|_| is_kept(key)).map(|text| self.texts.text(&text)));
        let own: [Value; OWN.len()] = std::array::from_fn(|_| own.next().flatten());
        let any = |values: &[Value]| values.iter().any(Option::is_some);
        let identity = Identity {
            known,
            own: if any(&own) { Box::new(own) } else { Box::new([]) },
            shared: shared.iter().any(Option::is_some).then(|| self.values(&shared)),
        };
        kept(&self.identities, identity)
    }

    /// What lives have in common, shared.
    fn values(&self, told: &[Option<Cow<'_, str>>; SHARED.len()]) -> Arc<Values> {
        // Looked up as a whole: it is almost always known.
        let hash = self.hashes.hash_one(told);
        let same = |known: &Arc<Values>| {
            known.iter().zip(told).all(|(known, told)| known.as_deref() == told.as_deref())
        };
        let mut all = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&hash).filter(|known| same(known)) {
            return known.clone();
        }
        let new: Arc<Values> =
            Arc::new(told.each_ref().map(|text| text.as_ref().map(|text| self.texts.text(text))));
        all.insert(hash, new.clone());
        new
    }

    /// Forgets all texts, of which there may be several for each life. Those that somebody has are not
    /// touched.
    pub fn forget(&self) {
        self.texts.forget();
        *self.identities.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
    }
}

/// The one of these that is the same, or this one.
fn kept<T: Eq + std::hash::Hash>(all: &Mutex<HashSet<Arc<T>>>, one: T) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(&one) {
        return known.clone();
    }
    let new = Arc::new(one);
    all.insert(new.clone());
    new
}
