//! What the processor itself costs per batch, from the raw payload to the answer, compression included, in a world that
//! answers at once. No figure of a store is in it.
//!
//! ```text
//! cargo bench -p processor --bench handler            # 100 and 1,000 records, and as many as 6 MiB hold
//! cargo bench -p processor --bench handler -- 1000    # one of them
//! ```
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod null;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use null::{Null, Still, payload};
use processor::{Invocation, Processor};

criterion_group!(benches, handler);
criterion_main!(benches);

fn handler(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let processor = Processor::new(Null, Still);
    let mut group = criterion.benchmark_group("handle_payload");
    for (name, records) in [("100", 100), ("1000", 1_000), ("6MiB", usize::MAX)] {
        let (payload, records) = payload(records);
        group.throughput(Throughput::Elements(u64::try_from(records).unwrap()));
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(async || {
                let invocation = Invocation::default();
                processor.handle_payload(black_box(&payload), &invocation).await.unwrap()
            });
        });
    }
    group.finish();
}
