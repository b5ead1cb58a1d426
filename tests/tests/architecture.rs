//! The walls of the workspace, as tests: who may use whom, what the core must not know, and what no file may hold.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeSet,
    fmt::{self, Display, Formatter},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Every crate of the workspace, lowest layer first. A crate may use crates of lower layers only; crates of one layer do
/// not know each other.
const LAYERS: &[&[&str]] = &[
    &["contract"],
    &["domain"],
    &["friction"],
    &["ports"],
    &["telemetry"],
    &["aws", "embedded", "connector", "pump", "emitter"],
    &["standin"],
    &["emitter_example", "ingest", "insights", "processor", "batcher", "sessionizer", "warehouse"],
    // What is told live is what is told when it is asked for.
    &["live"],
    &["tribo"],
    &["suite"],
];
/// Further edges that only tests and benches may have, as (who, whom).
const TEST_EDGES: &[(&str, &str)] = &[
    // What stands in for AWS is above what it stands in for.
    ("aws", "standin"),
    ("emitter", "aws"),
    ("emitter", "standin"),
    // What counting costs is measured through the handler that counts.
    ("aws", "processor"),
    ("aws", "sessionizer"),
    // What is told about events is tried on what was made of them.
    ("insights", "sessionizer"),
];
/// All that a crate may use of ours, where its layer would allow more.
const NARROW: &[(&str, &[&str])] = &[("emitter", &["contract", "domain"])];
/// What the core is built from. A new name here needs a sentence in the commit.
const THIRD_PARTY: &[(&str, &[&str])] = &[
    ("contract", &["base64", "schemars", "serde", "serde_json", "time"]),
    (
        "domain",
        &[
            "chacha20poly1305",
            "crc32c",
            "data-encoding",
            "hkdf",
            "hmac",
            "icu_normalizer",
            "serde",
            "serde_json",
            "sha2",
            "subtle",
            "thiserror",
            "url",
            "uuid",
            "zeroize",
        ],
    ),
    ("friction", &["data-encoding", "petgraph", "serde", "serde_json", "sha2", "thiserror"]),
    // getrandom: behind a feature, where a binary needs it. serde_json: the laws build events from text.
    ("ports", &["getrandom", "serde_json", "thiserror"]),
];
/// What `contract`, `domain` and `friction` may not name in their sources: they are values in, values out.
const IMPURE: &[&str] = &[
    "async ",
    ".await",
    "SystemTime",
    "Instant::now",
    "now_utc",
    "std::env",
    "std::fs",
    "TcpStream",
    "UdpSocket",
    "std::thread",
    "tokio",
    "rand::",
    "getrandom",
    "now_v7",
    "new_v4",
];
const FILE_LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 70;

#[test]
fn dependencies_point_one_way() {
    let wrong = edges().into_iter().filter(|edge| {
        let own = layer(&edge.from).unwrap_or_else(|| panic!("{} is not in LAYERS", edge.from));
        let points_down = layer(&edge.to).is_none_or(|other| other < own);
        let is_excused = edge.from == edge.to || TEST_EDGES.contains(&(&*edge.from, &*edge.to));
        !(points_down || edge.is_test_only && is_excused)
    });
    assert_none(wrong, "points up or sideways");
}

#[test]
fn a_narrow_crate_uses_no_more_of_ours_than_it_may() {
    let wrong = edges().into_iter().filter(|edge| {
        let allowed = NARROW.iter().find(|(narrow, _)| *narrow == edge.from);
        let is_ours = layer(&edge.to).is_some() && edge.from != edge.to;
        let is_more = allowed.is_some_and(|(_, allowed)| !allowed.contains(&&*edge.to));
        is_ours && is_more && !edge.is_test_only
    });
    assert_none(wrong, "is more than NARROW allows");
}

#[test]
fn every_crate_has_a_layer_and_every_layer_its_crates() {
    let found: BTreeSet<String> = packages().iter().map(|package| text(package, "name")).collect();
    let known: BTreeSet<String> =
        LAYERS.iter().copied().flatten().map(ToString::to_string).collect();
    assert_eq!(found, known);
}

#[test]
fn the_core_is_built_from_a_short_list() {
    let wrong = edges().into_iter().filter(|edge| {
        let allowed = THIRD_PARTY.iter().find(|(core, _)| *core == edge.from);
        let is_foreign = layer(&edge.to).is_none() && !edge.is_test_only;
        is_foreign && allowed.is_some_and(|(_, allowed)| !allowed.contains(&&*edge.to))
    });
    assert_none(wrong, "is not in THIRD_PARTY");
}

#[test]
fn the_core_knows_no_clock_no_chance_and_no_world() {
    let core = ["shared/contract/src", "shared/domain/src", "shared/friction/src"];
    let named =
        sources().into_iter().filter(|(path, _)| core.iter().any(|core| path.starts_with(core)));
    let wrong = named.flat_map(|(path, code)| {
        let found = IMPURE.iter().filter(move |impure| code.contains(**impure));
        found.map(move |impure| format!("{}: {impure}", path.display()))
    });
    assert_none(wrong, "is impure");
}

#[test]
fn only_adapters_name_the_sdk_of_a_cloud() {
    let adapters = ["shared/aws", "shared/emitter", "shared/standin", "tests"];
    let named = sources().into_iter().filter(|(path, code)| {
        code.contains("aws_sdk_") && !adapters.iter().any(|adapter| path.starts_with(adapter))
    });
    assert_none(named.map(|(path, _)| path.display().to_string()), "names an SDK");
}

