//! What is understood of events is kept as its ports promise, on the stand-ins.

use ports::faulty::Faulty;
use standin::Corner;

fn fresh() -> (Faulty<aws::Cloud>, Corner) {
    let corner = standin::run(Corner::open());
    (corner.world(), corner)
}

ports::laws! {
    fresh: fresh,
    run: standin::run,
    of: event_log heads sessions amendments notices understanding projections rules
}
