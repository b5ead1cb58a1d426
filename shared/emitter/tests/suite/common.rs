//! A host for tests: its clock stands still until it is moved, and its randomness counts up.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use contract::Event;
use emitter::{
    Draft, Emitter, EmitterStats, GivenKey, OrgId, RootKey, Settings, StagedEvent, Surroundings,
    Timestamp, Transport, friction,
};

/// 2026-02-12T10:00:00Z.
pub(crate) const NOW_MS: i64 = 1_770_890_400_000;

#[derive(Debug, Clone)]
pub(crate) struct World(Arc<(AtomicI64, AtomicU64)>);

impl World {
    pub(crate) fn new() -> Self {
        Self(Arc::new((AtomicI64::new(NOW_MS), AtomicU64::new(1))))
    }

    pub(crate) fn advance_ms(&self, ms: i64) {
        self.0.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Surroundings for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.0.load(Ordering::Relaxed))
    }

    fn entropy(&self) -> [u8; 16] {
        u128::from(self.0.1.fetch_add(1, Ordering::Relaxed)).to_be_bytes()
    }
}

pub(crate) fn settings() -> Settings {
    let mut settings = Settings::new(OrgId::parse("acme").unwrap(), "checkout", "eu-central-1");
    settings.version = Some("1.4.0".to_owned());
    settings
}

pub(crate) fn key() -> GivenKey {
    let root = RootKey::parse(&"0123456789abcdef".repeat(4)).unwrap();
    GivenKey::new(root, 3, [7; 32])
}

pub(crate) async fn host<T: Transport>(transport: T) -> (Emitter<T, World>, World) {
    host_with(settings(), transport).await
}

pub(crate) async fn host_with<T: Transport>(
    settings: Settings,
    transport: T,
) -> (Emitter<T, World>, World) {
    let world = World::new();
    let emitter = Emitter::connect_in(world.clone(), settings, key(), transport).await.unwrap();
    (emitter, world)
}

pub(crate) fn draft() -> Draft<friction::Friction> {
    friction::challenge("answers").actor("jan@example.org").session("session 4711")
}

pub(crate) fn event(row: &StagedEvent) -> Event {
    serde_json::from_str(&row.body).unwrap()
}

pub(crate) fn assert_conserved(stats: &EmitterStats) {
    let sum = stats.sent
        + stats.duplicates
        + stats.rejected_total()
        + stats.dropped
        + stats.held
        + stats.in_flight;
    assert_eq!(stats.emitted, sum, "{stats:?}");
}
