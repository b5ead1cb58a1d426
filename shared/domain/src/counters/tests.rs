//! What an event adds, that adding is additive, and that open vocabularies stay bounded.

use contract::limits::HOUR_MS;
use proptest::prelude::*;
use serde_json::json;

use super::*;

type Dictionaries = BTreeMap<DictionaryKey, Dictionary>;

fn event(changes: serde_json::Value) -> Event {
    let mut event = json!({
        "eventId": "e.1", "eventType": "ui.click", "occurredAt": "2026-02-12T10:20:30Z",
        "orgId": "acme", "productId": "shop",
    });
    for (key, value) in changes.as_object().unwrap() {
        event[key] = value.clone();
    }
    serde_json::from_value(event).unwrap()
}

fn on_screen(screen: &str) -> Event {
    event(json!({"screen": screen}))
}

/// `product hour dimension` to `events/severity`.
fn told(deltas: &Deltas) -> Vec<String> {
    let cell = |(cell, count): (&Cell, &Count)| {
        let product = cell.product.as_ref().map_or("*", |product| product.as_str());
        let (_, _, day, hour) = cell.hour.partition();
        let dimension = cell.dimension.to_text();
        format!("{product} {day}T{hour} {dimension}: {}/{}", count.events, count.severity)
    };
    deltas.counts.iter().map(cell).collect()
}

fn merged(mut known: Dictionaries, deltas: &Deltas) -> Dictionaries {
    for (key, new) in &deltas.names {
        known.entry(key.clone()).or_default().extend(new.iter().cloned());
    }
    known
}

fn plus(mut sum: Deltas, more: Deltas) -> Deltas {
    for (cell, count) in more.counts {
        let total = sum.counts.entry(cell).or_default();
        total.events += count.events;
        total.severity += count.severity;
    }
    sum.actors.extend(more.actors);
    for (key, new) in more.names {
        sum.names.entry(key).or_default().extend(new);
    }
    sum
}

#[test]
fn an_event_adds_to_every_cell_it_belongs_to() {
    let full = event(json!({
        "severity": 3, "traceComponent": "reasoning", "screen": "/a", "actorId": "u",
        "assignment": {"experimentId": "x", "variantId": "b", "assignedAt": "2026-02-12T00:00:00Z"},
    }));
    let deltas = deltas([&full, &full], &Dictionaries::new());
    assert_eq!(
        told(&deltas),
        [
            "* 12T10 all: 2/6",
            "shop 12T10 all: 2/6",
            "shop 12T10 type ui.click: 2/6",
            "shop 12T10 pillar reasoning: 2/6",
            "shop 12T10 screen /a: 2/6",
            "shop 12T10 variant x b: 2/6",
        ]
    );
    let seen: Vec<String> = deltas.actors.iter().map(|seen| seen.dimension.to_text()).collect();
    assert_eq!(seen, ["all", "variant x b"], "each actor once per scope and day");
}

#[test]
fn an_event_counts_in_the_hour_in_which_it_happened() {
    let times = ["2026-02-12T10:59:59.999Z", "2026-02-12T11:00:00Z", "2026-02-13T00:30:00+01:00"];
    let events = times.map(|at| event(json!({"occurredAt": at})));
    let deltas = deltas(&events, &Dictionaries::new());
    let whole: Vec<String> =
        told(&deltas).into_iter().filter(|cell| cell.starts_with('*')).collect();
    assert_eq!(whole, ["* 12T10 all: 1/0", "* 12T11 all: 1/0", "* 12T23 all: 1/0"]);
}

#[test]
fn a_severity_that_is_not_stated_is_the_types() {
    let events = [
        event(json!({"eventType": "friction.abandon", "traceComponent": "transparency"})),
        event(json!({"eventType": "friction.feedback", "context": {"userAction": "negative"}})),
    ];
    let deltas = deltas(&events, &Dictionaries::new());
    assert_eq!(told(&deltas)[0], "* 12T10 all: 2/6");
}

#[test]
fn names_beyond_a_full_dictionary_are_counted_as_others() {
    let screens: Vec<Event> =
        (0..DICTIONARY_NAMES_MAX + 5).map(|n| on_screen(&format!("/{n}"))).collect();
    let first = deltas(&screens, &Dictionaries::new());
    let key = dictionary_key(&screens[0]);
    assert_eq!(first.names[&key].len(), DICTIONARY_NAMES_MAX);
    let other = |deltas: &Deltas| {
        let cells = deltas.counts.iter();
        let others = cells.filter(|(cell, _)| cell.dimension == Dimension::Screen(OTHER.into()));
        others.map(|(_, count)| count.events).sum::<u64>()
    };
    assert_eq!(other(&first), 5);

    let known = merged(Dictionaries::new(), &first);
    let later = deltas([&on_screen("/0"), &on_screen("/new")], &known);
    assert_eq!(other(&later), 1, "a known name keeps its own count");
    assert!(later.names.values().all(BTreeSet::is_empty));

    let elsewhere = event(json!({"screen": "/new", "productId": "other"}));
    let tomorrow = event(json!({"screen": "/new", "occurredAt": "2026-02-13T00:00:00Z"}));
    assert_eq!(other(&deltas([&elsewhere, &tomorrow], &known)), 0, "a dictionary each");
}

