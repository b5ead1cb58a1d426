//! Watches, turns, and the way to listeners.

use std::collections::BTreeSet;

use contract::Timestamp;
use friction::owner::Owner;

use super::decorate;
use crate::watches::{Ending, Listeners, Posted, Taking, Turn, Turns, Watch, Watched, Watches};

decorate!("watches", Watches {
    fn watch(watch: &Watch) -> ();
    fn unwatch(connection: &str) -> ();
    fn watch_of(connection: &str) -> Option<Watch>;
});

decorate!("watched", Watched {
    fn watched(now: Timestamp) -> BTreeSet<Owner>;
    fn watches(owner: &Owner) -> Vec<Watch>;
});

decorate!("turns", Turns {
    fn take_turn(watch: &Watch, now: Timestamp, until: Timestamp) -> Taking;
    fn end_turn(watch: &Watch, turn: &Turn, told: Option<&str>) -> Ending;
});

decorate!("listeners", Listeners {
    fn post(connection: &str, text: &str) -> Posted;
    fn hang_up(connection: &str) -> ();
});
