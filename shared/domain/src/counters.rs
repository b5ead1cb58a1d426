//! What an event adds to the counters: a pure function of the event, so the archive can prove every number.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Event, EventType, Family, OrgId, Pillar, ProductId, Timestamp, event::Assignment,
    limits::DICTIONARY_NAMES_MAX,
};

/// What is counted, and when: one cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The tenant.
    pub org: OrgId,
    /// The product, or nothing for the whole organisation.
    pub product: Option<ProductId>,
    /// Start of the UTC hour in which the events happened.
    pub hour: Timestamp,
    /// What they have in common.
    pub dimension: Dimension,
}

/// What the events of a cell have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// All events.
    All,
    /// A type.
    Type(EventType),
    /// A pillar.
    Pillar(Pillar),
    /// A screen, or [`OTHER`].
    Screen(String),
    /// An experiment and its variant, or [`OTHER`] for both.
    Variant(String, String),
}

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Events.
    pub events: u64,
    /// Sum of their severities.
    pub severity: u64,
}

/// An actor seen in a scope on a day; counted exactly, by identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueActor {
    /// The tenant.
    pub org: OrgId,
    /// The tenant's product.
    pub product: ProductId,
    /// Start of the UTC day.
    pub day: Timestamp,
    /// The product as a whole, or one variant of an experiment.
    pub dimension: Dimension,
    /// The actor's token.
    pub actor: String,
}

/// Which names are counted by name: open vocabularies are bounded per organisation, product and day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DictionaryKey {
    /// The tenant.
    pub org: OrgId,
    /// The tenant's product.
    pub product: ProductId,
    /// Start of the UTC day in which the events happened.
    pub day: Timestamp,
}

/// The names that a day counts by name. It only grows.
pub type Dictionary = BTreeSet<String>;

/// Everything that a set of events adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deltas {
    /// Per cell.
    pub counts: BTreeMap<Cell, Count>,
    /// Actors seen.
    pub actors: BTreeSet<UniqueActor>,
    /// Names that must be in the dictionaries for these deltas to be right.
    pub names: BTreeMap<DictionaryKey, Dictionary>,
}

/// Adds up `events`. Names beyond a full dictionary become [`OTHER`]; `known` holds the dictionaries as they are.
#[must_use]
pub fn deltas<'a>(
    events: impl IntoIterator<Item = &'a Event>,
    known: &BTreeMap<DictionaryKey, Dictionary>,
) -> Deltas {
    let mut deltas = Deltas::default();
    for event in events {
        deltas.add(event, known);
    }
    deltas
}

/// The dictionaries that `event` needs.
#[must_use]
pub fn dictionary_key(event: &Event) -> DictionaryKey {
    DictionaryKey {
        org: event.org_id.clone(),
        product: event.product_id.clone(),
        day: event.occurred_at.day(),
    }
}

impl Deltas {
    fn add(&mut self, event: &Event, known: &BTreeMap<DictionaryKey, Dictionary>) {
        let product = || Some(event.product_id.clone());
        self.count(event, None, Dimension::All);
        self.count(event, product(), Dimension::All);
        self.count(event, product(), Dimension::Type(event.event_type));
        self.see(event, Dimension::All);
        if let Some(pillar) = event.trace_component {
            self.count(event, product(), Dimension::Pillar(pillar));
        }
        let key = dictionary_key(event);
        if let Some(screen) = event.screen.as_ref().or(event.route.as_ref()) {
            let dimension = self.admit(&key, Dimension::Screen(screen.clone()), known);
            self.count(event, product(), dimension);
        }
        if let Some(Assignment { experiment_id, variant_id, .. }) = &event.assignment {
            let dimension = Dimension::Variant(experiment_id.clone(), variant_id.clone());
            let dimension = self.admit(&key, dimension, known);
            self.count(event, product(), dimension.clone());
            self.see(event, dimension);
        }
    }

    fn count(&mut self, event: &Event, product: Option<ProductId>, dimension: Dimension) {
        let cell =
            Cell { org: event.org_id.clone(), product, hour: event.occurred_at.hour(), dimension };
        let count = self.counts.entry(cell).or_default();
        count.events += 1;
        count.severity += u64::from(event.effective_severity());
    }

    fn see(&mut self, event: &Event, dimension: Dimension) {
        if let Some(actor) = &event.actor_id {
            self.actors.insert(UniqueActor {
                org: event.org_id.clone(),
                product: event.product_id.clone(),
                day: event.occurred_at.day(),
                dimension,
                actor: actor.clone(),
            });
        }
    }

    /// Counts by name while the dictionary has room, else under [`OTHER`].
    fn admit(
        &mut self,
        key: &DictionaryKey,
        dimension: Dimension,
        known: &BTreeMap<DictionaryKey, Dictionary>,
    ) -> Dimension {
        let held = known.get(key);
        let name = dimension.to_text();
        if held.is_some_and(|names| names.contains(&name)) {
            return dimension;
        }
        let new = self.names.entry(key.clone()).or_default();
        if !new.contains(&name) && held.map_or(0, BTreeSet::len) + new.len() >= DICTIONARY_NAMES_MAX
        {
            return match dimension {
                Dimension::Variant(..) => Dimension::Variant(OTHER.to_owned(), OTHER.to_owned()),
                Dimension::Screen(_) => Dimension::Screen(OTHER.to_owned()),
                closed @ (Dimension::All | Dimension::Type(_) | Dimension::Pillar(_)) => closed,
            };
        }
        new.insert(name);
        dimension
    }
}

impl Dimension {
    /// One line of text, for storage and for people: `all`, `type friction.abandon`, `screen /a/{id}`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Type(kind) => format!("type {kind}"),
            Self::Pillar(pillar) => format!("pillar {}", pillar.as_str()),
            Self::Screen(screen) => format!("screen {screen}"),
            // An experiment's name may hold spaces; the first one has to end it.
            Self::Variant(experiment, variant) => {
                let experiment = experiment.replace('%', "%25").replace(' ', "%20");
                format!("variant {experiment} {variant}")
            }
        }
    }

    /// Reads [`Dimension::to_text`] back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        match kind {
            "all" if rest.is_empty() => Some(Self::All),
            "type" => EventType::parse(rest).map(Self::Type),
            "pillar" => Pillar::parse(rest).map(Self::Pillar),
            "screen" => Some(Self::Screen(rest.to_owned())),
            "variant" => rest.split_once(' ').map(|(experiment, variant)| {
                let experiment = experiment.replace("%20", " ").replace("%25", "%");
                Self::Variant(experiment, variant.to_owned())
            }),
            _ => None,
        }
    }
}

/// True when the connector is told about this family.
#[must_use]
pub fn is_forwarded(family: Family) -> bool {
    match family {
        Family::Friction => true,
        Family::Ui | Family::Task | Family::Knowledge | Family::Crawl | Family::Backend => false,
    }
}

/// Stands for every name beyond a full dictionary.
pub const OTHER: &str = "~other";

#[cfg(test)]
mod tests;
