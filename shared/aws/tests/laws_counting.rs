//! Counting on DynamoDB keeps its laws, tried on the stand-ins.

use ports::faulty::Faulty;
use standin::Corner;

fn fresh() -> (Faulty<aws::Cloud>, Corner) {
    standin::run(async {
        let corner = Corner::open().await;
        (corner.world(), corner)
    })
}

ports::laws! { fresh: fresh, run: standin::run, of: counting }
