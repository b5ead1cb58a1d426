//! The rows. A number is that of the threat table; where it and the contract differ, the contract's name and limit stand.

use std::io::Write as _;

use contract::limits::BODY_BYTES_MAX;
use serde_json::{Value, json};

use super::Case;
use crate::{
    http::{Request, gzip},
    world::{CANARY, Keys, batch, event},
};

/// Every case that applies to this door.
pub(super) fn all(keys: &Keys) -> Vec<Case> {
    let mut cases = credentials(keys);
    cases.extend(framing(&keys.acme));
    cases.extend(encodings(&keys.acme));
    cases.extend(documents(&keys.acme));
    cases.extend(events(&keys.acme));
    cases
}

fn credentials(keys: &Keys) -> Vec<Case> {
    let body = || Request::batch(batch(&[event("never", json!({}))]));
    let mistyped = keys.acme.replace("fk_0", "fk_1");
    let with = |name, request: Request, status, code| case(name, request, status, code);
    vec![
        with("1 no key", body(), 401, "missing_api_key"),
        with("2 a malformed key", body().key("letmein"), 401, "invalid_api_key"),
        with("2 a mistyped key", body().key(&mistyped), 401, "invalid_api_key"),
        with("3 an unknown key", body().key(&keys.unknown), 401, "invalid_api_key"),
        with("3 a wrong secret", body().key(&keys.wrong_secret), 401, "invalid_api_key"),
        with("4 a revoked key", body().key(&keys.revoked), 401, "invalid_api_key"),
        with("5 a key for reading", body().key(&keys.read_only), 403, "insufficient_scope"),
        Case {
            events: vec!["foreign_org"],
            ..case(
                "6 another organisation",
                Request::batch(batch(&[event("f.1", json!({"orgId": "bolt"}))])).key(&keys.acme),
                403,
                "foreign_org",
            )
        },
        Case {
            events: vec!["accepted", "foreign_org"],
            ..case(
                "6 another organisation among one's own",
                Request::batch(batch(&[
                    event("f.2", json!({})),
                    event("f.3", json!({"orgId": "bolt"})),
                ]))
                .key(&keys.acme),
                202,
                "",
            )
        },
        with(
            "7 a key in the query",
            body().path(&format!("/v1/events/batch?key={}", keys.acme)),
            401,
            "missing_api_key",
        ),
        with("8 two keys", body().key(&keys.acme).key(&keys.acme), 400, "ambiguous_credentials"),
        with(
            "8 both headers",
            body().key(&keys.acme).with("x-api-key", &keys.acme),
            400,
            "ambiguous_credentials",
        ),
        with("9 a key of 64 KiB", body().key(&"k".repeat(65_536)), 401, "invalid_api_key"),
        with("9 a key that is no ASCII", body().key("fk_ä"), 401, "invalid_api_key"),
        with("9 a key with a NUL", body().with("x-api-key", b"fk_\0"), 400, ""),
        refused(
            "an organisation without a key of its own",
            &keys.ghost,
            event("g.1", json!({"orgId": null})),
            "no_key",
        ),
        refused(
            "no organisation, and two to choose from",
            &keys.both,
            event("g.2", json!({"orgId": null})),
            "missing_field",
        ),
    ]
}

