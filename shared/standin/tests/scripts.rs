//! What the scripts answer to somebody who asks wrongly: at once, with the reason, and before anything is built or made.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

fn script(words: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut words = words.split(' ');
    let mut command = Command::new(root.join("scripts").join(words.next().unwrap_or_default()));
    command.args(words).current_dir(root);
    command
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text)).concat()
}

fn refused(words: &str) -> String {
    let output = script(words).output().unwrap();
    let told = told(&output);
    assert!(matches!(output.status.code(), Some(1 | 2)), "{words}: {:?} {told}", output.status);
    assert!(!told.contains("Traceback") && !told.contains("unbound variable"), "{words}: {told}");
    told
}

#[test]
fn what_was_asked_wrongly_is_named() {
    for (words, reason) in [
        ("deploy --stage staging --dry-run --set .*=1", "the template has no such parameter"),
        ("deploy --stage standin --dry-run", "that of --stand-in"),
        ("deploy --dry-run --stand-in", "--stand-in stands first"),
        ("deploy --stand-in --dry-run --tick soon", "--tick needs seconds"),
        ("deploy --stand-in --dry-run --tick 0", "--tick needs seconds"),
        ("stand-ins run --keep", "--keep needs a directory"),
        ("provision --stage staging --dry-run --replace", "--replace needs --connector"),
        (
            "provision --stage staging --dry-run --warehouse nowhere.json",
            "nowhere.json: No such file",
        ),
        ("provision --stage staging --dry-run --new-epoch --switch-epoch", "one after the other"),
        ("provision --stage staging --dry", "unrecognized arguments: --dry"),
        ("smoke --events 0", "--events is at least 1"),
        ("check-template --template nowhere.yaml", "nowhere.yaml: No such file"),
        ("measure-cold-starts --runs 0", "--runs is at least 1"),
        ("cost --window 31", "--window is from 0 to 30"),
        ("cost --window nan", "--window is from 0 to 30"),
    ] {
        let told = refused(words);
        assert!(told.contains(reason), "{words}: {told}");
    }
}

#[test]
fn asking_for_help_measures_nothing() {
    let output =
        script("measure-instructions --help").env("PATH", "/usr/bin:/bin").output().unwrap();
    let told = told(&output);
    assert!(output.status.success() && told.contains("scripts/measure-instructions"), "{told}");
    assert!(!told.contains("instructions per event\n"), "{told}");
}

#[test]
fn a_window_of_nothing_is_not_the_default() {
    let output = script("cost --window 0 --events-per-day 1000").output().unwrap();
    let told = told(&output);
    assert!(output.status.success() && told.contains("BatchWindow 0 s"), "{told}");
}

/// What the meter of DynamoDB prints is held against `counts.json` by its own tests.
#[test]
fn the_guide_tells_the_costs_that_the_script_computes() {
    let told = told(&script("cost").output().unwrap());
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/deployment.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for row in ["part", "counting", "sessions", "live looks", "**a month**", "per million events"] {
        let row = told.lines().find(|line| line.starts_with(&format!("| {row} |"))).unwrap();
        assert!(guide.lines().any(|line| line == row), "docs/deployment.md does not say: {row}");
    }
}

#[test]
fn names_alone_are_written_without_deploying() {
    let output = script("deploy --stage staging --outputs --dry-run").output().unwrap();
    let told = told(&output);
    assert!(output.status.success() && told.contains(".tribo/staging.env"), "{told}");
    assert!(!told.contains("sam deploy"), "{told}");
}

/// `cargo run -p tribo` leaves such a program where the script looks for it.
#[test]
fn a_program_that_knows_no_stages_is_told_apart_from_a_stage_that_fails() {
    let told = smoke("try", "AWS_REGION=eu-central-1\n", |command| {
        command.env("TRIBO", "/bin/true");
    });
    assert!(told.contains("--features aws"), "{told}");
}

/// In another terminal than the one that started the stand-ins, only the file of names holds credentials for them.
#[test]
fn a_stage_on_stand_ins_is_tried_without_credentials_in_the_environment() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = directory.join(format!("tribo{}", std::process::id()));
    let answer = "#!/bin/sh\necho '{\"key\":\"fk_\",\"orgs\":[{\"--stage\":0}]}'\n";
    std::fs::write(&program, answer).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let lines = format!(
        "AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:1\nAWS_ACCESS_KEY_ID=standin\nAWS_SECRET_ACCESS_KEY=standin-secret\nTRIBO={}\n",
        program.display()
    );
    let told = smoke("there", &lines, |command| {
        for name in ["TRIBO", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", directory);
    });
    std::fs::remove_file(&program).unwrap();
    assert!(told.contains("Could not connect") && !told.contains("Traceback"), "{told}");
}

/// Tries a stage whose file of names holds these lines.
fn smoke(name: &str, lines: &str, adjust: impl FnOnce(&mut Command)) -> String {
    let stage = format!("{name}{}", std::process::id());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::create_dir_all(root.join(".tribo")).unwrap();
    let names = root.join(".tribo").join(format!("{stage}.env"));
    std::fs::write(&names, lines).unwrap();
    let mut command = script(&format!("smoke --stage {stage}"));
    adjust(&mut command);
    let output = command.output();
    std::fs::remove_file(names).unwrap();
    told(&output.unwrap())
}
