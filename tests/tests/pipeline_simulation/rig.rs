//! One run: a store, those who send, a pump with the processor behind it, batchers, a connector, and time.

use std::sync::Arc;

use batcher::Batcher;
use contract::Timestamp;
use embedded::Store;
use ingest::{Ingest, config::Config};
use ports::{
    PortResult,
    accounts::Accounts,
    chance::Chance,
    clock::Clock,
    faulty::{FaultPlan, Faulty, Hands, Pause, Rates},
    stream::{EventStream, StreamRecord},
};
use processor::Processor;
use pump::{
    Settings, redrive,
    sim::{Mapping, Task, Weather, complete, interleave},
};
use tempfile::TempDir;

use crate::{
    clients::{Clients, Door, Heard, ORGS, org},
    connector::{Hostile, Hostility},
    invariants::{Broken, ReadShard, Remains, garbage, is_broken},
    parts::{
        Base, Dice, Forced, Function, START_MS, Variant, credentials, directory, open, prepare,
        sending,
    },
};

/// What happens in a run.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    seed: u64,
    rates: Rates,
    weather: Weather,
    hostility: Hostility,
    /// Tasks dropped per hundred awaits.
    crash_percent: u8,
    rounds: usize,
    /// Mappings that read the same stream for the same consumer; more than one is a mistake of the platform's.
    mappings: usize,
    /// Some ids are used for two bodies.
    disputes: bool,
}

impl Script {
    /// Everything goes wrong.
    pub(crate) fn stormy(seed: u64) -> Self {
        Self {
            seed,
            rates: Rates { before: 3, after: 3, partial: 2 },
            weather: Weather::storm(),
            hostility: Hostility::Full,
            crash_percent: 1,
            rounds: 25,
            mappings: 2,
            disputes: true,
        }
    }

    /// Nothing does.
    pub(crate) fn calm(seed: u64) -> Self {
        Self {
            rates: Rates::default(),
            weather: Weather::default(),
            hostility: Hostility::None,
            crash_percent: 0,
            mappings: 1,
            disputes: false,
            ..Self::stormy(seed)
        }
    }
}

/// How a run went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) broken: Vec<Broken>,
    pub(crate) accepted: usize,
    pub(crate) crashes: usize,
    pub(crate) turns: usize,
    pub(crate) failed_turns: usize,
    pub(crate) posts: usize,
    pub(crate) taken: usize,
    pub(crate) parked: usize,
    pub(crate) rescued: usize,
    pub(crate) redriven: usize,
    /// What every turn and every task came to.
    pub(crate) trace: Vec<String>,
}

/// Plays one script to its end and judges what it leaves behind.
pub(crate) fn play<V: Variant>(script: &Script) -> Played {
    // The door limits how long a body may take by tokio's clock; nothing else here needs a runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    complete(async { Rig::<V>::new(script).await.play().await })
}

type Pumping<V> = Mapping<Base, Arc<Function<V>>, Hands>;
type Batching = Batcher<Base, Faulty<Hostile>, Hands, Dice>;

struct Rig<V: Variant> {
    script: Script,
    chance: Chance,
    clock: Hands,
    store: Store,
    world: Base,
    plan: FaultPlan,
    clients: Clients,
    door: axum::Router,
    api_key: String,
    function: Arc<Function<V>>,
    mappings: [Pumping<V>; 2],
    batchers: [Batching; 2],
    connector: Hostile,
    played: Played,
    _directory: TempDir,
}

impl<V: Variant> Rig<V> {
    async fn new(script: &Script) -> Self {
        let mut chance = Chance::of(script.seed);
        let clock = Hands::at(Timestamp::from_ms(START_MS));
        let directory = directory();
        let store = open(&directory, &clock, 1 + chance.below(3));
        let api_key = prepare(&store, &clock).await;
        let plan = FaultPlan::seeded(chance.number(), script.rates).stepwise();
        let world = Faulty::new(store.clone(), plan.clone());
        let dice = Dice::of(chance.number() >> 1);

        let door = Ingest::new(world.clone(), clock.clone(), dice.clone(), Config::default());
        let variant = V::default();
        let processor = Processor::new(variant.world(world.clone()), clock.clone());
        let function = Arc::new(Function { variant, processor });
        // "The first body wins" needs the first body to be counted first: with disputes nothing is ever given up.
        let patient = chance.percent(70);
        let settings = Settings {
            batch_size: 25,
            window_ms: 0,
            max_retries: (!patient).then_some(1),
            ..Settings::of(embedded::PROCESSOR)
        };
        let settings =
            Settings { max_age_ms: settings.max_age_ms.filter(|_| !patient), ..settings };
        let mut mapping = || {
            let (settings, chance) = (settings.clone(), chance.fork());
            let (function, clock) = (Arc::clone(&function), clock.clone());
            Mapping::new(world.clone(), function, clock, settings, chance, script.weather)
        };
        let mappings = [mapping(), mapping()];
        let connector = Hostile::new(chance.fork(), script.hostility, credentials(), V::NEW_KEYS);
        let batcher = || {
            let (world, clock) = (world.clone(), clock.clone());
            let endpoint = Faulty::new(connector.clone(), plan.clone());
            Batcher::with_random(world, endpoint, clock, dice.clone(), sending())
        };
        Self {
            batchers: [batcher(), batcher()],
            clients: Clients::new(&mut chance, clock.now(), patient && script.disputes),
            door: ingest::router(Arc::new(door)),
            script: script.clone(),
            played: Played::default(),
            _directory: directory,
            chance,
            clock,
            store,
            world,
            plan,
            api_key,
            function,
            mappings,
            connector,
        }
    }

