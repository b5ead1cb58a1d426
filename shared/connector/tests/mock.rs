//! The mock over its socket: what a sender sees, and what the mock writes down.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use connector::{
    BaseUrl, HttpEndpoint, Secrets, Source, Transport,
    mock::{Death, MockServer, MockSettings, Quirks, Receiver, Shape, Violation},
};
use contract::{EventId, OrgId, Timestamp};
use domain::{
    batching::NewBatch,
    delivery::{DeliveryAnswer, DeliveryFailure, DeliveryPolicy},
    profile::{Profile, RenderedEvent, Sender, Slot},
    pseudonym::connector_event_id,
    signature::SigningSecret,
};
use ports::{
    clock::{Clock, SystemClock},
    endpoint::{ConnectorSecrets, DeliveryRequest, Endpoint, Freshness},
};

const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

struct Rig {
    receiver: Receiver,
    endpoint: HttpEndpoint,
    profile: Profile,
    _server: MockServer,
}

impl Rig {
    async fn new(profile: &str, quirks: Quirks) -> Self {
        let profile = Profile::parse(profile).unwrap();
        let receiver = Receiver::new(MockSettings {
            profile: profile.clone(),
            key: "key-1".into(),
            signing: SigningSecret::parse_all(SIGNING).unwrap(),
            shape: Shape::Flat,
            quirks,
        });
        let server = MockServer::start(receiver.clone(), SystemClock, 0).await.unwrap();
        let base = BaseUrl::parse(&server.url(), Transport::LoopbackHttp).unwrap();
        let secrets = Secrets::new(Source::parse("key-1"), Source::parse(SIGNING));
        let policy = DeliveryPolicy { request_timeout_ms: 500, ..DeliveryPolicy::default() };
        let endpoint = HttpEndpoint::new(base, secrets, &policy).unwrap();
        Self { receiver, endpoint, profile, _server: server }
    }

