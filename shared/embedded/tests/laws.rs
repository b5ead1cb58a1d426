//! The store keeps every promise of the ports, by itself and behind a decorator that never fails.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use embedded::{Durability, Options, Store};
use ports::{
    faulty::{FaultPlan, Faulty},
    steps::complete,
};
use tempfile::TempDir;

fn fresh() -> (Store, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Relaxed, shards: 3, ..Options::default() };
    let store = Store::open(directory.path(), options).unwrap();
    store.create_keys_if_absent().unwrap();
    (store, directory)
}

fn decorated() -> (Faulty<Store>, TempDir) {
    let (store, directory) = fresh();
    (Faulty::new(store, FaultPlan::none().stepwise()), directory)
}

ports::laws! { fresh: fresh, run: complete }

mod behind_a_decorator {
    use super::*;

    ports::laws! { fresh: decorated, run: complete }
}
