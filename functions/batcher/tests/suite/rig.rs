//! Store, clock, mock and batcher, wired up.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use batcher::{
    Batcher, Connector, Settings, World,
    report::{TickReport, Work},
};
use connector::{
    Secrets, Source,
    mock::{Books, InProcess, MockSettings, Quirks, Receiver, Shape},
};
use contract::{EventId, OrgId, ProductId, Timestamp, ledger::OrgLedger, staged::StagedEvent};
use domain::{
    delivery::DeliveryPolicy,
    profile::{Profile, Sender},
    pseudonym::connector_event_id,
    signature::SigningSecret,
    triage::{Class, classify},
};
use embedded::{Durability, Options, Store};
use ports::{
    accounts::Accounts,
    clock::{Clock as _, Entropy},
    faulty::Hands,
    staging::Staging,
    stream::StreamSource,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const TICK: i64 = 5 * MINUTE;
pub(crate) const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Chance that is the same in every run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dice(Arc<AtomicU64>);

impl Entropy for Dice {
    fn bytes(&self) -> [u8; 16] {
        let mixed = self.0.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        u128::from(mixed ^ (mixed >> 32)).to_le_bytes()
    }
}

pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) clock: Hands,
    pub(crate) receiver: Receiver,
    pub(crate) policy: DeliveryPolicy,
    pub(crate) profile: Profile,
    dice: Dice,
    numbers: AtomicU64,
    read_up_to: std::sync::Mutex<Option<String>>,
    _directory: TempDir,
}

impl Rig {
    pub(crate) fn new(quirks: Quirks) -> Self {
        let clock = Hands::at(Timestamp::from_ms(1_760_000_000_000));
        let directory = tempfile::tempdir().unwrap();
        let options = Options {
            durability: Durability::Relaxed,
            clock: Arc::new(clock.clone()),
            ..Options::default()
        };
        let profile = Profile::parse("athena-eu").unwrap();
        let receiver = Receiver::new(MockSettings {
            profile: profile.clone(),
            key: "key-1".into(),
            signing: SigningSecret::parse_all(SIGNING).unwrap(),
            shape: Shape::Flat,
            quirks,
        });
        Self {
            store: Store::open(directory.path(), options).unwrap(),
            clock,
            receiver,
            policy: DeliveryPolicy::default(),
            profile,
            dice: Dice::default(),
            numbers: AtomicU64::new(0),
            read_up_to: std::sync::Mutex::new(None),
            _directory: directory,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            profile: self.profile.clone(),
            policy: self.policy,
            sender: Sender::new("test", "eu-central-1").unwrap(),
        }
    }

    pub(crate) fn endpoint(&self) -> InProcess<Hands> {
        let secrets = Secrets::new(Source::parse("key-1"), Source::parse(SIGNING));
        InProcess { receiver: self.receiver.clone(), secrets, clock: self.clock.clone() }
    }

    pub(crate) fn batcher(&self) -> Batcher<Store, InProcess<Hands>, Hands, Dice> {
        self.batcher_of(self.store.clone(), self.endpoint())
    }

    pub(crate) fn batcher_of<W: World, E: Connector>(
        &self,
        world: W,
        endpoint: E,
    ) -> Batcher<W, E, Hands, Dice> {
        let (clock, dice) = (self.clock.clone(), self.dice.clone());
        Batcher::with_random(world, endpoint, clock, dice, self.settings())
    }

    /// Stages `count` events of an organisation and answers their ids.
    pub(crate) async fn emit(&self, org: &str, count: usize) -> Vec<EventId> {
        self.emit_with(org, count, &json!({})).await
    }

    pub(crate) async fn emit_with(&self, org: &str, count: usize, changes: &Value) -> Vec<EventId> {
        let rows: Vec<StagedEvent> = (0..count).map(|_| self.row(org, changes)).collect();
        self.store.stage(&rows).await.unwrap();
        rows.into_iter().map(|row| row.event_id).collect()
    }

    pub(crate) fn row(&self, org: &str, changes: &Value) -> StagedEvent {
        let number = self.numbers.fetch_add(1, Ordering::SeqCst);
        let (now, org_id) = (self.clock.now(), OrgId::parse(org).unwrap());
        let event_id = EventId::parse(format!("e-{number:06}")).unwrap();
        let mut event = json!({
            "eventId": event_id, "eventType": "friction.user_override", "occurredAt": now, "orgId": org,
            "traceComponent": "reasoning", "recordedAt": now, "context": {"feature": "answers"},
        });
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        StagedEvent {
            org_id,
            product_id: ProductId::default(),
            event_id,
            body: event.to_string(),
            ck: u32::try_from(number).unwrap(),
            occurred_at: now,
            staged_at: now,
            expires_at: now.plus_ms(24 * HOUR),
            rescues: 0,
        }
    }

    /// Lets rows settle, then ticks.
    pub(crate) async fn tick<W: World, E: Connector, R: Entropy>(
        &self,
        batcher: &Batcher<W, E, Hands, R>,
    ) -> TickReport {
        self.clock.forward(TICK);
        batcher.tick(None).await.unwrap()
    }

    /// TTL takes what is past its time; the processor sees it in the stream and puts it back. Answers what was put back.
    pub(crate) async fn rescue(&self) -> Vec<EventId> {
        while self.store.expire(self.clock.now()).await.unwrap() > 0 {}
        let mut rescued = Vec::new();
        let shard = self.store.shards().await.unwrap().remove(0);
        loop {
            let after = self.read_up_to.lock().unwrap().clone();
            let records = self.store.read(&shard, after.as_deref(), 1_000).await.unwrap();
            let Some(last) = records.last() else { return rescued };
            *self.read_up_to.lock().unwrap() = Some(last.sequence.clone());
            for record in records {
                if let Class::Rescue(row) = classify(&record.data, self.clock.now()) {
                    rescued.push(row.event_id.clone());
                    self.store.rescue(&[*row]).await.unwrap();
                }
            }
        }
    }

    pub(crate) fn books(&self) -> Books {
        self.receiver.books()
    }

    /// The connector's ids of an organisation's events, as they arrived.
    pub(crate) fn arrived(&self, org: &str) -> Vec<String> {
        self.books().org(org).in_order().into_iter().map(str::to_owned).collect()
    }

    pub(crate) async fn ledger(&self, org: &str) -> OrgLedger {
        let org = OrgId::parse(org).unwrap();
        let report = self.store.ledger(Some(&org), self.clock.now()).await.unwrap();
        report.orgs.into_iter().next().unwrap()
    }

    /// Delivered, parked and pending.
    pub(crate) async fn balance(&self, org: &str) -> (u64, u64, u64) {
        let ledger = self.ledger(org).await;
        (ledger.delivered, ledger.parked, ledger.pending)
    }
}

pub(crate) fn named(org: &str, ids: &[EventId]) -> Vec<String> {
    let org = OrgId::parse(org).unwrap();
    ids.iter().map(|id| connector_event_id(&org, id)).collect()
}

/// What matters of a tick.
pub(crate) fn summary(work: &Work) -> (u64, u64, u64, u64) {
    (work.events_formed, work.posts, work.events_delivered, work.events_parked)
}
