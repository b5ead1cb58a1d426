//! What one machine says of the events that a deployed stage archived.

use std::sync::Arc;

use axum::{Router, body::Body, http::Request};
use contract::Event;
use domain::api_key::{ApiKey, Scope};
use embedded::{Options, Store};
use friction::policy::SessionPolicy;
use http_body_util::BodyExt as _;
use insights::{CursorKey, Insights};
use ports::{
    clock::{Entropy, SystemClock},
    keys::{ApiKeyRecord, ApiKeys},
    reference::Organisations,
    sessions::Lane,
};
use serde_json::Value;
use sessionizer::Sessionizer;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::{org, unsaid};

/// What one machine understands of events that are tokenised already.
pub(crate) struct Machine {
    router: Router,
    key: String,
    _directory: TempDir,
}

impl Machine {
    pub(crate) async fn new(events: Vec<Event>, people: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let world = Store::open(directory.path(), Options::default()).unwrap();
        world.create(&org()).await.unwrap();
        let key = ApiKey::new([3; 16], [4; 32]);
        let record = ApiKeyRecord {
            key_id: key.key_id().to_owned(),
            secret_hash: key.secret_hash(),
            orgs: vec![org()],
            scopes: vec![Scope::Read],
            created_at: standin::now(),
            revoked_at: None,
        };
        world.put(&record).await.unwrap();
        let policy =
            SessionPolicy { grace_ms: 0, live_ms: Some(0), ..SessionPolicy::whole_horizon() };
        let sessionizer = Sessionizer::new(world.clone(), SystemClock, policy);
        sessionizer.take_events(events).await.unwrap();
        let swept = sessionizer.sweep(Lane { index: 0, of: 1 }, None).await.unwrap();
        assert_eq!(swept.owners, people);
        let insights = Insights::new(world, SystemClock, System, CursorKey::new([9; 32]));
        let router = insights::router(Arc::new(insights));
        Self { router, key: key.reveal(), _directory: directory }
    }

    pub(crate) async fn ask(&self, question: &str) -> Value {
        let request = Request::get(question).header("x-api-key", &self.key);
        let answer = self.router.clone().oneshot(request.body(Body::empty()).unwrap());
        let answer = answer.await.unwrap();
        assert!(answer.status().is_success(), "{question}: {}", answer.status());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        unsaid(serde_json::from_slice(&body).unwrap())
    }
}

/// Nothing of a test needs to be unpredictable.
struct System;

impl Entropy for System {
    fn bytes(&self) -> [u8; 16] {
        [7; 16]
    }
}
