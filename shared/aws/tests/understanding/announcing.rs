//! Notices: after what they tell is posted, in their order, and none in the way of the others.

use friction::change::{Notice, Sweep};
use ports::sessions::{Notices as _, Sessions as _, SweepOutcome};
use serde_json::json;
use standin::Corner;

use crate::support::{ALL, cells, committed, items, notice, owner, session, sweep, text};

fn ids(notices: &[Notice]) -> Vec<String> {
    notices.iter().map(|notice| notice.id.clone()).collect()
}

#[test]
fn nothing_is_announced_before_it_can_be_read() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let session = session(&anna, 0);
        let notices = vec![notice(&session, 1, "{}")];
        let full = Sweep {
            cells: cells(&anna, ["/a".to_owned()]),
            notices: notices.clone(),
            sessions: vec![session],
            ..sweep(&cloud, &anna).await
        };
        committed(&cloud, full).await;
        assert_eq!(cloud.unsent(10).await.unwrap(), []);
        cloud.post(ALL).await.unwrap();
        assert_eq!(cloud.unsent(10).await.unwrap(), notices);
    });
}

/// More than an item takes, in an order that ids do not tell.
#[test]
fn many_notices_of_one_commit_are_sent_piece_by_piece_in_order() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let session = session(&anna, 0);
        let all: Vec<_> = (0..450).map(|number| notice(&session, 900 - number, "{}")).collect();
        let (first, rest) = all.split_at(330);
        for notices in [first, rest] {
            let told = Sweep { notices: notices.to_vec(), ..sweep(&cloud, &anna).await };
            committed(&cloud, told).await;
        }
        let mut heard = Vec::new();
        for round in 0.. {
            // Every other time another process reads what this one sends.
            let reader = if round % 2 == 0 { cloud.clone() } else { corner.cloud() };
            let unsent = reader.unsent(70).await.unwrap();
            if unsent.is_empty() {
                break;
            }
            // Some of them only, and not the first.
            let some = if round % 3 == 0 && unsent.len() > 9 { &unsent[..9] } else { &unsent[..] };
            cloud.send(some).await.unwrap();
            heard.extend(ids(some));
        }
        assert_eq!(heard, ids(&all));
        let left = items(&corner).await;
        assert_eq!(left.iter().map(|item| text(item, "sk")).collect::<Vec<_>>(), ["HEAD"]);
    });
}

#[test]
fn two_who_send_a_half_each_leave_nothing() {
    standin::run(async {
        let corner = Corner::open().await;
        let (one, other) = (corner.cloud(), corner.cloud());
        let anna = owner("anna");
        let session = session(&anna, 0);
        let notices: Vec<_> = (0..6).map(|number| notice(&session, number, "{}")).collect();
        committed(&one, Sweep { notices, ..sweep(&one, &anna).await }).await;
        let (read, read_too) = (one.unsent(9).await.unwrap(), other.unsent(9).await.unwrap());
        one.send(&read[..3]).await.unwrap();
        other.send(&read_too[3..]).await.unwrap();
        assert_eq!(one.unsent(9).await.unwrap(), []);
        let left = items(&corner).await;
        assert_eq!(left.iter().map(|item| text(item, "sk")).collect::<Vec<_>>(), ["HEAD"]);
    });
}

/// The bus takes 256 KB a call: what is larger names what it leaves out.
#[test]
fn a_notice_that_the_bus_would_not_take_does_not_stay_in_the_way() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let session = session(&anna, 0);
        let of = |bytes: usize| json!({"revision": 1, "session": "x".repeat(bytes)}).to_string();
        let sizes = [300_000, 10, 230_000, 230_000, 100_000];
        let notices: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(number, bytes)| notice(&session, number, &of(*bytes)))
            .collect();
        let told = Sweep { notices: notices.clone(), ..sweep(&cloud, &anna).await };
        committed(&cloud, told).await;
        let mut heard = Vec::new();
        loop {
            let unsent = cloud.unsent(100).await.unwrap();
            if unsent.is_empty() {
                break;
            }
            cloud.send(&unsent).await.unwrap();
            heard.extend(unsent);
        }
        assert_eq!(heard[0].detail, r#"{"omitted":["session"],"revision":1}"#);
        assert_eq!(heard[1..], notices[1..]);
        assert_eq!(ids(&heard), ids(&notices));
        let unknown = Notice { kind: "session.lost".to_owned(), ..notice(&session, 9, "{}") };
        let unknown = Sweep { notices: vec![unknown], ..sweep(&cloud, &anna).await };
        assert!(!cloud.commit(unknown.clone()).await.unwrap_err().transient);
        let empty = Sweep { notices: Vec::new(), ..unknown };
        assert_eq!(cloud.commit(empty).await.unwrap(), SweepOutcome::Committed);
    });
}