fn framing(key: &str) -> Vec<Case> {
    let body = || Request::batch(batch(&[event("never", json!({}))])).key(key);
    let typed = |value: &str| body().without("content-type").with("content-type", value);
    let too_long = (BODY_BYTES_MAX + 1).to_string();
    let whole = batch(&[event("never", json!({}))]);
    let head = format!(
        "POST /v1/events/batch HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut cases = vec![
        case("10 GET", Request::get("/v1/events/batch").key(key), 405, "method_not_allowed"),
        case("10 PUT", body().method("PUT"), 405, "method_not_allowed"),
        case("10 OPTIONS", body().method("OPTIONS"), 405, "method_not_allowed"),
        case("10 POST to health", body().path("/health"), 405, "method_not_allowed"),
        case("11 no content type", body().without("content-type"), 415, "unsupported_media_type"),
        case("11 another content type", typed("text/plain"), 415, "unsupported_media_type"),
        case("12 UTF-16", typed("application/json; charset=utf-16"), 415, "unsupported_media_type"),
        case(
            "11 two content types",
            body().with("content-type", "application/json"),
            415,
            "unsupported_media_type",
        ),
        case(
            "16 too long by its own account",
            body().with("content-length", &too_long),
            413,
            "payload_too_large",
        ),
        case(
            "16 too long",
            Request::batch(vec![b' '; BODY_BYTES_MAX + 1]).key(key),
            413,
            "payload_too_large",
        ),
        case(
            "16 a length that is no number of ours",
            body().with("content-length", "99999999999999999999999"),
            400,
            "",
        ),
        case(
            "17 chunks without an end",
            Request::raw(format!("{head}transfer-encoding: chunked\r\n\r\n{}", chunk.repeat(20))),
            413,
            "payload_too_large",
        ),
        case(
            "18 shorter by its own account",
            body().with("content-length", (whole.len() - 1).to_string()),
            400,
            "invalid_json",
        ),
        case(
            "18 a length and chunks",
            Request::raw(format!(
                "{head}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnul\r\n0\r\n\r\n"
            )),
            400,
            "",
        ),
        case(
            "18 two lengths",
            body().with("content-length", "5").with("content-length", "6"),
            400,
            "",
        ),
        case(
            "53 asking before sending too much",
            body().with("expect", "100-continue").with("content-length", &too_long),
            413,
            "payload_too_large",
        ),
        case(
            "Idempotency-Key without a key",
            body().with("idempotency-key", ""),
            400,
            "invalid_header",
        ),
        case(
            "Idempotency-Key too long",
            body().with("idempotency-key", "k".repeat(257)),
            400,
            "invalid_header",
        ),
        case(
            "two Idempotency-Keys",
            body().with("idempotency-key", "a").with("idempotency-key", "b"),
            400,
            "invalid_header",
        ),
    ];
    for path in [
        "//v1/events/batch",
        "/v1/events/batch/",
        "/v1/./events/batch",
        "/v1/x/../events/batch",
        "/v1/%65vents/batch",
        "/v1/events/%2e%2e/events/batch",
        "/",
        "/etc/passwd",
        "/V1/EVENTS/BATCH",
    ] {
        cases.push(case("52 another path", body().path(path), 404, "not_found"));
    }
    cases
}

