//! The law of the books: whatever happens, the ledger says it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Event, EventId, OrgId, Timestamp,
    ledger::{Balance, OrgLedger},
};
use domain::batching;

use super::{
    ok,
    sample::{Kind, books, chunk, event, lease, named_batch, now, org, row},
    there,
};
use crate::{
    accounts::Accounts,
    chance::Chance,
    delivery::{
        FormOutcome, Forming, Leases, Outbox, ParkedEvent, Parking, ReadyBatch, SettleOutcome,
        Settlement,
    },
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

/// One organisation as it should be.
#[derive(Debug, Default)]
struct Model {
    staged: BTreeSet<usize>,
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
    fn known(&self) -> BTreeSet<usize> {
        self.staged.union(&self.counted).copied().collect()
    }

    /// The row that the organisation's ledger must show, in the fields that the model knows.
    fn check(&self, row: &OrgLedger) {
        let known = self.known();
        let size = |matches: &dyn Fn(&usize) -> bool| {
            u64::try_from(known.iter().filter(|number| matches(number)).count()).unwrap_or(0)
        };
        let at = |place: Place| size(&|number| self.places.get(number) == Some(&place));
        let forward = size(&|number| kind(*number) == Kind::Friction);
        let ended =
            size(&|number| kind(*number) != Kind::Friction && self.counted.contains(number));
        let withheld =
            size(&|number| kind(*number) == Kind::Private && self.counted.contains(number));
        let expected = [
            ("accepted", row.accepted, size(&|_| true)),
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
        let open = size(&|_| true) - forward - ended;
        assert_eq!(row.difference, i64::try_from(open).unwrap_or(i64::MAX));
        assert_ne!(row.state, Balance::Broken, "difference {}", row.difference);
    }
}

/// A sequence of a hundred and fifty random calls over two organisations, compared with a model after each.
pub async fn the_ledger_says_what_happened<
    W: Staging + Leases + Forming + Outbox + Parking + Ledger + Accounts + StreamSource + Checkpoints,
>(
    world: W,
) {
    let start = now().plus_ms(-600_000);
    let mut chance = Chance::of(7);
    let mut models = [(org("acme"), Model::default()), (org("globex"), Model::default())];
    for _ in 0..150 {
        let at = chance.below(models.len());
        let (org, model) = there(models.get_mut(at), "an organisation");
        let event = |number| event(org, number, kind(number), start);
        let number = chance.below(60);
        match chance.below(6) {
            0 | 1 => {
                let staged = ok(world.stage(&[row(&event(number))]).await);
                let new = !model.known().contains(&number);
                assert_eq!(staged, [if new { Staged::New } else { Staged::Known }]);
                // Who ends without the door's help has no row; its row, if one comes later, is a duplicate.
                if new {
                    model.staged.insert(number);
                    model.places.extend(
                        (kind(number) == Kind::Friction).then_some((number, Place::Waiting)),
                    );
                }
            }
            2 => {
                let comes_by_itself = kind(number) == Kind::Friction;
                if !comes_by_itself || model.staged.contains(&number) {
                    count(&world, model, &[event(number)]).await;
                }
            }
            3 => form(&world, org, start).await,
            4 => settle(&world, org, model, &mut chance).await,
            _ => unpark(&world, org, model).await,
        }
        for (org, model) in &models {
            model.check(&books(&world, org).await);
        }
    }
    for (org, model) in &mut models {
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

/// Forms what there is to forward, and drops the rest.
async fn form<W: Staging + Leases + Forming>(world: &W, org: &OrgId, start: Timestamp) {
    let staged = ok(world.staged(org, start.plus_ms(1), 5).await);
    let ids: Vec<_> = staged.into_iter().map(|row| row.event_id).collect();
    let (forward, dropped): (Vec<_>, Vec<_>) =
        ids.into_iter().partition(|id| kind(number(id)) == Kind::Friction);
    let held = lease(world, org).await;
    let seq = batching::sequence(held.next_seq);
    let batch = (!forward.is_empty()).then(|| named_batch(org, seq, &forward));
    assert_eq!(ok(world.form(&held, batch, &dropped, now()).await), FormOutcome::Formed);
    ok(world.release(&held, held.breaker).await);
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
        reason: contract::Code::ConnectorRejected,
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