    async fn play(mut self) -> Played {
        for _ in 0..self.script.rounds {
            self.round().await;
            self.happen().await;
            let report = self.store.ledger(None, self.clock.now()).await.unwrap();
            self.played.broken.extend(is_broken(&report));
            if !self.played.broken.is_empty() {
                break;
            }
        }
        self.calm_down();
        self.come_to_rest().await;
        self.judge().await;
        self.played
    }

    /// Everybody works at once, overtaking each other at every await.
    async fn round(&mut self) {
        let open = self.clients.open();
        let mut calls = Vec::new();
        for _ in 0..self.chance.below(4) {
            calls.extend(self.chance.one_of(&open).copied());
        }
        calls.dedup();
        let ticks: Vec<_> = self.batchers.iter().filter(|_| self.chance.percent(60)).collect();
        let urgent = self.chance.percent(20).then(|| org(self.chance.one_of(&ORGS).unwrap()));
        let hurried = self.chance.one_of(&self.batchers).unwrap();
        let turns = 1 + self.chance.below(4);
        let leaps: Vec<usize> = (0..40).map(|_| self.chance.below(8_000)).collect();
        let (clients, door, clock) = (&self.clients, self.door_now(), &self.clock);

        let mut tasks: Vec<Task<'_, Done>> = Vec::new();
        for call in calls {
            let door = &door;
            tasks.push(Box::pin(async move { Done::Heard(clients.call(call, door).await) }));
        }
        for mapping in self.mappings.iter_mut().take(self.script.mappings) {
            tasks.push(Box::pin(async move {
                let mut trace = Vec::new();
                for _ in 0..turns {
                    trace.push(mapping.turn().await.map_err(|error| error.operation));
                }
                Done::Turned(
                    trace.into_iter().map(|turn| turn.map(|turn| format!("{turn:?}"))).collect(),
                )
            }));
        }
        for batcher in ticks {
            tasks.push(Box::pin(async move {
                Done::Ticked(
                    batcher
                        .tick(None)
                        .await
                        .map_err(|error| error.operation)
                        .map(|report| format!("{report:?}")),
                )
            }));
        }
        if let Some(org) = urgent {
            tasks.push(Box::pin(async move { Done::ticked(hurried.urgent(&org).await) }));
        }
        tasks.push(Box::pin(async move {
            for leap in leaps {
                Pause::default().await;
                clock.forward(i64::try_from(leap).unwrap());
            }
            Done::Time
        }));
        let done = interleave(&mut self.chance, self.script.crash_percent, tasks).await;
        for done in done {
            self.note(done);
        }
    }

    fn door_now(&self) -> Door<Base> {
        Door {
            router: self.door.clone(),
            api_key: self.api_key.clone(),
            world: self.world.clone(),
            now: self.clock.now(),
        }
    }

    fn note(&mut self, done: Option<Done>) {
        let line = match done {
            None => {
                self.played.crashes += 1;
                "crashed".to_owned()
            }
            Some(Done::Heard(heard)) => {
                let line = format!("{heard:?}");
                if let Some(heard) = heard {
                    self.clients.hear(heard);
                }
                line
            }
            Some(Done::Turned(turns)) => {
                self.played.turns += turns.len();
                self.played.failed_turns += turns.iter().filter(|turn| turn.is_err()).count();
                format!("{turns:?}")
            }
            Some(Done::Ticked(report)) => format!("{report:?}"),
            Some(Done::Time) => format!("{}", self.clock.now()),
        };
        self.played.trace.push(line);
    }

