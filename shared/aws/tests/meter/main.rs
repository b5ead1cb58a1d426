//! What counting costs on DynamoDB: write units, read units and round trips of the real handler, to the unit.
//!
//! `scripts/stand-ins run cargo nextest run -p aws --all-features --test meter --no-capture` prints the bills.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures are there to be quoted")]

mod bill;
mod gate;
mod shape;
mod wire;

use aws::{Cloud, access};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use contract::{Timestamp, kinesis::PartialBatchAnswer};
use ports::{clock::Clock, reference::Reference};
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
}

impl Metered {
    async fn open() -> Self {
        let corner = Corner::open().await;
        let meter = Meter::new(access::http_client(), corner.access().dynamodb());
        let access = corner.access().clone().with_http(SharedHttpClient::new(meter.clone()));
        let cloud = Cloud::new(&access, corner.resources().clone());
        Self { corner, meter, processor: Processor::new(cloud, Still) }
    }

    async fn handle(&self, happenings: &[Happening], seed: u64) -> Bill {
        let batch = shape::batch(happenings, seed);
        let invocation = Invocation::default();
        let (bill, answer) = self.meter.run(self.processor.handle(&batch, &invocation)).await;
        assert_eq!(answer.unwrap(), PartialBatchAnswer::done());
        bill
    }
}

#[test]
fn a_thousand_events_cost_what_was_promised() {
    standin::run(async {
        let metered = Metered::open().await;
        let happenings = shape::happenings(1_000);
        let assigned: Vec<_> = happenings.iter().filter_map(|one| one.assigned.clone()).collect();
        metered.corner.cloud().assign(&assigned).await.unwrap();
        let first = metered.handle(&happenings, 1).await;
        println!("1,000 events, the first of a day: {first}");
        let known = metered.handle(&happenings, 2).await;
        println!("1,000 events, every name known: {known}");
    });
}

#[test]
fn a_full_payload_costs_less_for_each_event() {
    standin::run(async {
        let metered = Metered::open().await;
        let happenings = shape::happenings(4_460);
        println!("4,460 events, the first of a day: {}", metered.handle(&happenings, 1).await);
        println!("4,460 events, every name known: {}", metered.handle(&happenings, 2).await);
    });
}