fn encodings(key: &str) -> Vec<Case> {
    let whole = batch(&[event("never", json!({}))]);
    let encoded =
        |name: &str, body: &[u8]| Request::batch(body).key(key).with("content-encoding", name);
    let zipped = gzip(whole.as_bytes());
    let twice = gzip(&zipped);
    let junk = [zipped.as_slice(), b"junk"].concat();
    let cut = &zipped[..zipped.len() - 9];
    let mut broken = zipped.clone();
    let crc = broken.len() - 8;
    broken[crc] ^= 1;
    let bomb = gzip(&vec![b' '; 64 * BODY_BYTES_MAX]);
    let small_bomb = gzip(format!("{{\"events\":[{}]}}", " ".repeat(300_000)).as_bytes());
    let member = gzip(&noise(600_000));
    let members = [member.as_slice(), &member].concat();
    let mut squeezed = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    squeezed.write_all(&vec![b' '; 64 * BODY_BYTES_MAX]).unwrap();
    let zstd_bomb = squeezed.finish().unwrap();
    let framed = zstd::stream::encode_all(whole.as_bytes(), 3).unwrap();
    vec![
        case("20 a bomb", encoded("gzip", &bomb), 413, "decompressed_too_large"),
        case("20 a small bomb", encoded("gzip", &small_bomb), 413, "decompressed_too_large"),
        case("20 a zstd bomb", encoded("zstd", &zstd_bomb), 413, "decompressed_too_large"),
        case(
            "21 members that are too large together",
            encoded("gzip", &members),
            413,
            "decompressed_too_large",
        ),
        case("21 gzip in gzip", encoded("gzip", &twice), 400, "invalid_encoding"),
        case("21 zstd in gzip", encoded("gzip", &gzip(&framed)), 400, "invalid_encoding"),
        case("21 junk behind", encoded("gzip", &junk), 400, "invalid_encoding"),
        case(
            "21 junk behind zstd",
            encoded("zstd", &[framed.as_slice(), b"junk"].concat()),
            400,
            "invalid_encoding",
        ),
        case("22 cut off", encoded("gzip", cut), 400, "invalid_encoding"),
        case(
            "22 zstd cut off",
            encoded("zstd", &framed[..framed.len() - 1]),
            400,
            "invalid_encoding",
        ),
        case("22 a wrong checksum", encoded("gzip", &broken), 400, "invalid_encoding"),
        case("22 no gzip at all", encoded("gzip", whole.as_bytes()), 400, "invalid_encoding"),
        case("22 nothing", encoded("gzip", b""), 400, "invalid_encoding"),
        case("23 br", encoded("br", &zipped), 415, "unsupported_encoding"),
        case("23 gzip twice", encoded("gzip, gzip", &twice), 415, "unsupported_encoding"),
        case(
            "23 two encodings",
            encoded("gzip", &zipped).with("content-encoding", "zstd"),
            415,
            "unsupported_encoding",
        ),
        Case {
            events: vec!["accepted"],
            ..case(
                "gzip",
                encoded("gzip", &gzip(batch(&[event("gz.1", json!({}))]).as_bytes())),
                202,
                "",
            )
        },
        Case {
            events: vec!["accepted"],
            ..case(
                "21 one body in two members",
                encoded("gzip", &in_two(&batch(&[event("gz.2", json!({}))]))),
                202,
                "",
            )
        },
        Case {
            events: vec!["accepted"],
            ..case(
                "zstd",
                encoded(
                    "ZSTD",
                    &zstd::stream::encode_all(batch(&[event("zs.1", json!({}))]).as_bytes(), 19)
                        .unwrap(),
                ),
                202,
                "",
            )
        },
        Case {
            events: vec!["accepted"],
            ..case(
                "identity",
                encoded("identity", batch(&[event("id.1", json!({}))]).as_bytes()),
                202,
                "",
            )
        },
    ]
}

