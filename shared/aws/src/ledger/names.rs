//! Dictionaries: which names a product counts by name on a day, each at its place for ever.
//!
//! A dictionary only grows, at its end, and only from the size it was read at. So what this process has read stays true
//! and is not read again until a commit finds that it has grown.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use contract::Timestamp;
use domain::counters::{Dictionary, DictionaryKey};
use ports::{PortResult, ledger::CountedChunk};

use super::hours::{counters_key, day_text, organisation};
use crate::{
    Cloud,
    item::{Fields, Item, malformed, number, texts},
    resources::Resource,
    shelf::Shelf,
    transaction::Write,
};

/// The names of a dictionary in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    list: Vec<String>,
    places: HashMap<String, usize>,
}

/// The dictionaries that this process remembers, the last used ones up to a bound.
#[derive(Debug)]
pub(crate) struct Dictionaries(Mutex<Shelf<DictionaryKey, Arc<Names>>>);

/// The dictionaries of a chunk as they will be.
pub(super) type Books = BTreeMap<DictionaryKey, Arc<Names>>;

/// A dictionary that a chunk lets grow.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) key: DictionaryKey,
    before: usize,
    after: Arc<Names>,
}

/// What a chunk needs of the dictionaries.
pub(super) enum Needed {
    /// One of them has other names than the chunk was computed with.
    Stale,
    /// These, of which some grow.
    Books(Books, Vec<Growth>),
}

impl Default for Dictionaries {
    fn default() -> Self {
        Self(Mutex::new(Shelf::new(BYTES_MAX)))
    }
}

impl Names {
    fn of(list: Vec<String>) -> Self {
        let places = list.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect();
        Self { list, places }
    }

    /// Reads a dictionary's item.
    pub(super) fn read(item: &Item) -> PortResult<Self> {
        let names = Self::of(item.texts(NAMES)?.into_iter().map(str::to_owned).collect());
        if names.list.len() == item.number::<usize>(SIZE)? {
            Ok(names)
        } else {
            Err(malformed(SIZE))
        }
    }

    /// The name at a place.
    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.list.get(place).map(String::as_str)
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    fn weight(&self) -> usize {
        NAME_BYTES + self.list.iter().map(|name| NAME_BYTES + 2 * name.len()).sum::<usize>()
    }
}

impl Growth {
    /// The write: from the size as read, or not at all.
    pub(super) fn write(&self, table: &str) -> Write {
        let new = texts(self.after.list.iter().skip(self.before));
        let size = |names: usize| number(names);
        let write = |expression: &'static str| {
            Write::update(table, dictionary_key(&self.key), expression)
                .name("#names", NAMES)
                .name("#size", SIZE)
                .value(":new", new.clone())
                .value(":after", size(self.after.list.len()))
        };
        if self.before == 0 {
            write("SET #names = :new, #size = :after").when("attribute_not_exists(#size)")
        } else {
            write("SET #names = list_append(#names, :new), #size = :after")
                .when("#size = :before")
                .value(":before", size(self.before))
        }
    }

    /// Bytes of the write, about.
    pub(super) fn bytes(&self) -> usize {
        self.after.list.iter().skip(self.before).map(|name| NAME_BYTES + name.len()).sum()
    }
}

impl Cloud {
    /// The dictionaries under `keys`.
    pub(super) async fn names(
        &self,
        keys: impl IntoIterator<Item = &DictionaryKey>,
    ) -> PortResult<Books> {
        let mut books = Books::new();
        let mut unread = BTreeMap::new();
        for key in keys {
            match self.0.dictionaries.get(key) {
                Some(names) => drop(books.insert(key.clone(), names)),
                None => drop(unread.insert(address(key), key)),
            }
        }
        if unread.is_empty() {
            return Ok(books);
        }
        let wanted = unread.values().map(|key| dictionary_key(key)).collect();
        let items = self.get_all("ledger.dictionaries", Resource::Counters, wanted).await?;
        books.extend(unread.values().map(|key| ((*key).clone(), Arc::default())));
        for item in items {
            let address = (item.text("partition_key")?, item.text("sort_key")?);
            let address = (address.0.to_owned(), address.1.to_owned());
            let key = unread.get(&address).ok_or_else(|| malformed("sort_key"))?;
            books.insert((*key).clone(), Arc::new(Names::read(&item)?));
        }
        for key in unread.values() {
            if let Some(names) = books.get(*key) {
                self.0.dictionaries.put((*key).clone(), Arc::clone(names));
            }
        }
        Ok(books)
    }

    /// What `chunk` needs of the dictionaries. One that it does not let grow may have grown: its names are where they
    /// were, and what was full stays full.
    pub(super) async fn needed_names(&self, chunk: &CountedChunk) -> PortResult<Needed> {
        let named = chunk.deltas.counts.keys().filter_map(super::hours::dictionary_of);
        let growing = || chunk.deltas.names.iter().filter(|(_, new)| !new.is_empty());
        let keys: BTreeSet<DictionaryKey> =
            named.chain(growing().map(|(key, _)| key.clone())).collect();
        let mut books = self.names(&keys).await?;
        let mut growths = Vec::new();
        for (key, new) in growing() {
            let known = books.get(key).cloned().unwrap_or_default();
            let declared = chunk.dictionary_sizes.get(key).copied().unwrap_or_default();
            if known.list.len() != declared {
                return Ok(Needed::Stale);
            }
            let after: Vec<String> = known.list.iter().chain(new).cloned().collect();
            let after = Arc::new(Names::of(after));
            books.insert(key.clone(), Arc::clone(&after));
            growths.push(Growth { key: key.clone(), before: declared, after });
        }
        Ok(Needed::Books(books, growths))
    }
}

impl Dictionaries {
    /// These have grown as planned.
    pub(super) fn grown(&self, growths: Vec<Growth>) {
        for Growth { key, after, .. } in growths {
            self.put(key, after);
        }
    }

    /// Somebody else let it grow.
    pub(super) fn outdate(&self, key: &DictionaryKey) {
        self.shelf().take(key);
    }

    fn get(&self, key: &DictionaryKey) -> Option<Arc<Names>> {
        self.shelf().get(key).map(|names| Arc::clone(names))
    }

    fn put(&self, key: DictionaryKey, names: Arc<Names>) {
        let weight = names.weight();
        self.shelf().put(key, names, weight);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<DictionaryKey, Arc<Names>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the port tells it: in no particular order.
pub(super) fn dictionary(names: &Names) -> Dictionary {
    names.list.iter().cloned().collect()
}

/// The sort key of a day's dictionaries, up to the product.
pub(super) fn day_prefix(day: Timestamp) -> String {
    format!("N#{}", day_text(day))
}

fn dictionary_key(key: &DictionaryKey) -> Item {
    let (partition, sort) = address(key);
    counters_key(partition, sort)
}

fn address(DictionaryKey { org, product, day }: &DictionaryKey) -> (String, String) {
    (organisation(org), format!("{}#{product}", day_prefix(*day)))
}

const NAMES: &str = "names";
const SIZE: &str = "size";
/// 8 MiB: some hundred products.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bookkeeping of one name.
const NAME_BYTES: usize = 64;
