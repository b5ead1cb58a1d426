//! Prints what an event costs its host: CPU time per event, from the process's own accounting, with the mock transport.
//!
//! `cargo run --release -p emitter --example emit_cost [events]`
#![expect(clippy::print_stdout, reason = "an example that prints")]

use std::{error::Error, fs, hint::black_box, time::Duration};

use emitter::{
    Draft, Emitter, GivenKey, OrgId, RootKey, RowFate, Settings, StagedEvent, Transport,
    TransportError, friction,
};

/// Takes every row and keeps none, so that only the emitter is measured.
struct Nowhere;

impl Transport for Nowhere {
    async fn send(&self, rows: &[StagedEvent]) -> Result<Vec<RowFate>, TransportError> {
        Ok(vec![RowFate::Stored; black_box(rows).len()])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let events = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse::<u32>())?;
    let settings = Settings::new(OrgId::parse("acme")?, "checkout", "eu-central-1");
    let root = RootKey::parse(&"0123456789abcdef".repeat(4))?;
    let emitter = Emitter::connect(settings, GivenKey::new(root, 3, [7; 32]), Nowhere).await?;

    for n in 0..events / 10 {
        black_box(emitter.emit(draft(n)).await);
    }
    let single = cpu_ms()?;
    for n in 0..events {
        black_box(emitter.emit(draft(n)).await);
    }
    let batched = cpu_ms()?;
    for n in 0..events {
        black_box(emitter.emit_later(draft(n)));
        if n % 25 == 24 {
            emitter.flush(Duration::from_secs(1)).await;
        }
    }
    emitter.flush(Duration::from_secs(1)).await;
    let end = cpu_ms()?;

    let per_event_us =
        |ms: u64| f64::from(u32::try_from(ms).unwrap_or(u32::MAX)) * 1e3 / f64::from(events);
    println!("events              {events}");
    println!("emit, one by one    {:.2} us CPU per event", per_event_us(batched - single));
    println!("emit_later + flush  {:.2} us CPU per event", per_event_us(end - batched));
    println!(
        "all stored          {}",
        emitter.stats().sent == u64::from(events) * 2 + u64::from(events / 10)
    );
    Ok(())
}

fn draft(n: u32) -> Draft<friction::Friction> {
    friction::user_override(0.42, "edited")
        .actor(format!("user-{n}@example.org"))
        .session(format!("session-{}", n / 20))
        .feature("checkout")
        .screen("/orders/4711/edit")
        .correlation_id("4bf92f3577b34da6a3ce929d0e0e4736")
}

/// User and system time of this process, ms: fields 14 and 15 of `/proc/self/stat`, 100 per second.
fn cpu_ms() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no such field")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks =
        || fields.next().ok_or("no such field")?.parse::<u64>().map_err(Box::<dyn Error>::from);
    Ok((ticks()? + ticks()?) * 10)
}
