//! The law of the books: whatever happens, the ledger says it, and nothing else.
//!
//! It is one law and two ways of booking: a world whose door knows every id that it ever took books an event as accepted
//! there; one whose door knows only what is staged would book a resend again, and leaves it to whoever counts.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Code, Event, EventId, OrgId, Timestamp,
    ledger::{Balance, OrgLedger},
};
use domain::batching;

use super::{
    ok,
    sample::{Kind, books, chunk, event, id, lease, named_batch, now, org, row},
    there,
};
use crate::{
    accounts::Accounts,
    archive::{Quarantine, Quarantined},
    chance::Chance,
    delivery::{
        FormOutcome, Forming, Leases, Outbox, ParkedEvent, Parking, ReadyBatch, SettleOutcome,
        Settlement,
    },
    intake::Put,
    ledger::{CommitOutcome, Ledger},
    staging::{Staged, Staging},
    stream::{Checkpoints, StreamSource},
};

/// Where a friction event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Waiting,
    Delivered,
    Parked,
}

/// When an event is booked as accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Booked {
    AtTheDoor,
    WhenCounted,
}

/// One organisation as it should be.
#[derive(Debug)]
struct Model {
    booked: Booked,
    /// Whatever was ever staged.
    staged: BTreeSet<usize>,
    /// What is in staging now.
    rows: BTreeSet<usize>,
    /// What was ever in a batch.
    formed: BTreeSet<usize>,
    places: BTreeMap<usize, Place>,
    counted: BTreeSet<usize>,
}

/// A number says what kind of event it is, for good.
fn kind(number: usize) -> Kind {
    match number % 3 {
        0 => Kind::Friction,
        1 => Kind::Click,
        _ => Kind::Private,
    }
}

fn number(id: &EventId) -> usize {
    there(id.as_str().rsplit('.').next().and_then(|digits| digits.parse().ok()), "a number")
}

impl Model {
    fn new(booked: Booked) -> Self {
        Self {
            booked,
            staged: BTreeSet::new(),
            rows: BTreeSet::new(),
            formed: BTreeSet::new(),
            places: BTreeMap::new(),
            counted: BTreeSet::new(),
        }
    }

    fn known(&self) -> BTreeSet<usize> {
        self.staged.union(&self.counted).copied().collect()
    }

    /// Would staging take the number as a new row?
    fn is_new(&self, number: usize) -> bool {
        match self.booked {
            Booked::AtTheDoor => !self.known().contains(&number),
            Booked::WhenCounted => !self.rows.contains(&number),
        }
    }

    fn stage(&mut self, number: usize) {
        self.staged.insert(number);
        self.rows.insert(number);
        // One that was on its way before stays where it is: its new row is dropped.
        if kind(number) == Kind::Friction {
            self.places.entry(number).or_insert(Place::Waiting);
        }
    }

    /// The row that the organisation's ledger must show, in the fields that the model knows.
    fn check(&self, row: &OrgLedger) {
        let booked = match self.booked {
            Booked::AtTheDoor => self.known(),
            Booked::WhenCounted => self.counted.clone(),
        };
        let count = |numbers: usize| u64::try_from(numbers).unwrap_or(u64::MAX);
        let of = |matches: &dyn Fn(&usize) -> bool| {
            count(booked.iter().filter(|number| matches(number)).count())
        };
        let at = |place: Place| count(self.places.values().filter(|at| **at == place).count());
        let is_counted = |number: &usize| self.counted.contains(number);
        let accepted = of(&|_| true);
        let forward = of(&|number| kind(*number) == Kind::Friction);
        let ended = of(&|number| kind(*number) != Kind::Friction && is_counted(number));
        let withheld = of(&|number| kind(*number) == Kind::Private && is_counted(number));
        let expected = [
            ("accepted", row.accepted, accepted),
            ("acceptedForward", row.accepted_forward, forward),
            ("counted", row.counted, ended),
            ("suppressed", row.suppressed, withheld),
            ("pending", row.pending, at(Place::Waiting)),
            ("delivered", row.delivered, at(Place::Delivered)),
            ("parked", row.parked, at(Place::Parked)),
        ];
        for (name, shown, happened) in expected {
            assert_eq!(shown, happened, "the ledger's {name}");
        }
        let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        let somewhere = signed(count(self.places.len()));
        let open = signed(accepted) - signed(forward) - signed(ended);
        assert_eq!(row.difference, signed(forward) - somewhere + open);
        assert_ne!(row.state, Balance::Broken, "difference {}", row.difference);
    }
}

