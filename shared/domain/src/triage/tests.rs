//! One table of records, and the rules of change records, horizons and bad deploys.

use contract::{limits::DAY_MS, staged::Bytes};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn arrival() -> Timestamp {
    Timestamp::parse("2026-02-12T10:00:00Z").unwrap()
}

fn event(changes: Value) -> Value {
    let mut fields = json!({
        "eventId": "e.1", "eventType": "friction.abandon", "occurredAt": "2026-02-12T09:59:00.000Z",
        "orgId": "acme", "traceComponent": "transparency",
    });
    let members = fields.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(key);
        } else {
            members.insert(key.clone(), value.clone());
        }
    }
    fields
}

fn read(record: &Value) -> Class {
    classify(record.to_string().as_bytes(), arrival())
}

fn admitted(class: Class) -> Admitted {
    let Class::Event(admitted) = class else { panic!("not an event: {class:?}") };
    *admitted
}

fn poisoned(class: Class) -> Poison {
    let Class::Poison(poison) = class else { panic!("not poison: {class:?}") };
    poison
}

fn row(body: Value) -> StagedEvent {
    StagedEvent {
        org_id: "acme".parse().unwrap(),
        product_id: Default::default(),
        event_id: "e.1".parse().unwrap(),
        body: body.to_string(),
        ck: 7,
        occurred_at: arrival().plus_ms(-60_000),
        staged_at: arrival().plus_ms(-1_000),
        expires_at: arrival().plus_ms(DAY_MS),
        rescues: 2,
    }
}

#[test]
fn an_event_is_admitted_with_its_ck_and_without_a_record() {
    let record = json!({"shard": "s", "sequence": "1", "arrivedAt": "2026-02-12T10:00:00Z"});
    let replayed = admitted(read(&event(json!({"record": record, "ck": "0000002a"}))));
    assert_eq!((replayed.ck, replayed.admission), (42, Admission::Forward));
    assert_eq!(replayed.event.record, None);

    let direct = admitted(read(&event(json!({"eventId": "018BCFE5-6800-4ABC-8DEF-0123456789AB"}))));
    assert_eq!(direct.event.event_id.as_str(), "018bcfe5-6800-4abc-8def-0123456789ab");
    assert_eq!(direct.event.ck, Some(ck_text(direct.ck)));
}

#[test]
fn bytes_that_are_no_record_are_poison_of_nobody() {
    let long = vec![b' '; RECORD_BYTES_MAX + 1];
    for (bytes, code, path) in [
        (&b"\xF3\x89\x9A\xC2\x0a\x01k"[..], "kpl_aggregated", None),
        (&long[..], "record_too_large", None),
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b"{}", "missing_field", Some("/eventId")),
        (b"\xff\xfe", "invalid_json", None),
        (b"{\"eventId\":\"\xff\"}", "invalid_json", None),
        (b"{\"eventId\":\"\\ud800\"}", "invalid_json", None),
        (b"{\"eventId\":\"e\"} x", "invalid_json", None),
        (b"{\"severity\":1e999}", "invalid_number", None),
        (b"42", "invalid_shape", None),
        (b"null", "invalid_shape", None),
        (br#"["1.0","e.1","ui.scroll","2026-02-12T09:00:00Z","acme"]"#, "invalid_shape", None),
    ] {
        let poison = poisoned(classify(bytes, arrival()));
        assert_eq!((poison.fault.code.as_str(), poison.fault.path.as_deref()), (code, path));
        assert_eq!((poison.org, poison.event_id, poison.terminal), (None, None, false));
    }
}

