//! The bus: what is put on it, and entries that it refused.

use contract::Timestamp;
use ports::bus::{Announcement, AnnouncementKind, Bus as _};
use serde_json::{Value, json};

use crate::{
    support::{Rig, acme},
    wire::Reply,
};

fn announcements(count: usize) -> Vec<Announcement> {
    let announcement = |number: usize| Announcement {
        id: format!("org.urgent/{number}"),
        kind: AnnouncementKind::OrgUrgent,
        org: acme(),
        at: Timestamp::from_ms(1_763_668_800_123),
        detail: None,
    };
    (0..count).map(announcement).collect()
}

fn ids(body: &Value) -> Vec<String> {
    let entries = body["Entries"].as_array().unwrap();
    let detail = |entry: &Value| serde_json::from_str::<Value>(entry["Detail"].as_str().unwrap());
    entries.iter().map(|entry| detail(entry).unwrap()["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_announcement_says_who_what_and_when() {
    standin::run(async {
        let rig = Rig::open().await;
        rig.cloud.publish(&announcements(1)).await.unwrap();
        let asked = rig.wire.asked("PutEvents").remove(0);
        let entry = &asked["Entries"][0];
        assert_eq!(entry["Source"], "tribometer");
        assert_eq!(entry["DetailType"], "org.urgent");
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let at = "2025-11-20T20:00:00.123Z";
        assert_eq!(detail, json!({"id": "org.urgent/0", "org": "acme", "at": at}));
        let mut closed = announcements(1);
        closed[0].detail = Some(r#"{"revision":2}"#.to_owned());
        rig.cloud.publish(&closed).await.unwrap();
        let asked = rig.wire.asked("PutEvents").remove(1);
        let text = asked["Entries"][0]["Detail"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap()["detail"], json!({"revision": 2}));
    });
}

#[test]
fn ten_entries_make_a_request_and_only_refused_ones_are_put_again() {
    standin::run(async {
        let rig = Rig::open().await;
        let mut entries = vec![json!({"EventId": "1"}); 10];
        entries[3] = json!({"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"});
        let half = json!({"FailedEntryCount": 1, "Entries": entries});
        rig.wire.script("PutEvents", Reply::Told(half));
        rig.cloud.publish(&announcements(12)).await.unwrap();
        let asked: Vec<_> = rig.wire.asked("PutEvents").iter().map(ids).collect();
        assert_eq!(asked[0].len(), 10);
        assert_eq!(asked[1], ["org.urgent/3"]);
        assert_eq!(asked[2], ["org.urgent/10", "org.urgent/11"]);
        assert_eq!(asked.len(), 3);
    });
}

#[test]
fn an_entry_that_stays_refused_is_a_failure_that_passes() {
    standin::run(async {
        let rig = Rig::open().await;
        let refused = json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]});
        (0..5).for_each(|_| rig.wire.script("PutEvents", Reply::Told(refused.clone())));
        let error = rig.cloud.publish(&announcements(1)).await.unwrap_err();
        assert!(error.transient && error.to_string().contains("InternalFailure"), "{error}");
    });
}
