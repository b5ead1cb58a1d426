//! What expires, and when; and what does not.

use friction::change::{SessionState, StoredSession, Sweep};
use ports::sessions::{Arming, Heads as _, Sessions as _};
use standin::Corner;

use crate::support::{
    ALL, at, cells, committed, incident, items, notice, owner, session, sweep, text,
};

/// Nothing that waits for somebody expires, and nothing else stays for ever.
#[test]
fn what_waits_does_not_expire_and_everything_else_does() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let session = session(&anna, 0);
        let full = Sweep {
            incidents: vec![incident(&session, 1)],
            cells: cells(&anna, ["/a".to_owned()]),
            notices: vec![notice(&session, 1, "{}")],
            sessions: vec![session],
            due_at: Some(at(900)),
            ..sweep(&cloud, &anna).await
        };
        committed(&cloud, full).await;
        let waits =
            |sk: &str, pk: &str| sk == "HEAD" || pk.starts_with("J#") || pk.starts_with("O#");
        for item in items(&corner).await {
            let waits = waits(text(&item, "sk"), text(&item, "pk"));
            assert_eq!(item.contains_key("ttl"), !waits, "{item:?}");
        }
        cloud.post(ALL).await.unwrap();
        // Nothing is due any more; then something is.
        committed(&cloud, sweep(&cloud, &anna).await).await;
        let head = async || {
            let all = items(&corner).await;
            all.into_iter().find(|item| text(item, "sk") == "HEAD").unwrap()
        };
        let idle = head().await;
        assert!(idle.contains_key("ttl") && !idle.contains_key("due_at"));
        let arming = Arming { owner: anna.clone(), dirty_from: at(0), due_at: at(1) };
        cloud.arm(&[arming]).await.unwrap();
        let due = head().await;
        assert!(!due.contains_key("ttl") && due.contains_key("due_at"));
    });
}

/// What nobody asks for is in no index.
#[test]
fn what_is_superseded_or_retracted_is_in_no_list() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let closed = session(&anna, 0);
        let hurt = incident(&closed, 1);
        let say = async |session: StoredSession, incident| {
            let said = Sweep {
                sessions: vec![session],
                incidents: vec![incident],
                ..sweep(&cloud, &anna).await
            };
            committed(&cloud, said).await;
            cloud.post(ALL).await.unwrap();
            let all = items(&corner).await;
            all.iter().filter(|item| item.contains_key("list")).count()
        };
        assert_eq!(say(closed.clone(), hurt.clone()).await, 2);
        let gone = StoredSession { state: SessionState::Superseded, revision: 2, ..closed };
        let mut healed = hurt;
        (healed.retracted, healed.revision) = (true, 2);
        assert_eq!(say(gone, healed).await, 0);
    });
}

#[test]
fn a_session_of_more_than_a_cut_is_refused() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let mut long = session(&anna, 0);
        long.session.ended_at = at(12 * 3_600).plus_ms(1);
        let sweep = Sweep { sessions: vec![long], ..sweep(&cloud, &anna).await };
        assert!(!cloud.commit(sweep).await.unwrap_err().transient);
    });
}
