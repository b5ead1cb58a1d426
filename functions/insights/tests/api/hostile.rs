//! Questions that no honest caller asks: each gets a clear refusal, none an answer, none a failure.

use crate::{
    client::request,
    world::{Visit, World, events},
};

/// Stands in hostile values: no answer repeats it.
const CANARY: &str = "canary~7q4z";

#[tokio::test]
async fn a_parameter_outside_its_bounds_is_refused_by_name() {
    let world = World::open().await;
    for (target, named) in [
        ("/v1/sessions?limit=0", "limit"),
        ("/v1/sessions?limit=201", "limit"),
        ("/v1/sessions?limit=-1", "limit"),
        ("/v1/sessions?limit=%2B5", "limit"),
        ("/v1/sessions?limit=1e2", "limit"),
        ("/v1/sessions?limit=", "limit"),
        ("/v1/sessions?limit=99999999999999999999999999", "limit"),
        ("/v1/sessions?limit=%31%30%30%30", "limit"),
        ("/v1/sessions?limit=5&limit=5", "limit"),
        ("/v1/insights/hotspots?limit=101", "limit"),
        ("/v1/insights/hotspots?minSessions=0", "minSessions"),
        ("/v1/flows/top?sort=worst", "sort"),
        ("/v1/flows/top?sort=", "sort"),
        ("/v1/sessions?state=superseded", "state"),
        ("/v1/incidents?rule=rage-click", "rule"),
        ("/v1/incidents?session=s_1", "session"),
        ("/v1/sessions?productId=a.b", "productId"),
        ("/v1/sessions?productId=", "productId"),
        ("/v1/sessions?productId=%00", "productId"),
        ("/v1/sessions?org=..%2Facme", "org"),
        ("/v1/sessions?from=2025-02-30", "from"),
        ("/v1/sessions?from=2025-10-9", "from"),
        ("/v1/sessions?from=2025-10-09T00:00:00", "from"),
        ("/v1/sessions?from=1760000000000", "from"),
        ("/v1/sessions?from=2025-10-09T00:00:00+02:00", "from"),
        ("/v1/sessions?to=2025-13-09T00:00:00Z", "to"),
        ("/v1/sessions?from=a&to=b", "Both from and to are"),
        ("/v1/flows/unusual?minPercentile=101", "minPercentile"),
        ("/v1/sessions?from=2025-10-09T00:00:00Z&to=2025-10-09T00:00:00Z", "from is before to"),
        ("/v1/sessions?from=2025-10-09T00:00:01Z&to=2025-10-09T00:00:00Z", "from is before to"),
        ("/v1/sessions?from=9999-12-31T23:59:59Z", "from is before to"),
        ("/v1/sessions?from=2025-07-01T00:00:00Z&to=2025-10-01T00:00:00.001Z", "92 days"),
        ("/v1/sessions?from=0001-01-01T00:00:00Z", "92 days"),
        ("/v1/sessions?surprise=1", "The parameters are"),
        ("/v1/sessions?Limit=1", "The parameters are"),
        ("/v1/sessions?=", "The parameters are"),
        ("/v1/sessions?%ff=1", "The parameters are"),
        ("/v1/insights/overview?limit=5", "The parameters are"),
        ("/v1/ledger?from=2025-10-09T00:00:00Z", "The parameters are"),
    ] {
        let answer = world.get(&world.keys.acme, target).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"), "{target}");
        let title = answer.json()["title"].as_str().unwrap().to_owned();
        assert!(title.contains(named), "{target}: {title}");
    }
}

#[tokio::test]
async fn bounds_themselves_are_answered() {
    let world = World::open().await;
    for target in [
        "/v1/sessions?limit=1",
        "/v1/sessions?limit=200",
        "/v1/insights/hotspots?minSessions=1000000&limit=100",
        "/v1/flows/graph?limit=1000",
        "/v1/sessions?from=2025-07-01T00:00:00Z&to=2025-10-01T00:00:00Z",
        "/v1/sessions?from=0000-01-01T00:00:00Z&to=0000-01-02T00:00:00Z",
        "/v1/sessions?from=2025-10-01&to=2025-10-09",
        "/v1/insights/overview?from=0000-01-01T00:00:00Z&to=0000-01-02T00:00:00Z",
        "/v1/insights/overview?to=9999-12-31T23:59:59Z",
        "/v1/insights/overview?from=2025-10-09T00:00:00%2B02:00",
        "/v1/sessions?",
        "/v1/sessions?&&",
    ] {
        assert_eq!(world.get(&world.keys.acme, target).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn every_parameter_of_every_endpoint_survives_nonsense() {
    let world = World::open().await;
    world.take(events((0..6).map(|actor| Visit::of(actor, 1).rages()))).await;
    world.close().await;
    let id = world.ask("/v1/sessions", "").await["sessions"][0]["sessionId"].clone();
    let document = world.document().await.clone();
    let hostile = [
        CANARY.to_owned(),
        format!("{CANARY}%00"),
        "%".to_owned(),
        "%zz".to_owned(),
        "%ff%fe%c0%80".to_owned(),
        "%F0%9F%92%A9".to_owned(),
        "..%2F..%2Fetc".to_owned(),
        "'%20OR%201=1--".to_owned(),
        "%22%3E%3Cscript%3E".to_owned(),
        "-9.2233720368547758e18".to_owned(),
        "NaN!".to_owned(),
        "x".repeat(30_000),
    ];
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", id.as_str().unwrap());
        for parameter in item["get"]["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            for value in &hostile {
                let target = match parameter["in"].as_str().unwrap() {
                    "path" => path.replace(id.as_str().unwrap(), value),
                    _ => format!("{path}?{name}={value}"),
                };
                let answer = world.get(&world.keys.acme, &target).await;
                let shown: String = target.chars().take(100).collect();
                assert!((400..500).contains(&answer.status), "{}: {shown}", answer.status);
                answer.code();
                assert!(!answer.text().contains(CANARY), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused() {
    let world = World::open().await;
    for bytes in [
        b"GET /v1/sessions\xff HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".as_slice(),
        b"GET /v1/ses sions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        b"GET /v1/sessions HTTP/9.1\r\nconnection: close\r\n\r\n",
        b"GET http://[::1/v1/sessions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ] {
        let answer = request(world.address, bytes).await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
}
