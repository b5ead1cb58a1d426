//! Those who listen are kept as their ports promise, on the stand-ins.

use ports::faulty::Faulty;
use standin::Corner;

fn fresh() -> (Faulty<aws::Cloud>, Corner) {
    let corner = standin::run(Corner::open());
    (corner.world(), corner)
}

ports::laws! { fresh: fresh, run: standin::run, of: watches }