    /// What nobody in the suite does.
    async fn happen(&mut self) {
        if self.script.hostility == Hostility::None {
            return self.clock.forward(60_000);
        }
        match self.chance.below(10) {
            0 => self.clock.forward(6 * 60_000),
            1 | 2 => self.litter().await,
            3..=5 => self.repeat().await,
            6 if self.chance.percent(30) => {
                // TTL comes whenever it likes, after a day.
                self.clock.forward(25 * 3_600_000);
                self.played.rescued += self.store.expire(self.clock.now()).await.unwrap();
            }
            _ => self.clock.forward(20_000),
        }
    }

    /// Somebody puts garbage into the stream.
    async fn litter(&mut self) {
        let pieces: Vec<_> = (0..1 + self.chance.below(25))
            .map(|number| {
                let data = self.chance.one_of(&GARBAGE).unwrap().to_vec();
                StreamRecord { partition_key: format!("garbage {number}"), data }
            })
            .collect();
        self.store.append(&pieces).await.unwrap();
    }

    /// The change stream tells something again, later and in another shard.
    async fn repeat(&mut self) {
        let disputed = |data: &[u8]| {
            let text = String::from_utf8_lossy(data);
            self.clients.disputed().any(|id| text.contains(id))
        };
        let mut told = Vec::new();
        for shard in ports::stream::StreamSource::shards(&self.store).await.unwrap() {
            told.extend(self.store.read_shard(&shard).await);
        }
        told.retain(|data| !disputed(data));
        for _ in 0..1 + self.chance.below(6) {
            let Some(data) = self.chance.one_of(&told).cloned() else { return };
            let partition_key = format!("again {}", self.chance.below(1_000));
            self.store.append(&[StreamRecord { partition_key, data }]).await.unwrap();
        }
    }

    fn calm_down(&mut self) {
        self.plan.set_rates(Rates::default());
        self.connector.calm();
        for mapping in &mut self.mappings {
            mapping.calm();
        }
    }

    /// Every client gets its answer, the stream is read to its end, and everything formed is delivered.
    async fn come_to_rest(&mut self) {
        for call in self.clients.open() {
            let heard = self.clients.call(call, &self.door_now()).await;
            self.clients.hear(heard.unwrap());
        }
        let forced = Forced(Arc::clone(&self.function));
        for _ in 0..REST_ROUNDS_MAX {
            self.mappings[0].drain().await.unwrap();
            self.played.redriven +=
                redrive(&self.world, &forced, embedded::PROCESSOR).await.unwrap().finished;
            self.clock.forward(20 * 60_000);
            self.batchers[0].tick(None).await.unwrap();
            let report = self.store.ledger(None, self.clock.now()).await.unwrap();
            if report.stream_lag == 0 && report.orgs.iter().all(|row| row.pending == 0) {
                return;
            }
        }
        let report = self.store.ledger(None, self.clock.now()).await.unwrap();
        self.played.broken.push(Broken::Restless(format!("{report:?}")));
    }

    async fn judge(&mut self) {
        let now = self.clock.now();
        let counters = match self.function.variant.counters() {
            Some(counters) => counters,
            None => {
                let (from, to) = (Timestamp::from_ms(0), now.plus_ms(3_600_000));
                self.store.counters(None, from, to).await.unwrap().into_iter().collect()
            }
        };
        let garbage = garbage(&self.store, |data| GARBAGE.contains(&data)).await;
        let (store, truth, connector) = (&self.store, &self.clients.truth, &self.connector);
        let remains = Remains { store, truth, connector, counters, now, garbage };
        self.played.broken.extend(remains.judge().await);
        let report = self.store.ledger(None, now).await.unwrap();
        self.played.accepted = self.clients.truth.accepted.len();
        self.played.parked =
            report.orgs.iter().map(|row| usize::try_from(row.parked).unwrap()).sum();
        (self.played.posts, self.played.taken) =
            self.connector.seen(|seen| (seen.posts, seen.taken.len()));
    }
}

/// What a task came to.
enum Done {
    Heard(Option<Heard>),
    Turned(Vec<Result<String, &'static str>>),
    Ticked(Result<String, &'static str>),
    Time,
}

impl Done {
    fn ticked(report: PortResult<impl std::fmt::Debug>) -> Self {
        Self::Ticked(told(report))
    }
}

/// For the trace: a failure by what was tried.
fn told(done: PortResult<impl std::fmt::Debug>) -> Result<String, &'static str> {
    done.map(|done| format!("{done:?}")).map_err(|error| error.operation)
}

const REST_ROUNDS_MAX: usize = 200;
const GARBAGE: [&[u8]; 4] =
    [b"{\"eventId\":", b"\xF3\x89\x9A\xC2 packed", b"[1,2,3]", b"\xFF\xFE no text"];
