//! Whatever happens in whatever order, no event is lost or doubled: the ledger's law holds after every step.

use std::{collections::BTreeMap, sync::Mutex};

use contract::{
    Code,
    ledger::Balance,
    limits::{DAY_MS, RESCUES_MAX},
    staged::StagedEvent,
};
use domain::counters::Deltas;
use ports::{
    archive::{Quarantine, Quarantined},
    delivery::{Forming, Lease, Outbox, ParkedEvent, Parking, Settlement},
    intake::Put,
    ledger::{Booking, CountedChunk, EventKey, Ledger, Marker},
    staging::Staging,
};
use proptest::prelude::*;

use crate::world::{World, acme, batch, event, plain};

#[derive(Debug, Clone)]
enum Step {
    /// A friction event (even) or another one (odd) comes to the door, with one of two bodies.
    Submit(u8, u8),
    /// An emitter stages one.
    Stage(u8),
    /// The processor counts.
    Count(u8, u8),
    /// The processor sets aside, as the end of the event or not.
    SetAside(u8, bool),
    /// Replay lets go what is held.
    Release(u8),
    /// The batcher forms up to so many, and drops one.
    Form(u8, Option<u8>),
    /// The connector answers the head: 0 takes, 1 fails, 2 splits, 3 takes the first and refuses the second.
    Answer(u8),
    Unpark,
    Expire,
    Rescue(u8, bool),
    Retain,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..12_u8;
    prop_oneof![
        4 => (id.clone(), 0..2_u8).prop_map(|(id, body)| Step::Submit(id, body)),
        2 => id.clone().prop_map(Step::Stage),
        4 => (id.clone(), 0..4_u8).prop_map(|(id, booking)| Step::Count(id, booking)),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, terminal)| Step::SetAside(id, terminal)),
        2 => (0..12_u8).prop_map(Step::Release),
        4 => (1..5_u8, proptest::option::of(id.clone())).prop_map(|(n, drop)| Step::Form(n, drop)),
        6 => (0..4_u8).prop_map(Step::Answer),
        2 => Just(Step::Unpark),
        1 => Just(Step::Expire),
        2 => (id, any::<bool>()).prop_map(|(id, last)| Step::Rescue(id, last)),
        1 => Just(Step::Retain),
        1 => Just(Step::Reopen),
    ]
}

struct Model {
    world: World,
    lease: Option<Lease>,
    /// Held records by sequence.
    held: Mutex<BTreeMap<String, Quarantined>>,
    sequence: u64,
}

impl Model {
    async fn take(mut self, step: &Step) -> Self {
        match *step {
            Step::Submit(id, body) => {
                let put = self.put(id, u32::from(body));
                self.world.submit(vec![put]).await;
            }
            Step::Stage(id) => {
                self.world.store.stage(&[self.row(id, 0)]).await.unwrap();
            }
            Step::Count(id, booking) => self.count(id, booking).await,
            Step::SetAside(id, terminal) => self.set_aside(id, terminal).await,
            Step::Release(turn) => self.release(usize::from(turn)).await,
            Step::Form(size, drop) => self.form(usize::from(size), drop).await,
            Step::Answer(answer) => self.answer(answer).await,
            Step::Unpark => self.unpark().await,
            Step::Expire => {
                self.world.clock.forward(DAY_MS);
                self.world.store.expire(self.world.now()).await.unwrap();
                self.lease = None;
            }
            Step::Rescue(id, last) => {
                let rescues = if last { RESCUES_MAX + 1 } else { 1 };
                let row = StagedEvent { rescues, ..self.row(id, 0) };
                self.world.store.rescue(&[row]).await.unwrap();
            }
            Step::Retain => {
                self.world.store.retain(self.world.now()).await.unwrap();
            }
            Step::Reopen => {
                self.world = self.world.reopen();
            }
        }
        self
    }

    fn id(id: u8) -> String {
        format!("e.{id}")
    }

    fn row(&self, id: u8, ck: u32) -> StagedEvent {
        let kind = if id.is_multiple_of(2) { "friction.abandon" } else { "ui.custom" };
        self.world.friction_of(&Self::id(id), kind, ck)
    }

    fn put(&self, id: u8, ck: u32) -> Put {
        if id.is_multiple_of(2) { Put::Stage(self.row(id, ck)) } else { plain(&Self::id(id), ck) }
    }

    async fn count(&self, id: u8, booking: u8) {
        let booking = match booking {
            0 => Booking::Forwarded,
            1 => Booking::Counted,
            2 => Booking::Withheld,
            _ => Booking::Suppressed,
        };
        let key = EventKey { org: acme(), id: event(&Self::id(id)) };
        let marker = Marker { key, ck: 0, arrived_at: self.world.now(), booking };
        let (deltas, dictionary_sizes) = (Deltas::default(), BTreeMap::new());
        let chunk = CountedChunk { markers: vec![marker], deltas, dictionary_sizes };
        self.world.store.commit(chunk).await.unwrap();
    }