#[test]
fn an_event_that_is_refused_tells_whose_it_was() {
    let recorded = "2026-02-12T09:59:59Z";
    let padded = json!({"eventType": "x".repeat(17_000)});
    for (changes, code, path) in [
        (json!({"eventType": null}), "missing_field", Some("/eventType")),
        (json!({"eventType": "friction.unheard_of"}), "unknown_event_type", Some("/eventType")),
        (json!({"occurredAt": "yesterday"}), "invalid_timestamp", None),
        (json!({"occurredAt": 5}), "invalid_type", None),
        (json!({"severity": "3"}), "invalid_type", None),
        (json!({"anna": 1}), "unknown_field", None),
        (json!({"element": {"kind": "button"}}), "missing_field", None),
        (json!({"actorId": "anna@example.org"}), "raw_identifier", Some("/actorId")),
        (json!({"severity": 9}), "out_of_range", Some("/severity")),
        (json!({"occurredAt": "2026-01-01T00:00:00Z"}), "late", Some("/occurredAt")),
        (json!({"schemaVersion": "2.0"}), "unsupported_version", Some("/schemaVersion")),
        (padded, "unknown_event_type", Some("/eventType")),
    ] {
        for door in [json!(null), json!(recorded)] {
            let mut changes = changes.clone();
            changes["recordedAt"] = door.clone();
            let poison = poisoned(read(&event(changes.clone())));
            let fault = (poison.fault.code.as_str(), poison.fault.path.as_deref());
            assert_eq!(fault, (code, path), "{changes}");
            assert_eq!(poison.org, Some("acme".parse().unwrap()), "{changes}");
            assert_eq!(poison.event_id, Some("e.1".parse().unwrap()), "{changes}");
            assert_eq!(poison.terminal, door.is_string(), "{changes}");
        }
    }
}

#[test]
fn an_event_that_is_too_large_only_as_text_is_refused_like_at_the_door() {
    let mut text = event(json!({})).to_string();
    text.push_str(&" ".repeat(17_000));
    let poison = poisoned(classify(text.as_bytes(), arrival()));
    assert_eq!(poison.fault.code, Code::EventTooLarge);
    assert_eq!(poison.event_id, Some("e.1".parse().unwrap()));
}

#[test]
fn an_identifier_that_is_not_one_is_not_repeated() {
    let poison = poisoned(read(&event(json!({"orgId": "anna@example.org", "eventId": "a b"}))));
    assert_eq!((poison.org, poison.event_id), (None, None));
    let twice = br#"{"orgId":"acme","orgId":"other","eventId":"e.1"}"#;
    let poison = poisoned(classify(twice, arrival()));
    assert_eq!((poison.fault.code, poison.org), (Code::DuplicateField, None));
}

#[test]
fn an_event_from_the_future_is_clamped_and_flagged() {
    let ahead = admitted(read(&event(json!({"occurredAt": "2026-02-12T12:00:00Z"}))));
    assert_eq!(ahead.event.occurred_at, arrival().plus_ms(300_000));
    assert!(ahead.event.time_adjusted);
    let sent = event(json!({"occurredAt": "2026-02-12T12:00:00Z"}));
    assert_eq!(ahead.ck, crate::admit::ck(&serde_json::from_value(sent).unwrap()));
}

#[test]
fn an_insert_is_the_event_of_its_new_image() {
    let row = row(event(json!({})));
    let record = serde_json::to_value(ChangeRecord::insert(&row, arrival())).unwrap();
    let inserted = admitted(read(&record));
    assert_eq!((inserted.ck, inserted.admission), (7, Admission::Forward));
    assert_eq!(inserted.event.recorded_at, Some(row.staged_at));
}

#[test]
fn a_row_that_a_batch_took_and_a_row_that_changed_need_nothing() {
    let row = row(event(json!({})));
    let record = serde_json::to_value(ChangeRecord::removal(&row, arrival())).unwrap();
    assert_eq!(read(&record), Class::Ignored(Ignored::Taken));
    let mut changed = serde_json::to_value(ChangeRecord::insert(&row, arrival())).unwrap();
    changed["eventName"] = json!("MODIFY");
    assert_eq!(read(&changed), Class::Ignored(Ignored::Modified));
}

#[test]
fn a_row_that_ttl_removed_goes_back_for_another_day() {
    let row = row(event(json!({})));
    let record = serde_json::to_value(ChangeRecord::ttl_removal(&row, arrival())).unwrap();
    let expected = StagedEvent { rescues: 3, expires_at: arrival().plus_ms(DAY_MS), ..row };
    assert_eq!(read(&record), Class::Rescue(Box::new(expected)));
}

