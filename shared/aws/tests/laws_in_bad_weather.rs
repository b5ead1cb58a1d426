//! The promises of the ports, kept while the services fail: one request in twelve is refused, throttled, or done by half.
//!
//! An answer that is lost after its effect is another matter: whoever asks again is told that the row is there already, and
//! no store can tell whose it is. What must hold then is shown where crashes, lost answers and storms are tried.

use aws::Cloud;
use ports::faulty::{FaultPlan, Faulty};
use standin::{
    Corner,
    proxy::{Fault, Proxy, Weather},
    run,
};

fn fresh() -> (Faulty<Cloud>, Vec<Proxy>) {
    run(async {
        let corner = Corner::open().await;
        let faults = [Fault::ServerError, Fault::Throttle, Fault::Partial];
        let (cloud, ways) =
            corner.behind(Weather::passing(FAILURES_MAX, 20_260_212, 8, faults)).await;
        (corner.decorate(cloud, FaultPlan::none()), ways)
    })
}

/// One less than a client tries: what fails more often is no bad weather, but a service that is down.
const FAILURES_MAX: u32 = 3;

ports::laws! {
    fresh: fresh,
    run: run,
    of: log door staged_door rescue leases forming outbox counting keeping reading books counted_books
        event_log heads sessions amendments notices understanding projections rules
}
