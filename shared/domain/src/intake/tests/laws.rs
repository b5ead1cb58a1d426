//! The laws of reading, on generated events.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,300}") {
        let _ = Setting::new(&["acme"]).read(&text);
    }

    #[test]
    fn any_value_in_any_field_is_read_or_refused_without_a_panic(field in fields(), value in anything(), kind in kinds()) {
        let mut event: Value = serde_json::from_str(&raw(kind.as_str(), &json!({}))).unwrap();
        set(&mut event, field, value);
        let setting = Setting::new(&["acme"]);
        let first = setting.read(&event.to_string());
        prop_assert_eq!(&first, &setting.read(&event.to_string()));
        if let Outcome::Ready(ready) = first {
            let judged = admit::admit(&ready.event, now()).map_err(|fault| fault.code);
            prop_assert_eq!(judged, match ready.course {
                Course::Admitted(admission) => Ok(admission),
                Course::Late => Err(Code::Late),
            });
            let encoded = serde_json::to_string(&ready.event).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Event>(&encoded).unwrap(), &ready.event);
            prop_assert_eq!(admit::ck_of(&ready.event), ready.ck);
        }
    }

    #[test]
    fn no_raw_identifier_is_left(secret in "[a-z]{6}[0-9]{6}[a-z]{4}", kind in kinds(), mail in any::<bool>()) {
        let id = |slot: &str| if mail { format!("{secret}{slot}@example.org") } else { format!("{secret}.{slot} !") };
        let changes = json!({
            "eventId": null, "idempotencyKey": id("a"), "actorId": id("b"), "sessionId": id("c"),
            "task": {"name": "buy", "id": id("d")}, "object": {"type": "claim", "id": id("e")},
            "screen": format!("https://{secret}:pw@x.example/u/{secret}4711?q={secret}#{secret}"),
            "route": format!("/u/{secret}4711@x"),
            "context": {secret.clone(): 1, "note": secret, "url": format!("/c/{secret}%20")},
        });
        let text = raw(kind.as_str(), &changes);
        let read = ready(Setting::new(&["acme"]).read(&text));
        let encoded = serde_json::to_string(&read.event).unwrap();
        prop_assert!(!encoded.contains(&secret), "{}", encoded);
        let shown = format!("{read:?}");
        prop_assert!(!shown.contains(&secret));
    }

    #[test]
    fn mail_addresses_survive_in_no_text(name in "[a-z]{8}", kind in kinds()) {
        let mail = format!("{name}@example.org");
        let changes = json!({
            "correlationId": mail, "causationId": mail, "element": {"key": mail, "kind": mail},
            "task": {"name": mail}, "object": {"type": mail, "id": mail}, "error": {"code": mail, "category": mail},
            "signals": {"behavioralIndicators": [mail], "suggestedPattern": {"id": mail, "name": mail, "description": format!("mail {mail} now")}},
            "assignment": {"experimentId": mail, "variantId": mail, "assignedAt": now().to_string()},
            "source": {"service": mail, "version": mail, "region": mail},
            "context": {"feature": mail, "fetchError": format!("for {mail}"), "complianceFlags": [mail], "concepts": [mail]},
        });
        let read = ready(Setting::new(&["acme"]).read(&raw(kind.as_str(), &changes)));
        prop_assert!(!serde_json::to_string(&read.event).unwrap().contains(&name));
    }

    #[test]
    fn the_checksum_does_not_depend_on_order_and_white_space(kind in kinds(), seed in any::<u64>()) {
        let changes = json!({"actorId": "anna", "context": {"feature": "a", "locale": "de", "teamId": "t"}});
        let event: Value = serde_json::from_str(&raw(kind.as_str(), &changes)).unwrap();
        let setting = Setting::new(&["acme"]);
        let first = ready(setting.read(&event.to_string()));
        let second = ready(setting.read(&shuffled(&event, seed)));
        prop_assert_eq!(first, second);
    }
}

fn kinds() -> impl Strategy<Value = EventType> {
    prop::sample::select(EventType::ALL)
}

/// Every place that an event has, and a few that it has not.
fn fields() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "schemaVersion",
        "eventId",
        "eventType",
        "occurredAt",
        "orgId",
        "productId",
        "sessionId",
        "actorId",
        "correlationId",
        "causationId",
        "idempotencyKey",
        "traceComponent",
        "severity",
        "screen",
        "route",
        "element",
        "element/key",
        "element/kind",
        "element/x",
        "task",
        "task/name",
        "task/id",
        "object",
        "object/type",
        "object/id",
        "error",
        "error/code",
        "error/latencyMs",
        "context",
        "context/feature",
        "context/aiConfidence",
        "context/complianceFlags",
        "context/url",
        "context/fetchError",
        "context/crawledAt",
        "context/sessionDuration",
        "context/durationMs",
        "context/role",
        "signals",
        "signals/suggestedTaxonomy",
        "signals/suggestedSeverity",
        "signals/confidence",
        "signals/behavioralIndicators",
        "signals/suggestedPattern",
        "signals/suggestedPattern/description",
        "assignment",
        "assignment/assignedAt",
        "source",
        "source/version",
        "consent",
        "consent/analytics",
        "consent/forward",
        "recordedAt",
        "ck",
        "record",
        "timeAdjusted",
        "timestamp",
        "ts",
        "userId",
        "frictionSignals",
        "x",
    ])
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2_i64..12).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0.0..1.0_f64).prop_map(Value::from),
        "\\PC{0,80}".prop_map(Value::from),
        "[a-zA-Z0-9._:/-]{0,300}".prop_map(Value::from),
        "[PTOGRECX][0-9]\\.[0-9]".prop_map(Value::from),
        (0..60 * DAY_MS).prop_map(|ms| now().plus_ms(DAY_MS - ms).to_string().into()),
        "https?://[a-z]{1,8}/([a-z0-9@%]{1,12}/){0,4}\\?[a-z=]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(
                "key|kind|name|id|type|code|analytics|[a-z]{1,3}",
                inner,
                0..4
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn set(event: &mut Value, field: &str, value: Value) {
    let mut place = event;
    for name in field.split('/') {
        if !place.is_object() {
            *place = json!({});
        }
        place = place.as_object_mut().unwrap().entry(name).or_insert(Value::Null);
    }
    *place = value;
}

/// The same value with its members in another order and white space between them.
fn shuffled(value: &Value, seed: u64) -> String {
    match value {
        Value::Object(members) => {
            let mut texts: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    format!("\n \"{name}\"\t: {}", shuffled(value, seed.rotate_left(7)))
                })
                .collect();
            let length = texts.len().max(1);
            texts.rotate_left(usize::try_from(seed % 97).unwrap() % length);
            if seed.is_multiple_of(2) {
                texts.reverse();
            }
            format!("{{{} }}", texts.join(" ,"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            value.to_string()
        }
    }
}