#[test]
fn a_change_record_without_the_image_it_needs_is_poison() {
    let row = row(event(json!({})));
    let insert = serde_json::to_value(ChangeRecord::insert(&row, arrival())).unwrap();
    let removal = serde_json::to_value(ChangeRecord::ttl_removal(&row, arrival())).unwrap();
    let other = row_of_another_event();
    let without = |mut record: Value, image: &str, attribute: &str| {
        record["dynamodb"][image].as_object_mut().unwrap().remove(attribute);
        record
    };
    for (record, path) in [
        (json!({"eventName": "INSERT", "dynamodb": {}}), Some("/dynamodb")),
        (without(insert.clone(), "NewImage", "body"), Some("/dynamodb")),
        (without(insert.clone(), "NewImage", "eventId"), Some("/dynamodb")),
        (without(removal, "OldImage", "ttl"), Some("/dynamodb")),
        (other, Some("/dynamodb/NewImage")),
        (json!({"eventName": "UPSERT", "dynamodb": {}}), Some("/eventName")),
        (json!({"eventName": "INSERT"}), None),
        (json!({"dynamodb": {}, "eventName": 5}), None),
        (json!({"x": 1, "dynamodb": {}}), None),
    ] {
        let poison = poisoned(read(&record));
        assert_eq!(poison.fault.code, Code::InvalidChangeRecord, "{record}");
        assert_eq!(poison.fault.path.as_deref(), path, "{record}");
    }
}

fn row_of_another_event() -> Value {
    let row = row(event(json!({"eventId": "e.2"})));
    serde_json::to_value(ChangeRecord::insert(&row, arrival())).unwrap()
}

#[test]
fn a_staged_event_that_is_refused_ends_here_unless_it_is_on_its_way() {
    for (changes, code) in [
        (json!({"actorId": "anna"}), Code::RawIdentifier),
        (json!({"eventType": "friction.x"}), Code::UnknownEventType),
    ] {
        let row = row(event(changes));
        let record = serde_json::to_value(ChangeRecord::insert(&row, arrival())).unwrap();
        let poison = poisoned(read(&record));
        assert_eq!((poison.fault.code, poison.terminal), (code, true));
        assert_eq!(poison.event_id, Some(row.event_id));
    }
}

#[test]
fn a_collision_is_never_the_end_of_its_id() {
    let stored = admitted(read(&event(json!({"recordedAt": arrival().to_string()}))));
    assert!(stored.refused(Fault::new(Code::Late)).terminal);
    assert!(!stored.refused(Fault::new(Code::IdCollision)).terminal);
    let direct = admitted(read(&event(json!({}))));
    assert!(!direct.refused(Fault::new(Code::Late)).terminal);
}

#[test]
fn the_outline_of_a_record_tells_whose_it_was() {
    let fault = || Fault::new(Code::Panicked);
    let row = row(event(json!({})));
    let insert = serde_json::to_vec(&ChangeRecord::insert(&row, arrival())).unwrap();
    let plain = event(json!({"recordedAt": arrival().to_string()})).to_string();
    let direct = event(json!({})).to_string();
    for (bytes, terminal) in
        [(&insert[..], true), (plain.as_bytes(), true), (direct.as_bytes(), false)]
    {
        let poison = Poison::outlined(bytes, fault());
        assert_eq!((&poison.event_id, poison.terminal), (&Some(row.event_id.clone()), terminal));
    }
    for bytes in [&b"\xff"[..], b"{\"dynamodb\":{}}"] {
        assert_eq!(Poison::outlined(bytes, fault()), Poison::new(fault()));
    }
}

