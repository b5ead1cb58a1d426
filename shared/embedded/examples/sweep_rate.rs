//! What an event costs on its way through the log of its owner into a session: CPU time of this process, all threads.
//!
//! `cargo run --release -p embedded --example sweep_rate -- [OWNERS] [EVENTS OF EACH] [OWNERS AT A TIME] [DIRECTORY]`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a measurement for people"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    time::{Duration, Instant},
};

use contract::{Event, Timestamp, limits::DAY_MS};
use embedded::{Durability, Options, Store};
use friction::{
    change::Sweep,
    owner::{Owner, Position},
    policy::SessionPolicy,
    reconcile::{self, Work},
    rules::Rules,
};
use ports::sessions::{Arming, EventLog, Heads, LoggedEvent, Sessions, SweepOutcome};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let owners: usize = args.next().map_or(4_000, |text| text.parse().unwrap());
    let each: usize = args.next().map_or(50, |text| text.parse().unwrap());
    let at_a_time: usize = args.next().map_or(200, |text| text.parse().unwrap());
    let base = args.next().map_or_else(std::env::temp_dir, Into::into);
    let directory = tempfile::tempdir_in(base).unwrap();
    let options = Options { durability: Durability::Relaxed, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    let events = events(owners, each, at_a_time);
    let count = events.len();
    println!(
        "{count} events of {owners} owners, {at_a_time} at a time, {} bytes each",
        body(0, 0).len()
    );
    let watch = Watch::start();
    append(&store, &events).await;
    watch.tell("append and arm, 500 at a time", count);
    let names: BTreeSet<Owner> = events.into_iter().map(|logged| logged.owner).collect();
    let watch = Watch::start();
    let mut works = Vec::new();
    for owner in names {
        works.push(work(&store, owner).await);
    }
    watch.tell("read head, sessions and events", count);
    let watch = Watch::start();
    let rules = Rules::default();
    let sweeps: Vec<_> = works
        .into_iter()
        .map(|(work, events)| work.decide_all(events, &rules, &BTreeMap::new()).sweep)
        .collect();
    watch.tell("decide", count);
    let cells: usize = sweeps.iter().map(|sweep| sweep.cells.len()).sum();
    let incidents: usize = sweeps.iter().map(|sweep| sweep.incidents.len()).sum();
    let watch = Watch::start();
    commit(&store, sweeps).await;
    watch.tell(&format!("commit, {} cells and {incidents} incidents in all", cells), count);
    let size = fs::metadata(directory.path().join(embedded::DATABASE)).unwrap().len();
    println!("{} bytes of database per event", size / u64::try_from(count).unwrap());
}

async fn append(store: &Store, events: &[LoggedEvent]) {
    for batch in events.chunks(500) {
        store.append(batch).await.unwrap();
        let mut armings: BTreeMap<&Owner, Arming> = BTreeMap::new();
        for LoggedEvent { owner, event } in batch {
            let at = event.occurred_at;
            armings.entry(owner).or_insert_with(|| Arming {
                owner: owner.clone(),
                dirty_from: at,
                due_at: at.plus_ms(35 * 60_000),
            });
        }
        store.arm(&armings.into_values().collect::<Vec<_>>()).await.unwrap();
    }
}

async fn work(store: &Store, owner: Owner) -> (Work, Vec<Event>) {
    let policy = SessionPolicy::nine_days();
    let head = store.head(&owner).await.unwrap().unwrap();
    let dirty_from = head.dirty_from.unwrap();
    let from = reconcile::stored_from(dirty_from, &policy);
    let stored = store.stored(&owner, from).await.unwrap();
    let reading = reconcile::reading(dirty_from, &stored.sessions, &policy, now());
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map(Position::of);
        let page = store.read(&owner, reading.from, after.as_ref(), 1_000).await.unwrap();
        let is_last = page.len() < 1_000;
        events.extend(page);
        if is_last {
            break;
        }
    }
    let stored = (stored.sessions, stored.incidents);
    (Work::new(owner, &head, reading, stored, (policy, now())), events)
}

async fn commit(store: &Store, sweeps: Vec<Sweep>) {
    for sweep in sweeps {
        assert_eq!(store.commit(sweep).await.unwrap(), SweepOutcome::Committed);
    }
}

struct Watch {
    cpu: Duration,
    wall: Instant,
}

impl Watch {
    fn start() -> Self {
        Self { cpu: cpu(), wall: Instant::now() }
    }

    fn tell(&self, name: &str, count: usize) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
        let (cpu, wall) = (each(cpu() - self.cpu), each(self.wall.elapsed()));
        println!("{cpu:6.2} µs CPU, {wall:6.2} µs by the clock per event: {name}");
    }
}

/// Of all threads, in user and kernel mode.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // The kernel tells hundredths of a second on every platform that has this file.
    Duration::from_millis(ticks * 10)
}

/// Events of some owners by turns (an event of each, then the next one of each), then of the next ones.
fn events(owners: usize, each: usize, at_a_time: usize) -> Vec<LoggedEvent> {
    let waves = (0..owners).step_by(at_a_time).map(|first| first..(first + at_a_time).min(owners));
    let numbers = |wave: Range<usize>| {
        (0..each).flat_map(move |number| wave.clone().map(move |owner| (owner, number)))
    };
    waves
        .flat_map(numbers)
        .map(|(owner, number)| {
            let event: Event = serde_json::from_str(&body(owner, number)).unwrap();
            LoggedEvent { owner: Owner::of(&event).unwrap(), event }
        })
        .collect()
}

fn body(owner: usize, number: usize) -> String {
    let id = id(owner, number);
    let at = Timestamp::from_ms(START_MS).plus_ms(i64::try_from(number).unwrap() * 7_300);
    let screens = ["/orders", "/orders/{id}", "/orders/{id}/review", "/search", "/settings"];
    let screen = screens[(owner + number / 12) % screens.len()];
    let what = match number % 10 {
        0 => r#""eventType":"ui.navigation""#.to_owned(),
        1 => r#""eventType":"task.started","task":{"name":"review"}"#.to_owned(),
        8 => r#""eventType":"task.completed","task":{"name":"review"}"#.to_owned(),
        9 if owner.is_multiple_of(3) => {
            r#""eventType":"friction.abandon","traceComponent":"transparency","severity":4"#
                .to_owned()
        }
        _ => format!(r#""eventType":"ui.click","element":{{"key":"button.{}"}}"#, number % 4),
    };
    format!(
        r#"{{"schemaVersion":"1.0","eventId":"{id}",{what},"occurredAt":"{at}","orgId":"acme","productId":"athena","sessionId":"s1.1.{owner:026}","actorId":"u1.1.{owner:026}","screen":"{screen}","source":{{"service":"athena-api","version":"3.2.1","region":"eu-central-1"}},"recordedAt":"{at}","ck":"00000001"}}"#
    )
}

/// UUIDv7 as clients make them: in the order of time, random within a millisecond.
fn id(owner: usize, number: usize) -> String {
    let ms = u64::try_from(START_MS).unwrap() + u64::try_from(number).unwrap() * 7_300;
    let random = u64::try_from(owner).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (high, low) = (random >> 52, random & 0xffff_ffff_ffff);
    format!("{:08x}-{:04x}-7{high:03x}-8abc-{low:012x}", ms >> 16, ms & 0xffff)
}

fn now() -> Timestamp {
    Timestamp::from_ms(START_MS).plus_ms(DAY_MS)
}

/// 2026-02-11T08:00:00Z.
const START_MS: i64 = 1_770_796_800_000;