#[test]
fn the_variant_beyond_a_full_dictionary_loses_its_actor_to_the_others() {
    let screens: Vec<Event> =
        (0..DICTIONARY_NAMES_MAX).map(|n| on_screen(&format!("/{n}"))).collect();
    let known = merged(Dictionaries::new(), &deltas(&screens, &Dictionaries::new()));
    let assigned = event(json!({
        "actorId": "u",
        "assignment": {"experimentId": "x", "variantId": "b", "assignedAt": "2026-02-12T00:00:00Z"},
    }));
    let deltas = deltas([&assigned], &known);
    let other = Dimension::Variant(OTHER.to_owned(), OTHER.to_owned());
    assert!(deltas.counts.keys().any(|cell| cell.dimension == other));
    assert!(deltas.actors.iter().any(|seen| seen.dimension == other));
}

#[test]
fn texts_that_are_no_dimension_are_none() {
    for text in ["", "all x", "type ui.unheard", "pillar x", "variant x", "unknown x"] {
        assert_eq!(Dimension::from_text(text), None, "{text}");
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0_usize..6, 0_u8..6, 0_i64..60, 0_usize..3, 0_usize..4).prop_map(
        |(screen, severity, hours, product, actor)| {
            let at = Timestamp::from_ms(1_770_890_400_000 + hours * HOUR_MS);
            event(json!({
                "screen": format!("/{screen}"), "severity": severity, "occurredAt": at.to_string(),
                "productId": format!("p{product}"), "actorId": format!("u{actor}"),
            }))
        },
    );
    proptest::collection::vec(one, 0..40)
}

proptest! {
    /// A chunk may end anywhere: what the parts add, each knowing the names of those before, is what the whole adds.
    #[test]
    fn cutting_events_into_chunks_changes_nothing(events in events(), at in 0_usize..40) {
        let (left, right) = events.split_at(at.min(events.len()));
        let first = deltas(left, &Dictionaries::new());
        let second = deltas(right, &merged(Dictionaries::new(), &first));
        prop_assert_eq!(plus(first, second), deltas(&events, &Dictionaries::new()));
    }

    /// While the dictionaries have room, order does not matter: shards may run ahead of each other.
    #[test]
    fn the_order_of_events_does_not_matter(events in events()) {
        let backwards = deltas(events.iter().rev(), &Dictionaries::new());
        prop_assert_eq!(backwards, deltas(&events, &Dictionaries::new()));
    }

    #[test]
    fn the_cells_of_a_product_and_of_its_types_sum_to_the_organisations(events in events()) {
        let deltas = deltas(&events, &Dictionaries::new());
        let sum = |whole: bool, is: fn(&Dimension) -> bool| -> u64 {
            let cells = deltas.counts.iter();
            let cells = cells.filter(|(cell, _)| cell.product.is_none() == whole);
            cells.filter(|(cell, _)| is(&cell.dimension)).map(|(_, count)| count.events).sum()
        };
        let all = |dimension: &Dimension| *dimension == Dimension::All;
        let types = |dimension: &Dimension| matches!(dimension, Dimension::Type(_));
        let screens = |dimension: &Dimension| matches!(dimension, Dimension::Screen(_));
        let count = u64::try_from(events.len()).unwrap();
        prop_assert_eq!([sum(true, all), sum(false, all)], [count, count]);
        prop_assert_eq!([sum(false, types), sum(false, screens)], [count, count]);
    }

    #[test]
    fn a_dictionary_never_holds_more_names_than_allowed(
        names in proptest::collection::vec(0_u32..400, 0..400), held in 0_usize..=DICTIONARY_NAMES_MAX
    ) {
        let key = dictionary_key(&on_screen("/a"));
        let held: Dictionary = (0..held).map(|n| format!("screen /held/{n}")).collect();
        let known = Dictionaries::from([(key.clone(), held)]);
        let screens: Vec<Event> = names.iter().map(|n| on_screen(&format!("/{n}"))).collect();
        let known = merged(known.clone(), &deltas(&screens, &known));
        prop_assert!(known[&key].len() <= DICTIONARY_NAMES_MAX);
    }

    #[test]
    fn a_dimension_survives_its_text(
        experiment in "[a-z %~/]{1,12}", variant in "[a-z %~/]{1,12}"
    ) {
        for dimension in [
            Dimension::All,
            Dimension::Type(EventType::UiClick),
            Dimension::Pillar(Pillar::Reasoning),
            Dimension::Screen(experiment.clone()),
            Dimension::Variant(experiment, variant),
        ] {
            let text = dimension.to_text();
            prop_assert_eq!(Dimension::from_text(&text), Some(dimension));
        }
    }
}