fn documents(key: &str) -> Vec<Case> {
    let text = |name, body: &str, code| case(name, Request::batch(body).key(key), 400, code);
    let nested =
        |depth: usize| format!("{{\"events\":[{}{}]}}", "[".repeat(depth), "]".repeat(depth));
    let one = event("never", json!({})).to_string();
    let bytes = |body: &[u8]| Request::batch(body).key(key);
    vec![
        text("13 nothing", "", "invalid_json"),
        text("13 null", "null", "invalid_shape"),
        text("13 a string", "\"x\"", "invalid_shape"),
        text("13 a number", "42", "invalid_shape"),
        text("13 a bare list", "[]", "invalid_shape"),
        text("13 another object", "{}", "invalid_shape"),
        text("13 no list", "{\"events\":{}}", "invalid_shape"),
        text(
            "37 a field beside events",
            &format!("{{\"events\":[{one}],\"orgId\":\"bolt\"}}"),
            "unknown_field",
        ),
        text(
            "25 events twice",
            &format!("{{\"events\":[{one}],\"events\":[]}}"),
            "duplicate_field",
        ),
        text("14 no events", "{\"events\":[]}", "empty_batch"),
        case(
            "15 501 events",
            Request::batch(format!("{{\"events\":[{}]}}", vec!["{}"; 501].join(","))).key(key),
            413,
            "too_many_events",
        ),
        text("24 nested 9 deep", &nested(7), "too_deep"),
        text("24 nested 100,000 deep", &nested(100_000), "too_deep"),
        text("24 brackets alone", &"[".repeat(1_000_000), "too_deep"),
        case("26 no UTF-8", bytes(b"{\"events\":[{\"eventId\":\"\xff\"}]}"), 400, "invalid_json"),
        case(
            "26 overlong",
            bytes(b"{\"events\":[{\"eventId\":\"\xc0\xaf\"}]}"),
            400,
            "invalid_json",
        ),
        case(
            "26 a surrogate in UTF-8",
            bytes(b"{\"events\":[{\"eventId\":\"\xed\xa0\x80\"}]}"),
            400,
            "invalid_json",
        ),
        text("27 a byte order mark", &format!("\u{feff}{{\"events\":[{one}]}}"), "invalid_json"),
        text("27 something behind", &format!("{{\"events\":[{one}]}}x"), "invalid_json"),
        text("28 NaN", "{\"events\":[{\"severity\":NaN}]}", "invalid_json"),
        refused_text(
            "25 a field twice",
            key,
            r#"{"events":[{"eventId":"a","eventId":"b"}]}"#,
            "duplicate_field",
        ),
        refused_text(
            "26 half a surrogate pair",
            key,
            r#"{"events":[{"eventId":"\ud800"}]}"#,
            "invalid_json",
        ),
        refused_text("28 1e999", key, r#"{"events":[{"severity":1e999}]}"#, "invalid_number"),
        refused_text(
            "28 2^63",
            key,
            r#"{"events":[{"severity":9223372036854775808}]}"#,
            "invalid_number",
        ),
        refused_text("an event that is none", key, r#"{"events":[7]}"#, "invalid_shape"),
    ]
}

fn events(key: &str) -> Vec<Case> {
    let long = |bytes: usize| "x".repeat(bytes);
    let refused = |name, changes, code| refused(name, key, event("n.1", changes), code);
    let taken = |name, id: &str, changes, told| taken(name, key, event(id, changes), told);
    let two = |name, first: Value, second: Value, told: [&'static str; 2]| Case {
        events: told.to_vec(),
        ..case(name, Request::batch(batch(&[first, second])).key(key), 202, "")
    };
    let mail = format!("write {CANARY}@example.org");
    let label = |text: &str| json!({"element": {"key": text}});
    vec![
        refused("29 an empty id", json!({"eventId": ""}), "invalid_event_id"),
        refused("29 an id of 10 kB", json!({"eventId": long(10_000)}), "invalid_event_id"),
        refused("29 an id with a space", json!({"eventId": "a b"}), "invalid_event_id"),
        refused(
            "29 an id of the next hour",
            json!({"eventId": "0199c9c8-0000-7000-8000-000000000000"}),
            "event_id_time",
        ),
        refused(
            "29 an id of long ago",
            json!({"eventId": "018bcfe5-6800-7abc-8def-0123456789ab"}),
            "event_id_time",
        ),
        two(
            "30 one event twice",
            event("t.1", json!({})),
            event("t.1", json!({})),
            ["accepted", "duplicate"],
        ),
        two(
            "31 one id, two events",
            event("t.2", json!({})),
            event("t.2", json!({"severity": 1})),
            ["accepted", "id_collision"],
        ),
        two(
            "a bad event beside a good one",
            event("t.3", json!({"x": 1})),
            event("t.4", json!({})),
            ["unknown_field", "accepted"],
        ),
        taken(
            "28 -0 and 0.1",
            "v.0",
            json!({"severity": -0.0, "context": {"aiConfidence": 0.1}}),
            "accepted",
        ),
        taken(
            "35 six minutes ahead",
            "v.1",
            json!({"occurredAt": "2025-10-09T08:59:20Z"}),
            "accepted",
        ),
        taken("35 a day ago", "v.2", json!({"occurredAt": "2025-10-08T07:53:20Z"}), "accepted"),
        taken(
            "35 in the year 9999",
            "v.3",
            json!({"occurredAt": "9999-12-31T23:59:59Z"}),
            "accepted",
        ),
        taken("35 in the year 0", "v.4", json!({"occurredAt": "0000-01-01T00:00:00Z"}), "late"),
        taken("35 31 days ago", "v.5", json!({"occurredAt": "2025-09-08T00:00:00Z"}), "late"),
        taken("35 in a leap second", "v.6", json!({"occurredAt": "2016-12-31T23:59:60Z"}), "late"),
        refused(
            "35 without an offset",
            json!({"occurredAt": "2025-10-09T08:53:20"}),
            "invalid_timestamp",
        ),
        refused(
            "35 as a number",
            json!({"schemaVersion": "1.0", "occurredAt": 1_760_000_000_000_i64}),
            "invalid_type",
        ),
        taken(
            "36 an unknown type",
            "u.1",
            json!({"eventType": "friction.long_session"}),
            "unknown_event_type",
        ),
        taken(
            "36 a type in capitals",
            "u.2",
            json!({"eventType": "UI.CLICK"}),
            "unknown_event_type",
        ),
        taken(
            "43 a type that only looks like one",
            "u.3",
            json!({"eventType": "ui.сlick"}),
            "unknown_event_type",
        ),
        refused("37 an unknown field", json!({"deviceFingerprint": CANARY}), "unknown_field"),
        refused("37 a field that is somebody", json!({CANARY: 1}), "unknown_field"),
        refused("37 __proto__", json!({"__proto__": {"admin": true}}), "unknown_field"),
        refused("37 constructor", json!({"constructor": {}}), "unknown_field"),
        taken(
            "37 undeclared context",
            "x.1",
            json!({"context": {"email": mail, "__proto__": {}}}),
            "accepted",
        ),
        taken("38 an address in a key", "p.1", label(&mail), "accepted"),
        taken("38 a telephone number in a key", "p.2", label("call +31 6 12345678"), "accepted"),
        taken("38 an account in a key", "p.3", label("NL91 ABNA 0417 1643 00"), "accepted"),
        taken(
            "38 an address of the network",
            "p.4",
            json!({"context": {"appName": "192.168.7.44"}}),
            "accepted",
        ),
        taken(
            "38 a URL with a query",
            "p.5",
            json!({"screen": format!("https://x.example/u/{CANARY}%40?q={CANARY}")}),
            "accepted",
        ),
        taken("39 a formula", "c.1", label("=cmd|'/c calc'!A0"), "accepted"),
        refused("39 a formula led by a tab", label("\t=1+1"), "control_character"),
        taken("39 a full-width formula", "c.2", label("＝1+1"), "accepted"),
        refused("40 a forged log line", label("a\r\n{\"level\":\"ERROR\"}"), "control_character"),
        refused("40 an escape sequence", label("\u{1b}[2J"), "control_character"),
        refused("40 a NUL", label("a\0b"), "control_character"),
        taken("41 a script", "s.1", label("<script>alert(1)</script>"), "accepted"),
        taken("42 SQL", "s.2", label("'; DROP TABLE events; --"), "accepted"),
        refused("43 a change of direction", label("a\u{202e}b"), "control_character"),
        refused("43 an invisible space", label("a\u{200b}b"), "control_character"),
        refused("an event of more than 16 KiB", json!({"route": long(17_000)}), "event_too_large"),
        refused(
            "33 context keys",
            json!({"context": (0..33).map(|n| (format!("k{n}"), json!(n))).collect::<serde_json::Map<_, _>>()}),
            "too_many_keys",
        ),
        refused("a version of another age", json!({"schemaVersion": "2.0"}), "unsupported_version"),
        Case {
            events: vec!["accepted"],
            ..case(
                "44 another organisation in a header",
                Request::batch(batch(&[event("h.1", json!({"orgId": null}))]))
                    .key(key)
                    .with("x-org-id", "bolt")
                    .with("x-forwarded-for", "1.2.3.4"),
                202,
                "",
            )
        },
    ]
}

fn case(name: &'static str, request: Request, status: u16, code: &'static str) -> Case {
    Case { name, request, status, code, events: Vec::new() }
}

/// A request that is refused because its only event is.
fn refused(name: &'static str, key: &str, event: Value, code: &'static str) -> Case {
    refused_text(name, key, &batch(&[event]), code)
}

fn refused_text(name: &'static str, key: &str, body: &str, code: &'static str) -> Case {
    let request = Request::batch(body).key(key);
    Case { events: vec![code], ..case(name, request, 422, "nothing_acceptable") }
}

/// A request of one event that is taken.
fn taken(name: &'static str, key: &str, event: Value, told: &'static str) -> Case {
    let request = Request::batch(batch(&[event])).key(key);
    Case { events: vec![told], ..case(name, request, 202, "") }
}

/// One gzip body in two members.
fn in_two(text: &str) -> Vec<u8> {
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    [gzip(first), gzip(second)].concat()
}

/// Bytes that compress badly.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b'a' + u8::try_from((state >> 59) % 26).unwrap()
    })
    .take(bytes)
    .collect()
}
