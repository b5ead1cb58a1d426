//! What the emitter costs its host: until it is ready, and per invocation that emits.
//!
//! ```text
//! scripts/stand-ins run cargo bench -p emitter_example --features lambda --bench cost
//! ```
//!
//! The table is a stand-in on this machine: what a network adds is not in it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

use std::time::{Duration, Instant};

use aws::resources::Resource;
use ports::reference::Organisations;
use serde_json::json;
use standin::{Corner, lambda::Function, run};

const NEEDED: &[Resource] =
    &[Resource::Staging, Resource::Delivery, Resource::Reference, Resource::PseudonymSecret];
const STARTS: usize = 20;
const INVOCATIONS: usize = 300;

fn main() {
    run(async {
        let corner = Corner::open().await;
        corner.cloud().create(&emitter::OrgId::parse("acme").unwrap()).await.unwrap();
        let log = std::env::temp_dir().join("emitter_example.log");
        let binary = env!("CARGO_BIN_EXE_emitter_example");
        let host = corner.function(binary, NEEDED, &[("TRIBO_ORG", "acme")], &log).await;
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(host.warm_up().await.unwrap());
        }
        println!(
            "ready after {:?} at least, {:?} in the median, keys read included",
            starts.iter().min().unwrap(),
            median(starts.clone().as_mut_slice())
        );
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..INVOCATIONS {
            for (action, times) in ["accepted", "challenged"].into_iter().zip(&mut times) {
                times.push(invoke(&host, action).await);
            }
        }
        let [silent, emitting] = times.each_mut().map(|times| median(times.as_mut_slice()));
        println!(
            "an invocation takes {silent:?}, one that emits {emitting:?}: {:?} more",
            emitting.saturating_sub(silent)
        );
    });
}

async fn invoke(host: &Function, action: &str) -> Duration {
    let verdict = json!({
        "user": "jan@example.org", "session": "s-1", "feature": "answers", "confidence": 0.4, "seconds": 30,
        "action": action,
    })
    .to_string();
    let started = Instant::now();
    host.invoke(verdict).await.unwrap();
    started.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
