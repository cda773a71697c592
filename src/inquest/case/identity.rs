//! Who a container was, and each text of it once, since there may be many lives of the same.

use crate::inquest::registry::Registry;
use crate::inquest::text::{Text, Texts};
use foldhash::quality::RandomState;
use std::borrow::{Borrow, Cow};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::num::NonZeroU32;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// Who a container was: of the keys that are kept, those that were told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Identity {
    /// what many lives have in common, in the order of [`SHARED`]
    shared: Option<Arc<Values>>,
    /// what each life has for itself, in the order of [`OWN`]
    own: Option<Box<[Value; OWN.len()]>>,
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
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let of = |keys: &[&str], values: Option<&[Value]>| {
            let place = keys.iter().position(|name| *name == key)?;
            *values?.get(place)?
        };
        let shared = of(&SHARED, self.shared.as_ref().map(|values| values.as_slice()));
        let own = || of(&OWN, self.own.as_ref().map(|values| values.as_slice()));
        shared.or_else(own).map(|text| text.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let shared = self.shared.iter().flat_map(|values| SHARED.iter().zip(values.iter()));
        let all = shared.chain(self.own.iter().flat_map(|values| OWN.iter().zip(values.iter())));
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

/// An identity that stays until the program ends: as large as a number, and it costs nothing to copy.
#[derive(Debug, Clone, Copy)]
pub struct Whose(NonZeroU32);

/// All identities there are.
static ALL: Registry<Identity> = Registry::new();

impl Whose {
    fn new(identity: Identity) -> Whose {
        // There is no memory for so many that numbers run out.
        Whose(ALL.add(identity).unwrap_or(NonZeroU32::MAX))
    }

    /// The identity.
    pub fn identity(self) -> &'static Identity {
        static NOBODY: Identity = Identity { shared: None, own: None, known: 0 };
        ALL.get(self.0).unwrap_or(&NOBODY)
    }

    /// Its number, by which it can be had again.
    pub fn number(self) -> NonZeroU32 {
        self.0
    }

    /// The identity of a number that an identity has told.
    pub fn of_number(number: NonZeroU32) -> Whose {
        Whose(number)
    }
}

impl Deref for Whose {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        self.identity()
    }
}

impl Default for Whose {
    fn default() -> Whose {
        Whose(NonZeroU32::MAX)
    }
}

impl PartialEq for Whose {
    fn eq(&self, other: &Whose) -> bool {
        self.0 == other.0 || **self == **other
    }
}

impl Eq for Whose {}

impl Hash for Whose {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl Borrow<Identity> for Whose {
    fn borrow(&self) -> &Identity {
        self
    }
}

/// Keeps each text once, and of each record as much as is asked for.
#[derive(Debug, Default)]
pub struct Interner {
    brief: bool,
    texts: Texts,
    /// by the hashes of their texts
    shared: Mutex<HashMap<u64, Arc<Values>, RandomState>>,
    hashes: RandomState,
    identities: Mutex<HashSet<Whose, RandomState>>,
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
    pub fn identity<'a>(&self, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> Whose {
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
            own: any(&own).then(|| Box::new(own)),
            shared: shared.iter().any(Option::is_some).then(|| self.values(&shared)),
        };
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = identities.get(&identity) {
            return *known;
        }
        let new = Whose::new(identity);
        identities.insert(new);
        new
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
        *self.identities.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::default();
    }
}
