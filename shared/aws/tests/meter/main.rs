//! What counting costs on DynamoDB: write units, read units and round trips of the real handler, to the unit.
//!
//! `scripts/stand-ins run cargo nextest run -p aws --all-features --test meter --no-capture` prints the bills.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what is metered is what the test prints")]

mod bill;
mod gate;
mod shape;
mod stated;
mod understanding;
mod wire;

use aws::{Cloud, access, ledger::Lane};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use contract::{Timestamp, kinesis::PartialBatchAnswer, limits::DAY_MS};
use ports::{accounts::Accounts, clock::Clock, reference::Reference};
use processor::{Invocation, Processor};
use standin::Corner;

use crate::{bill::Bill, shape::Happening, wire::Meter};

/// A clock that stands still where the records arrive.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        shape::arrival()
    }
}

struct Metered {
    corner: Corner,
    meter: Meter,
    processor: Processor<Cloud, Still>,
    /// Of another shard, in another lane.
    other: Processor<Cloud, Still>,
}

impl Metered {
    async fn open() -> Self {
        let corner = Corner::open().await;
        let meter = Meter::new(access::http_client(), corner.access().dynamodb());
        let access = corner.access().clone().with_http(SharedHttpClient::new(meter.clone()));
        let processor = |lane: &str| {
            let cloud = Cloud::new(&access, corner.resources().clone());
            Processor::new(cloud.with_lane(Lane::of(lane)), Still)
        };
        let (one, other) = (processor("one"), processor("other"));
        Self { corner, meter, processor: one, other }
    }

    async fn handle(&self, happenings: &[Happening], seed: u64) -> Bill {
        let batch = shape::batch(happenings, seed);
        let invocation = Invocation::default();
        let (bill, answer) = self.meter.run(self.processor.handle(&batch, &invocation)).await;
        assert_eq!(answer.unwrap(), PartialBatchAnswer::done());
        bill.assert_agrees();
        bill
    }

    /// Two processors handle a half each, in lockstep: nobody ever knows what the other one writes.
    async fn handle_at_once(&self, happenings: &[Happening], seed: u64) -> Bill {
        let (left, right) = happenings.split_at(happenings.len() / 2);
        let (left, right) = (shape::batch(left, seed), shape::batch(right, seed + 1));
        let invocation = Invocation::default();
        let both = futures::future::join(
            self.processor.handle(&left, &invocation),
            self.other.handle(&right, &invocation),
        );
        let (bill, (left, right)) = self.meter.run(both).await;
        for answer in [left, right] {
            assert_eq!(answer.unwrap(), PartialBatchAnswer::done());
        }
        bill.assert_agrees();
        bill
    }

    /// All of these are counted, each once.
    async fn is_exact(&self, events: u64) {
        let (from, to) = (shape::arrival().plus_ms(-2 * DAY_MS), shape::arrival().plus_ms(DAY_MS));
        let cells = self.corner.cloud().counters(None, from, to).await.unwrap();
        let whole = cells.iter().filter(|(cell, _)| cell.product.is_none());
        assert_eq!(whole.map(|(_, count)| count.events).sum::<u64>(), events);
    }
}

/// The goal is 400 units for 1,000 events whose names are known, in six round trips.
#[test]
fn a_thousand_events_cost_what_was_promised() {
    standin::run(async {
        let metered = Metered::open().await;
        let happenings = shape::happenings(1_000);
        let assigned: Vec<_> = happenings.iter().filter_map(|one| one.assigned.clone()).collect();
        metered.corner.cloud().assign(&assigned).await.unwrap();
        let first = metered.handle(&happenings, 1).await;
        println!("1,000 events, the first of a process and of a day: {first}");
        let known = metered.handle(&happenings, 2).await;
        println!("1,000 events, every name known: {known}");
        assert_eq!((first.write_units(), first.round_trips()), (515, 9));
        assert_eq!((known.write_units(), known.read_units), (350, 60));
        assert_eq!((known.calls.len(), known.round_trips()), (9, 6));
        metered.is_exact(2_000).await;
    });
}

/// The goal is 250 units for each 1,000 of as many events as a payload holds.
#[test]
fn a_full_payload_costs_less_for_each_event() {
    standin::run(async {
        let metered = Metered::open().await;
        let happenings = shape::happenings(4_460);
        let first = metered.handle(&happenings, 1).await;
        println!("4,460 events, the first of a process and of a day: {first}");
        let known = metered.handle(&happenings, 2).await;
        println!("4,460 events, every name known: {known}");
        let each_thousand = known.write_units() * 1_000 / 4_460;
        println!("{each_thousand} write units for each 1,000");
        assert_eq!((first.write_units(), known.write_units(), each_thousand), (908, 670, 150));
        assert_eq!(known.read_units, 105);
        metered.is_exact(8_920).await;
    });
}

/// Places are shared by all shards: who comes second reads again and repeats what had an organisation in common.
#[test]
fn two_shards_at_the_same_moment_repeat_what_they_have_in_common() {
    standin::run(async {
        let metered = Metered::open().await;
        let happenings = shape::happenings(1_000);
        metered.handle_at_once(&happenings, 1).await;
        let known = metered.handle_at_once(&happenings, 3).await;
        println!("1,000 events over two shards in lockstep, every name known: {known}");
        let cancelled = known.cancelled_units();
        assert_eq!(known.write_units() - cancelled, 510);
        // Who comes first, and hence whose transactions are cancelled, nobody says.
        assert!((1..=300).contains(&cancelled), "{cancelled}");
        metered.is_exact(2_000).await;
    });
}