/// A sequence of a hundred and fifty random calls over two organisations, compared with a model after each: an event is
/// accepted at the door.
pub async fn the_ledger_says_what_happened<
    W: Staging + Leases + Forming + Outbox + Parking + Ledger + Accounts + StreamSource + Checkpoints,
>(
    world: W,
) {
    walk(world, Booked::AtTheDoor).await;
}

/// The same sequence in a world whose door knows only what is staged: an event is accepted when it is counted, a row that
/// comes again is staged again and dropped later, and in between the ledger says that it settles.
pub async fn the_ledger_says_what_was_counted<
    W: Staging + Leases + Forming + Outbox + Parking + Ledger + Accounts + StreamSource + Checkpoints,
>(
    world: W,
) {
    walk(world, Booked::WhenCounted).await;
}

async fn walk<
    W: Staging + Leases + Forming + Outbox + Parking + Ledger + Accounts + StreamSource + Checkpoints,
>(
    world: W,
    booked: Booked,
) {
    let start = now().plus_ms(-600_000);
    let mut chance = Chance::of(7);
    let mut models = ["acme", "globex"].map(|name| (org(name), Model::new(booked)));
    for _ in 0..150 {
        let at = chance.below(models.len());
        let (org, model) = there(models.get_mut(at), "an organisation");
        let event = |number| event(org, number, kind(number), start);
        let number = chance.below(60);
        match chance.below(6) {
            0 | 1 => {
                let staged = ok(world.stage(&[row(&event(number))]).await);
                let new = model.is_new(number);
                assert_eq!(staged, [if new { Staged::New } else { Staged::Known }]);
                // Who ends without the door's help has no row; its row, if one comes later, is a duplicate.
                if new {
                    model.stage(number);
                }
            }
            2 => {
                let comes_by_itself = kind(number) == Kind::Friction;
                if !comes_by_itself || model.staged.contains(&number) {
                    count(&world, model, &[event(number)]).await;
                }
            }
            3 => form(&world, org, model, start).await,
            4 => settle(&world, org, model, &mut chance).await,
            _ => unpark(&world, org, model).await,
        }
        model.check(&books(&world, org).await);
    }
    for (org, model) in &mut models {
        model.check(&books(&world, org).await);
        let open = model.known();
        let open: Vec<_> = open.difference(&model.counted).copied().collect();
        for number in open {
            count(&world, model, &[event(org, number, kind(number), start)]).await;
        }
    }
    finish_stream(&world).await;
    let report = ok(world.ledger(None, now()).await);
    assert_eq!((report.stream_lag, report.balanced), (0, true));
    for (org, model) in &models {
        let row = books(&world, org).await;
        model.check(&row);
        assert_eq!((row.state, row.difference, row.balanced), (Balance::Balanced, 0, true));
    }
}

async fn count<W: Ledger>(world: &W, model: &mut Model, events: &[Event]) {
    let numbers: Vec<_> = events.iter().map(|event| number(&event.event_id)).collect();
    let new = !numbers.iter().any(|number| model.counted.contains(number));
    let chunk = chunk(world, events).await;
    let expected = if new { CommitOutcome::Committed } else { CommitOutcome::Stale };
    assert_eq!(ok(world.commit(chunk).await), expected);
    model.counted.extend(numbers);
}

/// Forms what there is to forward and was not formed before, and drops the rest.
async fn form<W: Staging + Leases + Forming>(
    world: &W,
    org: &OrgId,
    model: &mut Model,
    start: Timestamp,
) {
    let staged = ok(world.staged(org, start.plus_ms(1), 5).await);
    let ids: Vec<_> = staged.into_iter().map(|row| row.event_id).collect();
    let numbers: Vec<_> = ids.iter().map(number).collect();
    let (forward, dropped): (Vec<_>, Vec<_>) = ids
        .into_iter()
        .partition(|id| kind(number(id)) == Kind::Friction && !model.formed.contains(&number(id)));
    let held = lease(world, org).await;
    let seq = batching::sequence(held.next_seq);
    let batch = (!forward.is_empty()).then(|| named_batch(org, seq, &forward));
    assert_eq!(ok(world.form(&held, batch, &dropped, now()).await), FormOutcome::Formed);
    ok(world.release(&held, held.breaker).await);
    model.formed.extend(forward.iter().map(number));
    model.rows.retain(|number| !numbers.contains(number));
}