#[test]
fn the_environment_is_read_at_the_edge_only() {
    let at_the_edge = |path: &Path| {
        path.ends_with("src/main.rs")
            || path.ends_with("src/config.rs")
            || path.starts_with("functions/local/src/cli.rs")
            || path.starts_with("functions/local/src/stage.rs")
            || path.starts_with("functions/processor/src/bin")
            || path.starts_with("shared/standin")
            || path.starts_with("tests")
            || !path.iter().any(|part| part == "src")
    };
    let wrong = sources()
        .into_iter()
        .filter(|(path, code)| !at_the_edge(path) && code.contains("std::env"));
    assert_none(wrong.map(|(path, _)| path.display().to_string()), "reads the environment");
}

#[test]
fn a_file_says_what_it_is_and_stays_short() {
    let wrong = files().into_iter().filter(|path| is_rust(path)).filter_map(|path| {
        let content = fs::read_to_string(root().join(&path)).unwrap();
        let lines = content.lines().count();
        let is_told = ["//!", "#![doc = include_str!"].iter().any(|doc| content.starts_with(doc));
        let is_fine = is_told && lines <= FILE_LINES_MAX;
        (!is_fine).then(|| format!("{} ({lines} lines)", path.display()))
    });
    assert_none(wrong, "does not open with `//!`, or is too long");
}

#[test]
fn an_entry_point_only_wires() {
    let is_function = |path: &Path| path.starts_with("functions") && path.ends_with("src/main.rs");
    let wrong = files().into_iter().filter(|path| is_function(path)).filter_map(|path| {
        let lines = fs::read_to_string(root().join(&path)).unwrap().lines().count();
        (lines > MAIN_LINES_MAX).then(|| format!("{} ({lines} lines)", path.display()))
    });
    assert_none(wrong, "does more than wiring: what stands in main is not tested");
}

#[test]
fn tribo_links_no_cloud_sdk() {
    let tree = cargo(&["tree", "-p", "tribo", "-e", "normal", "--prefix", "none", "-f", "{p}"]);
    let linked: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(linked.contains("rusqlite"), "the tree was read");
    assert_none(linked.iter().filter(|name| name.starts_with("aws-")), "is linked by tribo");
}

#[test]
fn nothing_links_openssl() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let banned = ["openssl", "openssl-sys", "native-tls"];
    let found = banned.iter().filter(|name| lock.contains(&format!("name = \"{name}\"\n")));
    assert_none(found, "is in Cargo.lock");
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // In two parts, so that this file does not find itself.
    let usual = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"], ["/Us", "ers/"]];
    let mut needles: Vec<String> = usual.map(|parts| parts.concat()).into();
    needles.push(root().to_str().unwrap().to_owned());
    let talks_of_homes =
        |path: &Path| TALKS_OF_HOMES.iter().any(|told| path.to_str().unwrap().contains(told));
    let wrong = files().into_iter().filter(|path| !talks_of_homes(path)).filter(|path| {
        let content = fs::read(root().join(path)).unwrap();
        let content = String::from_utf8_lossy(&content);
        needles.iter().any(|needle| content.contains(needle))
    });
    assert_none(wrong.map(|path| path.display().to_string()), "holds a path of a machine");
}

/// Files about paths that name people: the scrubber and the templates.
const TALKS_OF_HOMES: &[&str] = &["scrub", "url_template", "privacy"];

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// A dependency that a crate declares.
struct Edge {
    from: String,
    to: String,
    is_test_only: bool,
}

impl Display for Edge {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.from, self.to)
    }
}

fn edges() -> Vec<Edge> {
    let of = |package: &Value| -> Vec<Edge> {
        let dependencies = package.get("dependencies").unwrap().as_array().unwrap().iter();
        let edge = |dependency| Edge {
            from: text(package, "name"),
            to: text(dependency, "name"),
            is_test_only: dependency.get("kind").unwrap() == "dev",
        };
        dependencies.map(edge).collect()
    };
    packages().iter().flat_map(of).collect()
}

fn assert_none<T: Display>(wrong: impl IntoIterator<Item = T>, what: &str) {
    let list: Vec<String> = wrong.into_iter().map(|one| format!("{one} {what}")).collect();
    assert!(list.is_empty(), "{}", list.join("\n"));
}

fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    serde_json::from_value(metadata.get_mut("packages").unwrap().take()).unwrap()
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(cargo).args(arguments).arg("--offline").current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every Rust file with its comments taken out.
fn sources() -> Vec<(PathBuf, String)> {
    let uncommented = |path: PathBuf| {
        let content = fs::read_to_string(root().join(&path)).unwrap();
        let code: Vec<&str> =
            content.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (path, code.join("\n"))
    };
    files().into_iter().filter(|path| is_rust(path)).map(uncommented).collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

/// Every file of the repository, relative to its root; what git ignores is not looked at.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
            let (name, path) = (entry.file_name(), entry.path());
            if entry.file_type().unwrap().is_dir() {
                let is_ours = !["target", ".git", ".tribo"].iter().any(|other| name == *other);
                is_ours.then(|| folders.push(path));
            } else {
                found.push(path.strip_prefix(root()).expect("below the root").to_owned());
            }
        }
    }
    assert!(found.len() > 50, "the repository was found");
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}
