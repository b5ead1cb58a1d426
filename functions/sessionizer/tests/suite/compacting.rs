//! Whatever happens to a compaction, no total changes, and in the end each day is bounded.

use contract::{OrgId, Timestamp, limits::DAY_MS, session::Session};
use embedded::Store;
use friction::{
    cells::{Cell, CellKey, CellKind, Cells, OTHER},
    flow::{self, FlowSort, TopFlows, TopQuestion},
    policy::SessionPolicy,
    rules::FlowNames,
};
use ports::{
    faulty::{Fault, FaultPlan, Faulty, Hands, Rates},
    sessions::{Amendments as _, Span, Sums as _},
};
use serde_json::json;
use sessionizer::{CompactReport, Sessionizer};

use crate::{NOW_MS, common, dies_after};

struct World {
    store: Store,
    clock: Hands,
    plan: FaultPlan,
    sessionizer: Sessionizer<Faulty<Store>, Hands>,
    _directory: tempfile::TempDir,
}

impl World {
    /// Today and the two days before with more ways than stay by name, in two organisations.
    async fn new(plan: FaultPlan) -> Self {
        Self::with(plan, 230).await
    }

    async fn with(plan: FaultPlan, count: usize) -> Self {
        let clock = Hands::at(Timestamp::from_ms(NOW_MS));
        let orgs = ["acme", "bolt"];
        let (store, directory) = common::store(&clock, &orgs).await;
        for org in orgs {
            for ago in [0, 1, 2] {
                let seed = store.amend(&format!("seed {org} {ago}"), &ways(org, ago, count)).await;
                assert!(seed.unwrap());
            }
        }
        let faulty = Faulty::new(store.clone(), plan.clone());
        let sessionizer = Sessionizer::new(faulty, clock.clone(), SessionPolicy::nine_days());
        Self { store, clock, plan, sessionizer, _directory: directory }
    }

    async fn compacts(&self) -> CompactReport {
        self.sessionizer.compact(None).await.unwrap()
    }

    async fn cells(&self, org: &str, ago: i64) -> Vec<(CellKey, Cell)> {
        let from = day(ago);
        let org: OrgId = org.parse().unwrap();
        let span = Span { org, product: None, from, to: from.plus_ms(DAY_MS) };
        let mut cells = self.store.cells(&span, CellKind::Variant).await.unwrap();
        cells.extend(self.store.cells(&span, CellKind::Edge).await.unwrap());
        cells
    }

    async fn named(&self, org: &str, ago: i64) -> usize {
        let cells = self.cells(org, ago).await;
        let named =
            |(key, _): &&(CellKey, Cell)| key.kind == CellKind::Variant && key.name != OTHER;
        cells.iter().filter(named).count()
    }

    /// Every sum of every day.
    async fn totals(&self) -> Vec<Cell> {
        let mut totals = Vec::new();
        for (org, ago) in DAYS {
            for kind in [CellKind::Variant, CellKind::Edge] {
                let mut total = Cell::default();
                let cells = self.cells(org, ago).await;
                cells.iter().filter(|(key, _)| key.kind == kind).for_each(|(_, c)| total += c);
                totals.push(Cell { note: None, ..total });
            }
        }
        totals
    }

    async fn top(&self, org: &str) -> TopFlows {
        let mut cells = self.cells(org, 1).await;
        cells.extend(self.cells(org, 2).await);
        let names = FlowNames::default();
        let sort = FlowSort::Frequency;
        flow::top(&cells, &TopQuestion { actors_min: 1, sort, limit: 1_000, names: &names })
    }
}

#[tokio::test]
async fn days_that_are_over_keep_two_hundred_ways_and_every_total() {
    let world = World::new(FaultPlan::none()).await;
    let (totals, top) = (world.totals().await, world.top("acme").await);
    let report = world.compacts().await;
    assert_eq!((report.products, report.amended, report.failed), (4, 4, 0));
    // Of the ways that lose their name each has two steps of less than a thousandth as well.
    assert_eq!(report.folded, 4 * (30 + 2 * 30));
    for (org, ago) in DAYS {
        let expected = if ago == 0 { 230 } else { 200 };
        assert_eq!(world.named(org, ago).await, expected, "{org} {ago}");
    }
    assert_eq!(world.totals().await, totals);
    let compact = world.top("acme").await;
    assert_eq!((compact.total, compact.flows.len()), (top.total, 200));
    for (kept, before) in compact.flows.iter().zip(&top.flows) {
        assert_eq!((&kept.id, kept.flows, kept.share), (&before.id, before.flows, before.share));
    }
}

