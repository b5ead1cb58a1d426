//! Posting: each thing once, whoever posts, dies, or loses answers.

use std::collections::BTreeMap;

use aws::{Cloud, resources::Resource};
use aws_sdk_dynamodb::types::AttributeValue;
use friction::cells;
use ports::{
    PortResult,
    sessions::{Heads as _, Notices as _, Sessions as _, SweepOutcome},
};
use standin::{
    Corner,
    proxy::{Fault, Weather},
};

use crate::support::{
    ALL, at, cells, committed, incident, items, notice, owner, session, summed, sweep, text,
};

/// Whatever happens to requests and their answers, the sums are exact in the end.
#[test]
fn nothing_is_lost_or_doubled_when_requests_and_answers_are() {
    standin::run(async {
        for seed in 0..8 {
            let corner = Corner::open().await;
            let clear = corner.cloud();
            let weather = Weather::of(seed, 25, Fault::QUICK);
            let (cloud, _ways) = corner.behind(weather).await;
            let mut expected = cells::Cells::new();
            let mut told = 0;
            for number in 0..6 {
                let anna = owner(&format!("anna.{}", number % 3));
                let session = session(&anna, number * 1_000);
                let names = (0..40).map(|name| format!("/screens/{}", name + number));
                let mut sweep = sweep(&clear, &anna).await;
                sweep.cells = cells(&anna, names);
                sweep.incidents = (0..30).map(|number| incident(&session, number)).collect();
                sweep.notices = vec![notice(&session, 1, "{}")];
                sweep.sessions = vec![session];
                cells::merge(&mut expected, &sweep.cells);
                told += sweep.notices.len();
                // A sweeper that hears nothing looks at the head again.
                let (owner, version) = (sweep.owner.clone(), sweep.version);
                while clear.head(&owner).await.unwrap().unwrap().version == version {
                    drop(cloud.commit(sweep.clone()).await);
                }
                drop(cloud.post(ALL).await);
            }
            while !matches!(cloud.post(ALL).await, PortResult::Ok(0)) {}
            assert_eq!(summed(&clear).await, expected, "seed {seed}");
            assert_eq!(clear.unsent(100).await.unwrap().len(), told, "seed {seed}");
            let found = items(&corner).await;
            let of = |prefix: &str| {
                found.iter().filter(|item| text(item, "sk").starts_with(prefix)).count()
            };
            assert_eq!((of("I#"), of("S#")), (180, 6), "seed {seed}");
            assert!(!found.iter().any(|item| text(item, "pk").starts_with("J#")), "seed {seed}");
        }
    });
}

#[test]
fn many_who_post_at_once_post_each_thing_once() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let mut expected = cells::Cells::new();
        for number in 0..30 {
            let anna = owner(&format!("anna.{number}"));
            let names = (0..25).map(|name| format!("/screens/{}", name + number / 2));
            let mut sweep = sweep(&cloud, &anna).await;
            sweep.cells = cells(&anna, names);
            cells::merge(&mut expected, &sweep.cells);
            committed(&cloud, sweep).await;
        }
        let posters: Vec<Cloud> = (0..4).map(|_| corner.cloud()).collect();
        let posted = futures::future::join_all(posters.iter().map(|cloud| cloud.post(ALL))).await;
        let posted: usize = posted.into_iter().map(Result::unwrap).sum();
        assert_eq!(posted, 30, "each commit once");
        assert_eq!(summed(&cloud).await, expected);
    });
}

/// Two commits of one owner, of which a reader of the lane saw the later one only.
#[test]
fn what_was_said_later_stays_whatever_is_posted_last() {
    standin::run(async {
        let corner = Corner::open().await;
        let (cloud, table) = (corner.cloud(), corner.name(Resource::Sessions));
        let anna = owner("anna");
        let session = session(&anna, 0);
        let mut said = incident(&session, 1);
        let mut first = sweep(&cloud, &anna).await;
        first.incidents = vec![said.clone(), incident(&session, 2)];
        committed(&cloud, first).await;
        let found = items(&corner).await;
        let journal: Vec<_> =
            found.iter().filter(|item| text(item, "pk").starts_with("J#")).collect();
        said.revision = 2;
        let mut second = sweep(&cloud, &anna).await;
        second.incidents = vec![said.clone()];
        let hidden = journal[0].clone();
        let key = ["pk", "sk"].map(|name| (name.to_owned(), hidden[name].clone()));
        let tables = corner.access().dynamodb();
        let delete = tables.delete_item().table_name(table).set_key(Some(key.into()));
        delete.send().await.unwrap();
        committed(&cloud, second).await;
        assert_eq!(cloud.post(ALL).await.unwrap(), 1);
        tables.put_item().table_name(table).set_item(Some(hidden)).send().await.unwrap();
        assert_eq!(cloud.post(ALL).await.unwrap(), 1);
        let stored = cloud.stored(&anna, at(0)).await.unwrap();
        assert_eq!(stored.incidents, [said, incident(&session, 2)]);
    });
}

#[test]
fn an_entry_that_nobody_can_read_is_in_nobodys_way() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let mut sweep = sweep(&cloud, &anna).await;
        sweep.cells = cells(&anna, ["/a".to_owned()]);
        let expected = sweep.cells.clone();
        committed(&cloud, sweep).await;
        let found = items(&corner).await;
        let lane = found.iter().find(|item| text(item, "pk").starts_with("J#")).unwrap();
        let put = |sk: &str| {
            let mut alien = lane.clone();
            alien.insert("sk".to_owned(), AttributeValue::S(sk.to_owned()));
            alien.insert("body".to_owned(), AttributeValue::B(b"no gzip".to_vec().into()));
            corner.access().dynamodb().put_item().set_item(Some(alien))
        };
        for number in 0..60 {
            let table = corner.name(Resource::Sessions);
            put(&format!("acme#a#{number:03}")).table_name(table).send().await.unwrap();
        }
        assert_eq!(cloud.post(ALL).await.unwrap(), 1);
        assert_eq!(summed(&cloud).await, expected);
    });
}

/// A commit that came too late leaves nothing behind, whatever its size.
#[test]
fn a_stale_commit_leaves_nothing_behind() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let session = session(&anna, 0);
        let mut stale = sweep(&cloud, &anna).await;
        stale.incidents = (0..400).map(|number| incident(&session, number)).collect();
        stale.sessions = vec![session];
        sweep(&cloud, &anna).await;
        assert_eq!(cloud.commit(stale).await.unwrap(), SweepOutcome::Stale);
        let mut left = BTreeMap::new();
        for item in items(&corner).await {
            *left.entry(text(&item, "sk").to_owned()).or_insert(0) += 1;
        }
        assert_eq!(left, BTreeMap::from([("HEAD".to_owned(), 1)]));
    });
}
