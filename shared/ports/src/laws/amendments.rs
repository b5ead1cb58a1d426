//! Laws of changes of cells that no session makes.

use contract::ProductId;
use friction::{
    cells::{CellKey, CellKind, Cells},
    change::Sweep,
    owner::Owner,
};

use super::{
    moments::{always, cell, cell_key, commit, minute, owner, post, sweep},
    ok,
    sample::org,
    there,
};
use crate::sessions::{Amendments, Heads, Sessions, Sums, SweepOutcome};

async fn summed<W: Sums>(world: &W, tenant: &str) -> Cells {
    let mut all = Cells::new();
    for kind in CellKind::ALL {
        all.extend(ok(world.cells(&always(tenant), kind).await));
    }
    all
}

fn of_product(owner: &Owner, product: &str) -> Owner {
    Owner { product: there(ProductId::parse(product).ok(), "a product"), ..owner.clone() }
}

/// "Adds `change` to the cells, all of it or nothing, once for each `name`."
pub async fn an_amendment_is_made_once_for_each_name<W: Amendments + Sessions + Sums>(world: W) {
    let anna = owner("acme", "anna");
    let long = "/".repeat(1_500);
    let names = ["", "/a", long.as_str()];
    let mut change = Cells::new();
    for (owner, number) in [(anna.clone(), 3), (of_product(&anna, "athena"), 5)] {
        for name in names {
            change.insert(cell_key(&owner, CellKind::Edge, name), cell(number, 9));
        }
    }
    let amend = async |name: &str, change: &Cells| {
        let is_new = ok(world.amend(name, change).await);
        post(&world).await;
        is_new
    };
    assert!(amend("fold:1", &change).await);
    assert_eq!(summed(&world, "acme").await, change);
    assert!(!amend("fold:1", &change).await);
    assert!(!amend("fold:1", &Cells::new()).await);
    assert_eq!(summed(&world, "acme").await, change, "added again");
    let back = change.iter().map(|(key, cell)| (key.clone(), cell.negated())).collect();
    assert!(amend("fold:2", &back).await);
    assert_eq!(summed(&world, "acme").await, Cells::new());
    assert!(amend("nothing", &Cells::new()).await);
    assert!(!amend("nothing", &change).await);
    assert_eq!(summed(&world, "acme").await, Cells::new());
}

/// "The products that have cells of the day that begins at `day`, in order."
pub async fn products_are_listed_by_the_days_of_their_cells<
    W: Amendments + Heads + Sessions + Sums,
>(
    world: W,
) {
    let (first, next) = (minute(0), minute(24 * 60));
    let on = |owner: &Owner, day| {
        let key = CellKey { day, ..cell_key(owner, CellKind::Rule, "loop") };
        Cells::from([(key, cell(1, 1))])
    };
    let anna = owner("acme", "anna");
    let owners = [of_product(&anna, "web"), of_product(&anna, "crm"), owner("acme-eu", "ben")];
    for owner in &owners {
        let sweep = Sweep { cells: on(owner, first), ..sweep(&world, owner).await };
        assert_eq!(commit(&world, sweep).await, SweepOutcome::Committed);
    }
    assert!(ok(world.amend("late", &on(&owner("globex", "cleo"), next)).await));
    post(&world).await;
    let product = |owner: &Owner| (owner.org.clone(), owner.product.clone());
    let [web, crm, eu] = owners.each_ref().map(product);
    assert_eq!(ok(world.products(first).await), [crm, web, eu]);
    let default = (org("globex"), ProductId::default());
    assert_eq!(ok(world.products(next).await), [default]);
    assert_eq!(ok(world.products(minute(48 * 60)).await), []);
}