    fn batch(&self, org: &str, seq: u64, events: std::ops::Range<u32>) -> NewBatch {
        let org = OrgId::parse(org).unwrap();
        let rendered: Vec<RenderedEvent> = events
            .map(|number| {
                let event_id = EventId::parse(format!("e-{number}")).unwrap();
                let connector_id = connector_event_id(&org, &event_id);
                let json = format!(r#"{{"eventId":"{connector_id}","orgId":"{org}"}}"#);
                RenderedEvent { event_id, connector_id, at: Some(Timestamp::default()), json }
            })
            .collect();
        self.profile.assemble(&Slot { org: &org, seq: domain::batching::sequence(seq) }, &rendered)
    }

    async fn request(&self, org: &str, batch: &NewBatch) -> DeliveryRequest {
        let org = OrgId::parse(org).unwrap();
        let sender = Sender::new("test", "eu-central-1").unwrap();
        let credentials = self.endpoint.credentials(&org, Freshness::Recent).await.unwrap();
        let headers = self.profile.request_headers(
            batch,
            &batch.body,
            &org,
            &sender,
            &credentials,
            SystemClock.now(),
        );
        DeliveryRequest { org, path: self.profile.path.clone(), headers, body: batch.body.clone() }
    }

    async fn post(&self, org: &str, batch: &NewBatch) -> DeliveryAnswer {
        self.endpoint.post(self.request(org, batch).await).await
    }
}

fn status(answer: &DeliveryAnswer) -> u16 {
    match answer {
        DeliveryAnswer::Http { status, .. } => *status,
        DeliveryAnswer::Failed(_) => 0,
    }
}

#[tokio::test]
async fn a_batch_is_taken_once_and_its_answer_repeated() {
    for profile in ["athena-eu", "frictionmelt-2026-02"] {
        let rig = Rig::new(profile, Quirks::default()).await;
        let batch = rig.batch("acme", 1, 0..3);
        let first = rig.post("acme", &batch).await;
        assert_eq!(status(&first), 200, "{first:?}");
        assert_eq!(rig.post("acme", &batch).await, first);
        let books = rig.receiver.books();
        assert_eq!((books.events_taken(), books.repeated, books.requests), (3, 1, 2));
        assert_eq!(books.violations, []);
        assert_eq!(books.org("acme").batches[0].seq, "000000000001");
    }
}

#[tokio::test]
async fn what_senders_do_wrong_is_written_down() {
    let rig = Rig::new("athena-eu", Quirks::default()).await;
    let batch = rig.batch("acme", 2, 0..2);
    assert_eq!(status(&rig.post("acme", &batch).await), 200);

    let other = NewBatch { body: rig.batch("acme", 2, 5..6).body, ..batch.clone() };
    assert_eq!(status(&rig.post("acme", &other).await), 422, "the key belongs to another body");
    assert_eq!(status(&rig.post("acme", &rig.batch("acme", 1, 1..2)).await), 200);

    let mut unsigned = rig.request("acme", &rig.batch("acme", 3, 7..8)).await;
    unsigned.body.push(b' ');
    assert_eq!(status(&rig.endpoint.post(unsigned).await), 401);
    let mut stranger = rig.request("acme", &rig.batch("acme", 3, 7..8)).await;
    stranger.headers.retain(|(name, _)| name != "Authorization");
    assert_eq!(status(&rig.endpoint.post(stranger).await), 401);
    assert_eq!(status(&rig.post("acme", &rig.batch("acme", 4, 0..0)).await), 422, "a probe");

    let kinds: Vec<&str> = rig
        .receiver
        .books()
        .violations
        .iter()
        .map(|violation| match violation {
            Violation::KeyReused { .. } => "key",
            Violation::SeqBackwards { .. } => "order",
            Violation::EventTwice { .. } => "twice",
            Violation::Signature { .. } => "signature",
            Violation::Header { .. } | Violation::Body { .. } | Violation::TooLarge { .. } => {
                "other"
            }
        })
        .collect();
    assert_eq!(kinds, ["key", "order", "twice", "signature"]);
}

#[tokio::test]
async fn every_quirk_shows_on_the_wire() {
    let check = async |quirks: Quirks, expected: [DeliveryAnswer; 2]| {
        let rig = Rig::new("athena-eu", quirks.clone()).await;
        for (seq, expected) in (1..).zip(expected) {
            let events = u32::try_from(seq).unwrap() * 10;
            let batch = rig.batch("acme", seq, events..events + 6);
            let answer = match rig.post("acme", &batch).await {
                DeliveryAnswer::Http { status, retry_after, .. } => {
                    DeliveryAnswer::Http { status, retry_after, body: Vec::new() }
                }
                failed @ DeliveryAnswer::Failed(_) => failed,
            };
            assert_eq!(answer, expected, "{quirks:?}");
        }
        assert_eq!(rig.receiver.books().violations, []);
    };
    let http = |status, retry_after: Option<&str>| DeliveryAnswer::Http {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: Vec::new(),
    };
    let fine = || http(200, None);
    let failed = DeliveryAnswer::Failed;
    let quirks = Quirks::default;
    check(quirks(), [fine(), fine()]).await;
    check(
        Quirks { rate_limit_every: 2, retry_after_s: 7, ..quirks() },
        [fine(), http(429, Some("7"))],
    )
    .await;
    check(Quirks { hang_every: 2, ..quirks() }, [fine(), failed(DeliveryFailure::Timeout)]).await;
    check(Quirks { lose_2xx_every: 2, ..quirks() }, [fine(), failed(DeliveryFailure::Broken)])
        .await;
    check(Quirks { max_batch_events: 5, ..quirks() }, [http(413, None), http(422, None)]).await;
    check(Quirks { always_500: true, ..quirks() }, [http(500, None), http(500, None)]).await;
    let later = SystemClock.now().plus_ms(3_600_000);
    check(Quirks { down_until: Some(later), ..quirks() }, [http(503, None), http(503, None)]).await;
    let dead = [("acme".to_owned(), Death::Status(502))].into();
    check(Quirks { dead_orgs: dead, ..quirks() }, [http(502, None), http(502, None)]).await;
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_was_taken_nevertheless() {
    let rig = Rig::new("athena-eu", Quirks { lose_2xx_every: 1, ..Quirks::default() }).await;
    let batch = rig.batch("acme", 1, 0..3);
    assert_eq!(status(&rig.post("acme", &batch).await), 0);
    assert_eq!(status(&rig.post("acme", &batch).await), 200, "the repeat gets the answer");
    let books = rig.receiver.books();
    assert_eq!((books.events_taken(), books.org("acme").batches.len()), (3, 1));
    assert_eq!(books.violations, []);
}
