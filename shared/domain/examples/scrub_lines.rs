//! Scrubs the lines of standard input, as text or, with `--jsonl`, the `text` field of each object.
//!
//! `scrub_lines --jsonl < labelled.jsonl` prints `{"id","spans":[{"start","end","type"}]}`, `--time` the throughput.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its terminal")]

use std::io::{self, BufRead};

use domain::scrub::{Scrubbed, scrub};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| options.iter().any(|given| given == option);
    if has("--time") {
        return throughput();
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        let document =
            if has("--jsonl") { serde_json::from_str(&line)? } else { json!({ "text": line }) };
        let scrubbed = scrub(document.get("text").and_then(Value::as_str).unwrap_or_default());
        println!(
            "{}",
            if has("--jsonl") { prediction(&document, &scrubbed) } else { answer(&scrubbed) }
        );
    }
    Ok(())
}

fn prediction(document: &Value, scrubbed: &Scrubbed<'_>) -> Value {
    json!({ "id": document.get("id"), "spans": spans(scrubbed) })
}

fn answer(scrubbed: &Scrubbed<'_>) -> Value {
    json!({ "text": scrubbed.text, "spans": spans(scrubbed) })
}

fn spans(scrubbed: &Scrubbed<'_>) -> Vec<Value> {
    let span = |span: &domain::scrub::Span| json!({ "start": span.start, "end": span.end, "type": span.kind.as_str() });
    scrubbed.spans.iter().map(span).collect()
}

/// Reads objects with `text` and `kind` and reports MB/s for clean and other texts.
#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
fn throughput() -> io::Result<()> {
    let documents: Vec<Value> = io::stdin()
        .lock()
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<io::Result<_>>()?;
    for clean in [true, false] {
        let texts: Vec<&str> = documents
            .iter()
            .filter(|document| (document.get("kind").is_some_and(|kind| kind == "clean")) == clean)
            .filter_map(|document| document.get("text").and_then(Value::as_str))
            .collect();
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let start = std::time::Instant::now();
        let found: usize =
            (0..ROUNDS).flat_map(|_| &texts).map(|text| scrub(text).spans.len()).sum();
        let nanoseconds = start.elapsed().as_nanos().max(1);
        let bytes_total = u128::try_from(bytes * ROUNDS).unwrap_or_default();
        eprintln!("clean {clean}: {} MB/s, {found} spans", bytes_total * 1000 / nanoseconds);
    }
    Ok(())
}

const ROUNDS: usize = 200;
