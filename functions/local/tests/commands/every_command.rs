//! What holds for every command.

use crate::support::{Place, event, tribo};

#[test]
fn every_command_has_help_with_examples_of_what_its_options_take() {
    let commands: &[&[&str]] = &[
        &["demo"],
        &["local"],
        &["send"],
        &["ledger"],
        &["where"],
        &["counters"],
        &["audit"],
        &["sessions"],
        &["incidents"],
        &["explain"],
        &["rules", "show"],
        &["rules", "set"],
        &["rules", "reset"],
        &["rescore"],
        &["tune"],
        &["keys", "create"],
        &["keys", "list"],
        &["keys", "revoke"],
        &["orgs", "create"],
        &["orgs", "list"],
        &["assign"],
        &["replay"],
        &["schema"],
        &["backup"],
    ];
    for command in commands {
        let done = tribo(&[command, &["--help"][..]].concat());
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{command:?}");
        let (about, usage) = done.stdout.split_once("\n\nUsage: ").unwrap();
        assert!(about.len() > 15 && usage.contains("--json"), "{command:?}");
        // Every option and argument says what it is.
        for block in usage.split("\n\n").filter(|block| block.trim_start().starts_with("--")) {
            assert!(block.lines().count() > 1 || block.contains("  "), "{command:?}: {block}");
        }
    }
    let all = tribo(&["--help"]);
    for command in commands {
        assert!(all.stdout.contains(&format!("\n  {}", command[0])), "{command:?}");
    }
    assert!(all.stdout.contains("Exit codes: 0 done"));
    assert_eq!(tribo(&["no-such-command"]).code, 2);
}

#[test]
fn every_command_prints_one_object_and_nothing_else() {
    let place = Place::new();
    let server = place.start(&[]);
    server.accept(&place.key, &[event("one", "ui.click")]);
    place.processed();
    let copy = place.path("copy");
    let file = place.file("events.ndjson", "");
    let (copy, file) = (copy.to_str().unwrap(), file.to_str().unwrap());
    let window = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"];
    let replay = ["replay", "--org", "acme", "--source", "parked", "--to", "forward"];
    let commands: &[&[&str]] = &[
        &["ledger"],
        &["where", "one"],
        &["counters"],
        &["audit"],
        &["sessions"],
        &["incidents", "--org", "acme"],
        &["rules", "show", "--org", "acme"],
        &["rules", "reset", "--org", "acme"],
        &["rescore", "--org", "acme", "--dry-run"],
        &["keys", "create", "--org", "acme"],
        &["keys", "list"],
        &["orgs", "create", "new"],
        &["orgs", "list"],
        &["assign", file, "--org", "acme"],
        &[&["tune", "--org", "acme", "--rule", "loop", "--set", "enabled=false"], &window[..]]
            .concat(),
        &[&replay[..], &window].concat(),
        &["backup", copy],
    ];
    for command in commands {
        place.json(command);
    }
    for command in [
        &["send", file, "--url", &server.url, "--key", &place.key, "--json"][..],
        &["schema", "--json"],
    ] {
        let done = tribo(command);
        assert_eq!(done.code, 0, "{done:?}");
        done.json();
    }
}
