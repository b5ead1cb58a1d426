//! Handles so many warm batches of so many records: what `scripts/measure-instructions` counts instructions of.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod null;

use std::hint::black_box;

use null::{Null, Still, payload};
use processor::{Invocation, Processor};

fn main() {
    // Cargo hands `--bench` on; the numbers come from the script.
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let (batches, records) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1_000));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let processor = Processor::new(Null, Still);
    let (payload, _) = payload(records);
    for _ in 0..batches {
        let invocation = Invocation::default();
        let handled = processor.handle_payload(black_box(&payload), &invocation);
        black_box(runtime.block_on(handled).unwrap());
    }
}