    async fn set_aside(&mut self, id: u8, terminal: bool) {
        self.sequence += 1;
        let record = Quarantined {
            shard: "s".to_owned(),
            sequence: self.sequence.to_string(),
            arrived_at: self.world.now(),
            reason: Code::InvalidValue,
            path: None,
            org: Some(acme()),
            event_id: Some(event(&Self::id(id))),
            terminal,
            sealed: vec![id],
        };
        Quarantine::hold(&self.world.store, std::slice::from_ref(&record)).await.unwrap();
        self.held.lock().unwrap().insert(record.sequence.clone(), record);
    }

    async fn release(&self, turn: usize) {
        let record = {
            let mut held = self.held.lock().unwrap();
            let keys: Vec<_> = held.keys().cloned().collect();
            let Some(key) = keys.get(turn % keys.len().max(1)) else { return };
            held.remove(key).unwrap()
        };
        let put = self.put(record.sealed[0], 0);
        self.world.store.release(&record, put).await.unwrap();
    }

    async fn lease(&mut self) -> Lease {
        if let Some(lease) = &self.lease {
            return lease.clone();
        }
        self.world.clock.forward(100_000);
        let lease = self.world.lease().await;
        self.lease = Some(lease.clone());
        lease
    }

    async fn form(&mut self, size: usize, drop: Option<u8>) {
        let (lease, now) = (self.lease().await, self.world.now());
        let rows = self.world.store.staged(&acme(), now.plus_ms(1), size).await.unwrap();
        let ids: Vec<_> = rows.iter().map(|row| row.event_id.as_str()).collect();
        let dropped: Vec<_> = drop.map(|id| event(&Self::id(id))).into_iter().collect();
        let ids: Vec<_> = ids
            .into_iter()
            .filter(|id| *id != dropped.first().map_or("", |d| d.as_str()))
            .collect();
        let batch = (!ids.is_empty()).then(|| batch(&format!("{:012}", lease.next_seq), &ids));
        self.world.store.form(&lease, batch, &dropped, now).await.unwrap();
        // Whatever the outcome: the next one begins with a fresh look at the head.
        self.lease = None;
    }

    async fn answer(&mut self, answer: u8) {
        let (lease, now) = (self.lease().await, self.world.now());
        let Some(head) = self.world.store.head(&acme()).await.unwrap() else { return };
        let seq = head.batch.seq.clone();
        let ids: Vec<_> = head.batch.events.iter().map(|e| e.event_id.to_string()).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let (left, right) = ids.split_at(ids.len() / 2);
        let settlement = match answer {
            0 => Settlement::Delivered { confirmed: false, enrichment: Vec::new() },
            1 => Settlement::Retry { at: now, counts: true, error: String::new() },
            2 if left.is_empty() => return,
            2 => Settlement::Split(vec![
                batch(&format!("{seq}.0"), left),
                batch(&format!("{seq}.1"), right),
            ]),
            _ => Settlement::Partial {
                delivered: ids.iter().take(1).map(|id| event(id)).collect(),
                parked: ids.iter().skip(1).take(1).map(|id| parked(id)).collect(),
                remainder: (ids.len() > 2).then(|| batch(&format!("{seq}.r1"), &ids[2..])),
                enrichment: Vec::new(),
            },
        };
        self.world.store.settle(&lease, &seq, settlement, now).await.unwrap();
    }

    async fn unpark(&mut self) {
        let (lease, now) = (self.lease().await, self.world.now());
        let from = contract::Timestamp::from_ms(0);
        let parked = self.world.store.parked(&acme(), from, now.plus_ms(1)).await.unwrap();
        let ids: Vec<_> = parked.iter().map(|parked| parked.event_id.as_str()).collect();
        if !ids.is_empty() {
            let batch = batch(&format!("{:012}", lease.next_seq), &ids);
            self.world.store.unpark(&lease, batch, now).await.unwrap();
            self.lease = None;
        }
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let books = self.world.books().await;
        let on_its_way = books.delivered + books.parked + books.pending;
        prop_assert_eq!(books.accepted_forward, on_its_way, "{:?}", books);
        let ended = books.accepted_forward + books.counted;
        prop_assert!(books.accepted >= ended, "booked twice: {:?}", books);
        prop_assert!(books.suppressed <= books.counted + books.accepted_forward);
        Ok(())
    }

    /// The processor gets to everything: then nothing may be open.
    async fn settle_the_books(&self) -> Result<(), TestCaseError> {
        for id in 0..12 {
            self.count(id, u8::from(!id.is_multiple_of(2))).await;
        }
        self.world.finish_stream().await;
        let books = self.world.books().await;
        prop_assert_eq!(books.state, Balance::Balanced, "{:?}", books);
        Ok(())
    }
}

fn parked(id: &str) -> ParkedEvent {
    ParkedEvent {
        event_id: event(id),
        reason: Code::ConnectorRejected,
        detail: String::new(),
        body: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_steps_loses_or_doubles_an_event(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::with(|options| embedded::Options {
                durability: embedded::Durability::Relaxed,
                shards: 2,
                ..options
            });
            let mut model = Model { world, lease: None, held: Mutex::default(), sequence: 0 };
            for step in &steps {
                model = model.take(step).await;
                model.check().await?;
            }
            model.settle_the_books().await
        })?;
    }
}
