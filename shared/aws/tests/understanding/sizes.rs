//! What no item and no transaction holds.

use contract::session::ScreenVisit;
use friction::{cells::Cell, change::Sweep};
use ports::{
    chance::Chance,
    sessions::{
        IncidentQuery, Notices as _, SessionQuery, Sessions as _, Span, Stored, Understanding as _,
    },
};
use standin::Corner;

use crate::support::{
    ALL, at, cells, committed, incident, items, notice, owner, session, summed, sweep, text,
};

/// Forty-five sessions, five of them of thousands of screens with names that do not compress, thousands of incidents and
/// cells: some 20 MB, where a transaction takes four and an item 0.4.
#[test]
fn the_largest_sweep_is_committed_and_posted() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let anna = owner("anna");
        let mut chance = Chance::of(5);
        let mut name = || -> String {
            (0..120).map(|_| char::from(b'!' + u8::try_from(chance.below(90)).unwrap())).collect()
        };
        let mut sessions: Vec<_> = (0..45).map(|number| session(&anna, number * 1_800)).collect();
        for (number, stored) in sessions.iter_mut().enumerate() {
            let screens = if number % 9 == 0 { 5_000 } else { 250 };
            stored.session.screens =
                (0..screens).map(|_| (name(), ScreenVisit::default())).collect();
        }
        let detail = serde_json::json!({"session": sessions[0].session, "before": null});
        let names: Vec<String> = sessions[9].session.screens.keys().take(1_500).cloned().collect();
        let full = Sweep {
            incidents: (0..2_500).map(|number| incident(&sessions[0], number)).collect(),
            cells: cells(&anna, names),
            notices: (0..400)
                .map(|number| notice(&sessions[0], number, if number == 7 { "{}" } else { "[]" }))
                .chain([notice(&sessions[0], 400, &detail.to_string())])
                .collect(),
            sessions,
            ..sweep(&cloud, &anna).await
        };
        committed(&cloud, full.clone()).await;
        let expected = Stored { sessions: full.sessions, incidents: full.incidents };
        assert!(cloud.stored(&anna, at(0)).await.unwrap() == expected, "before it is posted");
        let posted = cloud.post(ALL).await.unwrap();
        assert!(posted > 40, "in many slices: {posted}");
        assert!(cloud.stored(&anna, at(0)).await.unwrap() == expected, "after it is posted");
        assert!(summed(&cloud).await == full.cells);
        let span = Span { org: anna.org.clone(), product: None, from: at(0), to: at(90_000) };
        let query = SessionQuery { span: span.clone(), state: None, after: None, limit: 50 };
        let mut found = cloud.sessions(&query).await.unwrap();
        found.reverse();
        assert!(found == expected.sessions);
        let query = IncidentQuery { span, rule: None, session: None, after: None, limit: 9_000 };
        assert_eq!(cloud.incidents(&query).await.unwrap().len(), 2_500);
        let mut heard = 0;
        loop {
            let unsent = cloud.unsent(100).await.unwrap();
            if unsent.is_empty() {
                break;
            }
            heard += unsent.len();
            cloud.send(&unsent).await.unwrap();
        }
        assert_eq!(heard, 401);
        // What was posted and sent is gone; what sessions are made of is not.
        let left = items(&corner).await;
        assert!(
            !left
                .iter()
                .any(|item| ["J#", "O#"].iter().any(|kind| text(item, "pk").starts_with(kind)))
        );
        let parts = left.iter().filter(|item| text(item, "pk").starts_with("P#")).count();
        assert!((5..40).contains(&parts), "{parts} parts");
    });
}

/// A cell of more numbers than one update takes is added to in several.
#[test]
fn a_cell_of_many_sums_is_added_to_in_parts() {
    standin::run(async {
        let corner = Corner::open().await;
        let cloud = corner.cloud();
        let mut expected = friction::cells::Cells::new();
        for token in ["anna", "ben", "cleo"] {
            let owner = owner(token);
            let mut change = cells(&owner, ["/a".to_owned(), "/b".to_owned()]);
            for (number, cell) in change.values_mut().enumerate() {
                *cell = Cell { note: Some("n".to_owned()), ..Cell::default() };
                for sum in 0..(if number == 0 { 600 } else { 180 }) {
                    cell.add(&format!("t.{token}.{sum}"), 1);
                }
                (0..64).for_each(|slot| cell.see(slot));
            }
            friction::cells::merge(&mut expected, &change);
            committed(&cloud, Sweep { cells: change, ..sweep(&cloud, &owner).await }).await;
        }
        cloud.post(ALL).await.unwrap();
        assert_eq!(summed(&cloud).await, expected);
    });
}