#[test]
fn the_order_of_keys_does_not_decide_what_a_record_is() {
    let row = row(event(json!({})));
    let insert = serde_json::to_string(&ChangeRecord::insert(&row, arrival())).unwrap();
    let reordered = format!(r#"{{"later":0,{}"#, &insert[1..]);
    assert_eq!(classify(reordered.as_bytes(), arrival()), classify(insert.as_bytes(), arrival()));
}

#[test]
fn a_sealed_record_is_set_aside_as_it_is() {
    let sealed = SealedRecord {
        org_id: "acme".parse().unwrap(),
        event_id: "e.1".parse().unwrap(),
        reason: Code::UnknownEventType,
        ck: "0000002a".to_owned(),
        recorded_at: arrival(),
        sealed: Bytes(vec![1, 2, 3]),
    };
    let record = serde_json::to_value(&sealed).unwrap();
    assert_eq!(read(&record), Class::Sealed(sealed));
    let mut broken = record;
    broken["sealed"] = json!("%%%");
    let poison = poisoned(read(&broken));
    assert_eq!(poison.org, Some("acme".parse().unwrap()));
    assert!(poison.terminal);
}

#[test]
fn a_collided_record_is_poison_of_its_own_kind_and_never_an_event() {
    let (org, id) = ("acme".parse().unwrap(), "e.1".parse().unwrap());
    for body in [event(json!({})), json!({"sealed": "AQID"}), json!({})] {
        let record = crate::intake::collided(&org, &id, body.to_string().as_bytes());
        let poison = poisoned(classify(&record, arrival()));
        assert_eq!(poison.fault, collision(), "{body}");
        assert_eq!((poison.org, poison.event_id), (Some(org.clone()), Some(id.clone())));
        assert!(!poison.terminal, "the id goes on with the first body");
        assert!(String::from_utf8(record).unwrap().contains(&body.to_string()));
    }
    assert_eq!(crate::intake::collided(&org, &id, b"{"), b"{", "what nobody reads stays as it is");
    let more = json!({"orgId": "acme", "eventId": "e.1", "collided": {}, "more": 1});
    assert_eq!(poisoned(read(&more)).fault.code, Code::UnknownField);
}

#[test]
fn a_record_older_than_the_horizon_is_late_whatever_its_door_said() {
    let class = || read(&event(json!({"recordedAt": arrival().to_string()})));
    let horizon = arrival().plus_ms(30 * DAY_MS);
    assert_eq!(class().at(arrival(), horizon), class());
    let poison = poisoned(class().at(arrival(), horizon.plus_ms(1)));
    assert_eq!((poison.fault.code, poison.terminal), (Code::Late, true));
    let ignored = Class::Ignored(Ignored::Taken);
    assert_eq!(ignored.clone().at(arrival(), horizon.plus_ms(1)), ignored);
}

#[test]
fn half_a_batch_of_twenty_is_a_bad_deploy_and_less_is_bad_data() {
    let good = || read(&event(json!({})));
    let bad = || classify(b"{", arrival());
    let late = || read(&event(json!({"occurredAt": "2026-01-01T00:00:00Z"})));
    let batch = |goods: usize, bads: usize, lates: usize| {
        let classes: Vec<Class> = (0..goods)
            .map(|_| good())
            .chain((0..bads).map(|_| bad()))
            .chain((0..lates).map(|_| late()))
            .collect();
        is_systemic(&classes)
    };
    assert!(batch(10, 10, 0));
    assert!(!batch(11, 10, 0));
    assert!(!batch(9, 10, 0), "too few records to tell");
    assert!(!batch(1, 0, 30), "late events are no deploy");
    assert!(batch(0, 20, 0));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = classify(&bytes, arrival());
    }

    #[test]
    fn a_cut_or_changed_record_is_never_another_organisations_event(
        cut in 0_usize..400, at in 0_usize..400, byte in any::<u8>()
    ) {
        let row = row(event(json!({})));
        let insert = serde_json::to_string(&ChangeRecord::insert(&row, arrival())).unwrap();
        let mut bytes = insert.into_bytes();
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Class::Event(admitted) = classify(&bytes, arrival()) {
            let row_org = change::row(
                serde_json::from_slice::<ChangeRecord<'_>>(&bytes).unwrap().dynamodb.new_image.as_ref().unwrap(),
            );
            prop_assert_eq!(admitted.event.org_id, row_org.unwrap().org_id);
        }
    }

    #[test]
    fn the_share_alone_decides_from_twenty_records_on(goods in 0_usize..60, bads in 0_usize..60) {
        let classes: Vec<Class> = (0..goods)
            .map(|_| Class::Ignored(Ignored::Taken))
            .chain((0..bads).map(|_| classify(b"{", arrival())))
            .collect();
        prop_assert_eq!(is_systemic(&classes), goods + bads >= 20 && bads >= goods);
    }
}