async fn settle<W: Leases + Outbox>(
    world: &W,
    org: &OrgId,
    model: &mut Model,
    chance: &mut Chance,
) {
    let held = lease(world, org).await;
    if let Some(ready) = ok(world.head(org).await) {
        let settlement = settlement(org, &ready, model, chance);
        let outcome = ok(world.settle(&held, &ready.batch.seq, settlement, now()).await);
        assert_eq!(outcome, SettleOutcome::Settled);
    }
    ok(world.release(&held, held.breaker).await);
}

fn settlement(
    org: &OrgId,
    ready: &ReadyBatch,
    model: &mut Model,
    chance: &mut Chance,
) -> Settlement {
    let seq = &ready.batch.seq;
    let ids: Vec<_> = ready.batch.events.iter().map(|event| event.event_id.clone()).collect();
    let (front, back) = ids.split_at(chance.below(ids.len()));
    match chance.below(4) {
        0 => {
            model.places.extend(ids.iter().map(|id| (number(id), Place::Delivered)));
            Settlement::Delivered { confirmed: chance.percent(50), enrichment: Vec::new() }
        }
        1 => Settlement::Retry { at: now(), counts: true, error: "timeout".to_owned() },
        2 if !front.is_empty() => Settlement::Split(vec![
            named_batch(org, format!("{seq}.0"), front),
            named_batch(org, format!("{seq}.1"), back),
        ]),
        _ => {
            let (parked, rest) = back.split_at(back.len().min(1));
            model.places.extend(front.iter().map(|id| (number(id), Place::Delivered)));
            model.places.extend(parked.iter().map(|id| (number(id), Place::Parked)));
            let remainder = named_batch(org, format!("{seq}.r1"), rest);
            Settlement::Partial {
                delivered: front.to_vec(),
                parked: parked.iter().map(refused).collect(),
                remainder: (!rest.is_empty()).then_some(remainder),
                enrichment: Vec::new(),
            }
        }
    }
}

fn refused(id: &EventId) -> ParkedEvent {
    ParkedEvent {
        event_id: id.clone(),
        reason: Code::ConnectorRejected,
        detail: String::new(),
        body: b"{}".to_vec(),
    }
}

async fn unpark<W: Leases + Parking>(world: &W, org: &OrgId, model: &mut Model) {
    let parked = ok(world.parked(org, Timestamp::from_ms(0), now().plus_ms(60_000)).await);
    let ids: Vec<_> = parked.into_iter().map(|event| event.event_id).take(2).collect();
    if ids.is_empty() {
        return;
    }
    let held = lease(world, org).await;
    let batch = named_batch(org, batching::sequence(held.next_seq), &ids);
    assert_eq!(ok(world.unpark(&held, batch, now()).await), FormOutcome::Formed);
    ok(world.release(&held, held.breaker).await);
    model.places.extend(ids.iter().map(|id| (number(id), Place::Waiting)));
}

/// The processor has read everything.
async fn finish_stream<W: StreamSource + Checkpoints>(world: &W) {
    for shard in ok(world.shards().await) {
        if let Some(last) = ok(world.read(&shard, None, 10_000).await).pop() {
            ok(world.save("processor", &shard, &last.sequence).await);
        }
    }
}

fn set_aside(org: &OrgId, event: usize, sequence: usize, at: Timestamp) -> Quarantined {
    Quarantined {
        shard: "shardId-000000000000".to_owned(),
        sequence: sequence.to_string(),
        arrived_at: at,
        reason: Code::Late,
        path: None,
        org: Some(org.clone()),
        event_id: Some(id(event)),
        terminal: true,
        sealed: vec![7],
    }
}

/// What the law compares of a row.
fn told(row: &OrgLedger) -> (u64, u64, u64, u64) {
    (row.accepted, row.accepted_forward, row.counted, row.pending)
}

/// "If the event had been accepted and ended here, its booking as `counted` is taken back, and a staged one is booked as
/// `acceptedForward`", in a world whose door books.
pub async fn a_released_record_is_accepted_where_it_goes<
    W: Quarantine + Staging + StreamSource + Accounts,
>(
    world: W,
) {
    let (acme, at) = (org("acme"), now().plus_ms(-60_000));
    let friction = row(&event(&acme, 1, Kind::Friction, at));
    let record = Quarantined { terminal: false, ..set_aside(&acme, 1, 1, at) };
    ok(world.hold(std::slice::from_ref(&record)).await);
    assert_eq!(told(&books(&world, &acme).await), (0, 0, 0, 0));
    assert!(ok(world.release(&record, Put::Stage(friction)).await));
    assert_eq!(told(&books(&world, &acme).await), (1, 1, 0, 1));
}