#[tokio::test]
async fn compacting_again_does_nothing_until_something_comes_to_the_day() {
    let world = World::new(FaultPlan::none()).await;
    world.compacts().await;
    let again = world.compacts().await;
    assert_eq!((again.products, again.amended, again.folded), (4, 0, 0));
    world.store.amend("late", &ways("acme", 1, 260)).await.unwrap();
    let totals = world.totals().await;
    assert_eq!(world.compacts().await.amended, 0, "once a day is enough");
    world.clock.forward(DAY_MS);
    assert_eq!(world.compacts().await.amended, 3, "that one, and what was today");
    assert_eq!((world.named("acme", 1).await, world.totals().await), (200, totals));
}

#[tokio::test]
async fn a_compaction_that_dies_after_any_await_goes_on_with_the_next() {
    let healthy = World::with(FaultPlan::none(), 202).await;
    let totals = healthy.totals().await;
    healthy.compacts().await;
    let top = healthy.top("bolt").await;
    let mut deaths = 0;
    for polls in 1.. {
        let world = World::with(FaultPlan::none().stepwise(), 202).await;
        let finished = dies_after(polls, world.sessionizer.compact(None)).is_some();
        world.compacts().await;
        assert_eq!(world.totals().await, totals, "after {polls} polls");
        assert_eq!(world.top("bolt").await, top, "after {polls} polls");
        if finished {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 15, "there are many places to die in: {deaths}");
}

#[tokio::test]
async fn two_compactions_at_a_time_and_a_failing_world_change_no_total() {
    let world = World::new(FaultPlan::none().stepwise()).await;
    let totals = world.totals().await;
    let (one, other) =
        tokio::join!(world.sessionizer.compact(None), world.sessionizer.compact(None));
    assert_eq!(one.unwrap().amended + other.unwrap().amended, 4);
    assert_eq!(world.totals().await, totals);
    for seed in 0..5 {
        let world =
            World::new(FaultPlan::seeded(seed, Rates { before: 4, after: 4, partial: 4 })).await;
        for _ in 0..3 {
            drop(world.sessionizer.compact(None).await);
        }
        assert_eq!(world.totals().await, totals, "seed {seed}");
        world.plan.set_rates(Rates::default());
        world.compacts().await;
        assert_eq!(world.named("acme", 1).await, 200, "seed {seed}");
        assert_eq!(world.totals().await, totals, "seed {seed}");
    }
}

#[tokio::test]
async fn what_fails_is_left_and_what_has_no_time_is_said() {
    let world = World::new(FaultPlan::none()).await;
    world.plan.arrange("amendments.amend", [Fault::Before]);
    let report = world.compacts().await;
    assert_eq!((report.amended, report.failed, report.unfinished), (3, 1, false));
    let late = world.sessionizer.compact(Some(Timestamp::from_ms(NOW_MS))).await.unwrap();
    assert!(late.unfinished && late.products == 0);
    assert_eq!(world.compacts().await.amended, 1);
}

/// So many ways of a day, those that stay by name by twice as many actors as the others.
fn ways(org: &str, ago: i64, count: usize) -> Cells {
    let mut cells = Cells::new();
    for n in 0..count {
        let session = session(org, day(ago), &format!("/t{n:04}"));
        for slot in 0..(if n < 200 { 2 } else { 1 }) {
            flow::contribute(&session, slot, &mut cells);
        }
    }
    cells
}

fn session(org: &str, at: Timestamp, screen: &str) -> Session {
    serde_json::from_value(json!({
        "sessionId": "s_00000000000000000000000000000000", "orgId": org, "productId": "default",
        "startedAt": at, "endedAt": at, "rulesVersion": 1,
        "metrics": { "durationMs": 0, "activeMs": 0, "events": 2, "clicks": 0, "screensVisited": 2, "uniqueScreens": 2,
          "rageClicks": 0, "deadClicks": 0, "errorClicks": 0, "backtracks": 0, "contextSwitches": 0, "tasksStarted": 0,
          "tasksCompleted": 0, "tasksCancelled": 0, "tasksAbandoned": 0, "errors": 0 },
        "frustration": { "model": "fr-1", "score": 0.25, "tier": "medium" },
        "efficiency": { "model": "ef-1", "basis": "none" },
        "flows": [{ "outcome": "ended", "path": ["/s", screen], "gapsMs": [5], "durationMs": 5 }],
    }))
    .unwrap()
}

/// The start of the day so many days before the first now.
fn day(ago: i64) -> Timestamp {
    Timestamp::from_ms(NOW_MS).day().plus_ms(-ago * DAY_MS)
}

const DAYS: [(&str, i64); 6] =
    [("acme", 0), ("acme", 1), ("acme", 2), ("bolt", 0), ("bolt", 1), ("bolt", 2)];
