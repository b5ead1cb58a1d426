//! The suite as it is deployed: the translated template's tables, stream and buckets on stand-ins, the functions' real
//! binaries behind a Runtime API, and everything that may go wrong on the way.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

mod listening;
mod machine;
mod roles;
mod warehouse;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use aws::{Cloud, access::Access};
use connector::warehouse::ClickHouse;
use contract::{Event, OrgId, Timestamp, ledger::OrgLedger};
use domain::{
    api_key::{ApiKey, Scope},
    counters::Dimension,
};
use ports::{
    accounts::Accounts,
    archive::Archive,
    chance::Chance,
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
};
use serde_json::{Value, json};
use standin::{
    events::{self, Body},
    lambda::Function,
    platform::{Pace, Plan, Platform},
    proxy::{Fault, Weather},
    run,
};
use tempfile::TempDir;

use crate::machine::Machine;

/// A deployed suite, and what a client and an operator need of it.
struct Deployed {
    platform: Platform,
    functions: BTreeMap<String, Arc<Function>>,
    cloud: Cloud,
    key: String,
    stage: String,
    warehouse: Option<ClickHouse>,
    directory: TempDir,
}

const ORG: &str = "acme";

fn org() -> OrgId {
    OrgId::parse(ORG).unwrap()
}

impl Deployed {
    async fn new(pace: Pace) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stage = stage();
        let plan = apply(directory.path(), &stage, &[]);
        Self::run(directory, stage, &plan, None, pace).await
    }

    /// With everything that is optional.
    async fn with_warehouse(pace: Pace) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let stage = stage();
        let settings =
            [format!("WarehouseUrl={}", warehouse::url()), format!("WarehouseDatabase={stage}")];
        let plan = apply(directory.path(), &stage, &settings);
        let warehouse = warehouse::prepare(&stage).await;
        Self::run(directory, stage, &plan, Some(warehouse), pace).await
    }

    async fn run(
        directory: TempDir,
        stage: String,
        plan: &Plan,
        warehouse: Option<ClickHouse>,
        pace: Pace,
    ) -> Self {
        let access = Access::read(|name| std::env::var(name).ok()).unwrap();
        let cloud = Cloud::new(&access, plan.resources());
        cloud.create(&org()).await.unwrap();
        let key = ApiKey::new([1; 16], [2; 32]);
        let record = ApiKeyRecord {
            key_id: key.key_id().to_owned(),
            secret_hash: key.secret_hash(),
            orgs: vec![org()],
            scopes: vec![Scope::Ingest, Scope::Read],
            created_at: standin::now(),
            revoked_at: None,
        };
        cloud.put(&record).await.unwrap();
        let binaries = binaries(directory.path(), plan);
        let logs = Some(directory.path());
        let platform = Platform::start(plan, &access, &binaries, logs, pace).await.unwrap();
        let code = |name: &String| plan.functions[name].code.clone();
        let functions =
            platform.functions().iter().map(|(name, own)| (code(name), Arc::clone(own))).collect();
        Self { platform, functions, cloud, key: key.reveal(), stage, warehouse, directory }
    }

    fn function(&self, code: &str) -> &Arc<Function> {
        &self.functions[code]
    }

    /// Sends events through the door until it took them, as a client must.
    async fn send(&self, events: &[Value]) {
        let headers = [("x-api-key", self.key.as_str()), ("content-type", "application/json")];
        let body = json!({ "events": events }).to_string();
        let request = events::http("POST", "/v1/events/batch", &headers, Body::Text(&body));
        for _ in 0..50 {
            let Ok(answer) = self.function("ingest").invoke(request.to_string()).await else {
                continue;
            };
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["statusCode"] == 202 {
                let told: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
                assert_eq!(told["rejected"], 0, "{told}");
                return;
            }
            assert!([429, 503].map(Value::from).contains(&answer["statusCode"]), "{answer}");
        }
        panic!("the door never took a request: {}", self.log("ingest"));
    }

    /// What the deployed API answers, asked until it is ready to.
    async fn ask(&self, question: &str) -> Value {
        let (path, query) = question.split_once('?').unwrap_or((question, ""));
        let mut request = events::http("GET", path, &[("x-api-key", &self.key)], Body::None);
        request.as_object_mut().unwrap().insert("rawQueryString".to_owned(), query.into());
        for _ in 0..50 {
            let Ok(answer) = self.function("insights").invoke(request.to_string()).await else {
                continue;
            };
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["statusCode"] == 200 {
                return unsaid(serde_json::from_str(answer["body"].as_str().unwrap()).unwrap());
            }
            assert_eq!(answer["statusCode"], 503, "{question}: {answer}");
        }
        panic!("{question} was never answered: {}", self.log("insights"));
    }

    /// Lets people edit, challenge and leave answers; how many events the host emitted.
    async fn emit(&self, verdicts: usize) -> u64 {
        let mut stored = 0;
        let mut verdict = async |action: &str| -> u64 {
            let verdict = json!({
                "user": "jan@example.org", "session": "s-1", "feature": "answers", "confidence": 0.4,
                "seconds": 30, "action": action,
            });
            let answer =
                self.function("emitter_example").invoke(verdict.to_string()).await.unwrap();
            let taken: Value = serde_json::from_slice(&answer).unwrap();
            stored += taken["stored"].as_u64().unwrap();
            taken["waiting"].as_u64().unwrap()
        };
        for number in 0..verdicts {
            verdict(["edited", "challenged", "abandoned"][number % 3]).await;
        }
        // What the table did not take in time waits in the host.
        while verdict("accepted").await > 0 {}
        stored
    }

    /// What an operator's command says of the stage; it must succeed.
    fn tribo(&self, arguments: &[&str]) -> Value {
        let built = std::env::current_exe().unwrap();
        let done = Command::new(built.ancestors().nth(2).unwrap().join("tribo"))
            .args(arguments)
            .args(["--stage", &self.stage, "--json"])
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "tribo {arguments:?}: {told}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    async fn ledger(&self) -> OrgLedger {
        let report = self.cloud.ledger(Some(&org()), standin::now()).await.unwrap();
        report.orgs.into_iter().next().unwrap()
    }

    /// Waits until so many events are counted, so many are delivered, and the books balance.
    async fn settle(&self, accepted: u64, delivered: u64) -> OrgLedger {
        let started = Instant::now();
        loop {
            let row = self.ledger().await;
            if row.balanced && row.accepted >= accepted && row.delivered >= delivered {
                return row;
            }
            assert!(started.elapsed() < PATIENCE, "{row:?}\n{}", self.log("processor"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The distinct events of the archive.
    async fn archived(&self) -> BTreeSet<String> {
        self.archive().await.into_keys().collect()
    }

    /// The archive's events by id.
    async fn archive(&self) -> BTreeMap<String, Event> {
        let mut ids = BTreeMap::new();
        for key in Archive::list(&self.cloud, "events/v1/").await.unwrap() {
            let packed = self.cloud.read(&key).await.unwrap().unwrap();
            let mut text = String::new();
            flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
            for line in text.lines() {
                let event: Event = serde_json::from_str(line).unwrap();
                ids.insert(event.event_id.as_str().to_owned(), event);
            }
        }
        ids
    }

    async fn counted(&self) -> u64 {
        let (from, to) = (Timestamp::from_ms(0), standin::now().plus_ms(86_400_000));
        let cells = self.cloud.counters(Some(&org()), from, to).await.unwrap();
        let whole = cells
            .into_iter()
            .filter(|(cell, _)| cell.product.is_none() && cell.dimension == Dimension::All);
        whole.map(|(_, count)| count.events).sum()
    }

    /// What the functions logged, the last of it.
    fn log(&self, code: &str) -> String {
        let name = self.functions[code].name();
        let log = std::fs::read_to_string(self.directory.path().join(format!("{name}.log")));
        let log = log.unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("_aws")).collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A name that no other test has.
fn stage() -> String {
    let now = standin::now().ms() % 0xfff_ffff * 100;
    format!("t{:x}", now + i64::from(std::process::id() % 100))
}

/// Makes a stage of its own on the stand-ins, as scripts/deploy --stand-in does.
fn apply(directory: &Path, stage: &str, settings: &[String]) -> Plan {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let plan = directory.join("plan.json");
    let done = Command::new(root.join("target/tools/python/bin/python"))
        .args(["-m", "template.apply", "--plan"])
        .arg(&plan)
        .arg("--names")
        .arg(directory.join(format!(".tribo/{stage}.env")))
        .args([
            format!("Stage={stage}"),
            // Who is under way is known with the next sweep.
            "SessionLive=0".into(),
            "EmitterExample=true".into(),
            format!("EmitterExampleOrg={ORG}"),
        ])
        .args(settings)
        .env("PYTHONPATH", root.join("scripts"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("scripts/stand-ins install prepares what this needs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&std::fs::read(plan).unwrap()).unwrap()
}

/// Each function's binary where a deployment would lay it; they were built beside this test.
fn binaries(directory: &Path, plan: &Plan) -> PathBuf {
    let built = std::env::current_exe().unwrap();
    let built = built.ancestors().nth(2).unwrap();
    let binaries = directory.join("binaries");
    for function in plan.functions.values() {
        let binary = built.join(&function.code);
        assert!(binary.exists(), "{} is not built", binary.display());
        let place = binaries.join(&function.code);
        std::fs::create_dir_all(&place).unwrap();
        symlink(binary, place.join("bootstrap")).unwrap();
    }
    binaries
}

/// Events of every second kind, of several products and hours.
fn some(now: Timestamp, numbers: std::ops::Range<usize>) -> Vec<Value> {
    let one = |number: usize| {
        let at = now.plus_ms(-60_000 * i64::try_from(number % 90).unwrap());
        let mut event = json!({
            "eventId": format!("sent-{number:05}"), "occurredAt": at.to_string(), "orgId": ORG,
            "productId": format!("p{}", number % 3), "actorId": format!("user{}@example.org", number % 40),
        });
        let more = if number.is_multiple_of(2) {
            json!({"eventType": "friction.abandon", "traceComponent": "transparency"})
        } else {
            json!({"eventType": "ui.click", "screen": format!("/page/{}", number % 6), "element": {"key": "save"}})
        };
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    numbers.map(one).collect()
}

#[test]
fn what_is_emitted_and_sent_is_counted_archived_and_delivered_once_whatever_dies_or_fails() {
    run(async {
        let seed =
            std::env::var("DEPLOYED_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
        let pace = Pace {
            tick: Some(Duration::from_secs(1)),
            untidy: true,
            weather: Some(Weather::of(seed, 4, Fault::QUICK)),
            ..Pace::default()
        };
        let suite = Deployed::new(pace).await;
        let emitted = suite.emit(12).await;
        let (now, mut chance) = (standin::now(), Chance::of(seed));
        for part in 0..12 {
            let events = some(now, part * 50..(part + 1) * 50);
            let victims = ["ingest", "processor", "batcher", "redrive", "sessionizer", "insights"];
            let victim = *chance.one_of(&victims).unwrap();
            let after = Duration::from_millis(u64::try_from(chance.below(150)).unwrap());
            tokio::join!(suite.send(&events), async {
                tokio::time::sleep(after).await;
                suite.function(victim).kill().await;
            });
        }
        // The whole once more: whatever was taken is known, by its row or by its marker.
        suite.send(&some(now, 0..400)).await;

        let accepted = 600 + emitted;
        let forwarded = 300 + emitted;
        let row = suite.settle(accepted, forwarded).await;
        assert_eq!(
            (row.accepted, row.accepted_forward, row.delivered),
            (accepted, forwarded, forwarded)
        );
        assert_eq!((row.parked, row.pending, row.quarantined.len()), (0, 0, 0), "{row:?}");
        assert_eq!(suite.counted().await, accepted);
        assert_eq!(u64::try_from(suite.archived().await.len()).unwrap(), accepted);
        let books = suite.platform.connector().books();
        assert_eq!(u64::try_from(books.events_taken()).unwrap(), forwarded);
        assert!(books.violations.is_empty(), "{:?}", books.violations);
        for (code, function) in &suite.functions {
            let log = std::fs::read_to_string(
                suite.directory.path().join(format!("{}.log", function.name())),
            );
            let log = log.unwrap_or_default();
            assert!(
                !log.contains("example.org") && !log.contains(&suite.key),
                "{code} leaks: {log}"
            );
        }

        assert_eq!(suite.tribo(&["ledger"])["balanced"], true);
        assert_eq!(suite.tribo(&["orgs", "list"])["orgs"], json!([ORG]));
        assert_eq!(suite.tribo(&["keys", "list"])["keys"][0]["org"], ORG);
        assert_eq!(suite.tribo(&["where", "sent-00000"])["state"], "delivered");
        assert_eq!(suite.tribo(&["where", "sent-00001"])["state"], "counted");
        assert_eq!(suite.tribo(&["audit"])["counters"]["different"], 0);
        let replay = ["replay", "--org", ORG, "--source", "archive", "--to", "counters"];
        let (from, to) = (now.plus_ms(-3_600_000).to_string(), now.plus_ms(3_600_000).to_string());
        let replayed = suite.tribo(&[&replay[..], &["--from", &from, "--to", &to]].concat());
        assert_eq!((&replayed["found"], &replayed["replayed"]), (&json!(accepted), &json!(0)));
        suite.platform.stop().await;
    });
}

#[test]
fn what_is_understood_of_a_deployed_stage_is_what_one_machine_says_of_the_same_events() {
    run(async {
        let weather = Some(Weather::of(11, 3, Fault::QUICK));
        let pace =
            Pace { tick: Some(Duration::from_secs(1)), untidy: true, weather, ..Pace::default() };
        let suite = Deployed::new(pace).await;
        let people = 12;
        let events = impatient(standin::now(), people);
        let count = u64::try_from(events.len()).unwrap();
        for part in events.chunks(40) {
            let sent = suite.send(part);
            tokio::join!(sent, suite.function("sessionizer").kill());
        }
        suite.settle_counted(count).await;
        let archived: Vec<Event> = suite.archive().await.into_values().collect();
        assert_eq!(archived.len(), events.len());
        let machine = Machine::new(archived, people).await;

        let started = Instant::now();
        for question in QUESTIONS {
            loop {
                let (here, there) = (machine.ask(question).await, suite.ask(question).await);
                if here == there {
                    break;
                }
                let log = suite.log("sessionizer");
                assert!(started.elapsed() < PATIENCE, "{question}\n{here:#}\n{there:#}\n{log}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        let sessions = suite.ask(QUESTIONS[0]).await;
        let session = sessions["sessions"][0]["sessionId"].as_str().unwrap();
        for question in ["events", "context"] {
            let question = format!("/api/sessions/{session}/{question}");
            let (here, there) = (machine.ask(&question).await, suite.ask(&question).await);
            assert_eq!(here, there, "{question}");
        }

        let org = ["--org", ORG];
        let all = suite.tribo(&[&["sessions", "--count"][..], &org].concat());
        assert_eq!(all["count"], people);
        let incidents = suite.tribo(&[&["incidents", "--count"][..], &org].concat());
        assert_eq!(incidents["byRule"]["rage_click"], people);
        let told = suite.tribo(&["explain", session]);
        assert_eq!(
            (&told["session"]["sessionId"], &told["eventsGone"]),
            (&json!(session), &json!(0))
        );
        let rules = suite.tribo(&[&["rules", "show"][..], &org].concat());
        assert_eq!(rules["version"], 1);
        let rescored = suite.tribo(&[&["rescore"][..], &org].concat());
        assert_eq!((&rescored["owners"], &rescored["changed"]), (&json!(people), &json!(0)));
        let span = ["--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];
        let replay = ["replay", "--source", "archive", "--to", "sessions"];
        let replayed = suite.tribo(&[&replay[..], &org, &span].concat());
        assert_eq!(replayed["replayed"], count);
        let tune = ["tune", "--rule", "rage_click", "--set", "minClicks=50"];
        let tuned = suite.tribo(&[&tune[..], &org, &span].concat());
        assert_eq!(
            (&tuned["rules"]["rage_click"]["before"], &tuned["rules"]["rage_click"]["after"]),
            (&json!(people), &json!(0))
        );
        assert_eq!(machine.ask(QUESTIONS[0]).await, suite.ask(QUESTIONS[0]).await);
        suite.platform.stop().await;
    });
}

/// What every answer says anew: when it was given, and where it goes on.
fn unsaid(mut answer: Value) -> Value {
    for name in ["asOf", "nextCursor"] {
        answer.as_object_mut().unwrap().remove(name);
    }
    answer
}

/// Long enough ago for every session to have ended. Each of so many people looks around, loses patience, and pays.
fn impatient(now: Timestamp, people: usize) -> Vec<Value> {
    let one = |person: usize, number: usize| {
        let person_ms = i64::try_from(person).unwrap() * 60_000;
        let (screen, element, at_ms) = match number {
            0..2 => (format!("/shelf/{}", (person + number) % 3), "more", number * 9_000),
            2..8 => ("/orders".to_owned(), "save", 20_000 + number * 150),
            _ => ("/pay".to_owned(), "pay", 30_000 + number * 2_000),
        };
        let at = now.plus_ms(-3 * 3_600_000 + person_ms + i64::try_from(at_ms).unwrap());
        json!({
            "eventId": format!("impatient-{person:02}-{number:02}"), "eventType": "ui.click",
            "occurredAt": at.to_string(), "orgId": ORG, "productId": "shop", "screen": screen,
            "actorId": format!("user{person}@example.org"), "element": {"key": element},
        })
    };
    (0..people).flat_map(|person| (0..10).map(move |number| one(person, number))).collect()
}

const QUESTIONS: [&str; 8] = [
    "/v1/sessions?limit=100",
    "/v1/incidents?limit=100",
    "/v1/insights/overview",
    "/v1/insights/hotspots",
    "/v1/insights/trace",
    "/v1/flows/top",
    "/v1/flows/graph",
    "/v1/flows/unusual",
];

impl Deployed {
    /// Waits until so many events are counted.
    async fn settle_counted(&self, accepted: u64) {
        let started = Instant::now();
        while self.ledger().await.accepted < accepted {
            assert!(started.elapsed() < PATIENCE, "{:?}", self.ledger().await);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(180);