/// An accepted event that ends in quarantine was counted by nobody: it is booked there, once, whatever number of its
/// records is set aside, and that is taken back when one of them is let go: whoever counts it books it anew.
pub async fn an_event_that_ends_set_aside_is_booked_there_once<
    W: Quarantine + Staging + Ledger + StreamSource + Accounts,
>(
    world: W,
) {
    let (acme, at) = (org("acme"), now().plus_ms(-60_000));
    let [first, second] = [1, 2].map(|sequence| set_aside(&acme, 1, sequence, at));
    for record in [&first, &second, &first] {
        ok(world.hold(std::slice::from_ref(record)).await);
        assert_eq!(told(&books(&world, &acme).await), (1, 0, 1, 0));
    }
    let friction = event(&acme, 1, Kind::Friction, at);
    assert!(ok(world.release(&first, Put::Stage(row(&friction))).await));
    let after = books(&world, &acme).await;
    assert_eq!((told(&after), after.difference), ((0, 0, 0, 1), -1));
    assert_eq!(after.state, Balance::Settling);
    // The event is in the books no more, so that letting go of its other record takes nothing back.
    assert!(ok(world.release(&second, Put::Nothing).await));
    assert_eq!(told(&books(&world, &acme).await), (0, 0, 0, 1));
    let counting = chunk(&world, &[friction]).await;
    assert_eq!(ok(world.commit(counting).await), CommitOutcome::Committed);
    let counted = books(&world, &acme).await;
    assert_eq!((told(&counted), counted.difference), ((1, 1, 0, 1), 0));
    // Counted before: its record ends nothing.
    ok(world.hold(&[set_aside(&acme, 1, 3, at)]).await);
    assert_eq!(told(&books(&world, &acme).await), (1, 1, 0, 1));
}

/// A record that the processor cannot read may have a row that the batcher can: such an event is on its way to the
/// connector, and booked so.
pub async fn an_event_that_is_set_aside_and_goes_on_is_booked_as_going_on<
    W: Quarantine + Staging + Leases + Forming + StreamSource + Accounts,
>(
    world: W,
) {
    let (acme, at) = (org("acme"), now().plus_ms(-60_000));
    let rows = [1, 2].map(|number| row(&event(&acme, number, Kind::Friction, at)));
    ok(world.stage(&rows).await);
    ok(world.hold(&[set_aside(&acme, 1, 1, at)]).await);
    let staged = books(&world, &acme).await;
    assert_eq!((told(&staged), staged.difference), ((1, 1, 0, 2), -1));
    let held = lease(&world, &acme).await;
    let ids = rows.map(|row| row.event_id);
    let batch = named_batch(&acme, batching::sequence(held.next_seq), &ids);
    assert_eq!(ok(world.form(&held, Some(batch), &[], now()).await), FormOutcome::Formed);
    let second = set_aside(&acme, 2, 2, at);
    ok(world.hold(std::slice::from_ref(&second)).await);
    let formed = books(&world, &acme).await;
    assert_eq!((told(&formed), formed.difference), ((2, 2, 0, 2), 0));
    assert!(ok(Quarantine::release(&world, &second, Put::Nothing).await));
    assert_eq!(told(&books(&world, &acme).await), (1, 1, 0, 2));
}

/// "Reading changes nothing."
pub async fn reading_the_books_changes_nothing<W: Staging + Ledger + Accounts>(world: W) {
    let acme = org("acme");
    let events: Vec<_> =
        (0..6).map(|number| event(&acme, number, kind(number), now().plus_ms(-60_000))).collect();
    let rows: Vec<_> = events.iter().map(row).collect();
    ok(world.stage(&rows).await);
    let counting = chunk(&world, &events).await;
    ok(world.commit(counting).await);
    let (from, to, at) = (Timestamp::from_ms(0), now().plus_ms(60_000), now());
    let read = async || {
        let id = there(events.first(), "an event").event_id.clone();
        let ledger = ok(world.ledger(None, at).await);
        let places = ok(world.whereabouts(&id, None).await);
        (ledger, places, ok(world.counters(None, from, to).await))
    };
    assert_eq!(read().await, read().await);
}
