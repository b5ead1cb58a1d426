//! The ports with something in between: who watches, who intrudes, who takes time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use connector::mock::InProcess;
use contract::{EventId, OrgId, Timestamp, staged::StagedEvent};
use domain::{breaker::Breaker, delivery::DeliveryAnswer, profile::Credentials};
use embedded::Store;
use ports::{
    PortResult,
    bus::{Announcement, Bus},
    delivery::{
        FormOutcome, Forming, Lease, Leases, NewBatch, Outbox, ReadyBatch, SettleOutcome,
        Settlement,
    },
    endpoint::{ConnectorSecrets, DeliveryRequest, Endpoint, Freshness},
    faulty::Hands,
    staging::{Staged, Staging},
};

type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something that happens once, at a moment of the test's choosing.
#[derive(Clone, Default)]
pub(crate) struct Once(Arc<Mutex<Option<Happening>>>);

impl Once {
    pub(crate) fn of(happening: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::pin(happening)))))
    }

    async fn happen(&self) {
        let happening = self.0.lock().unwrap().take();
        if let Some(happening) = happening {
            happening.await;
        }
    }
}

/// The store, with something happening just before the next batch is formed.
pub(crate) struct Intruded {
    pub(crate) store: Store,
    pub(crate) before_form: Once,
    /// Said to have been forwarded by an earlier batch, as a store may find out while forming.
    pub(crate) forwarded: Option<EventId>,
}

impl Intruded {
    pub(crate) fn new(store: Store, before_form: Once) -> Self {
        Self { store, before_form, forwarded: None }
    }
}

impl Leases for Intruded {
    async fn acquire(
        &self,
        org: &OrgId,
        now: Timestamp,
        until: Timestamp,
    ) -> PortResult<Option<Lease>> {
        self.store.acquire(org, now, until).await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> PortResult<bool> {
        self.store.renew(lease, until).await
    }

    async fn release(&self, lease: &Lease, breaker: Breaker) -> PortResult<()> {
        self.store.release(lease, breaker).await
    }
}

impl Forming for Intruded {
    async fn staged(
        &self,
        org: &OrgId,
        settled_before: Timestamp,
        limit: usize,
    ) -> PortResult<Vec<StagedEvent>> {
        self.store.staged(org, settled_before, limit).await
    }

    async fn form(
        &self,
        lease: &Lease,
        batch: Option<NewBatch>,
        dropped: &[EventId],
        now: Timestamp,
    ) -> PortResult<FormOutcome> {
        self.before_form.happen().await;
        let events = batch.iter().flat_map(|batch| &batch.events);
        let forwarded: Vec<EventId> = events
            .map(|event| event.event_id.clone())
            .filter(|id| self.forwarded.as_ref() == Some(id))
            .collect();
        if !forwarded.is_empty() {
            return Ok(FormOutcome::Stale { gone: Vec::new(), forwarded });
        }
        self.store.form(lease, batch, dropped, now).await
    }
}

impl Outbox for Intruded {
    async fn head(&self, org: &OrgId) -> PortResult<Option<ReadyBatch>> {
        self.store.head(org).await
    }

    async fn settle(
        &self,
        lease: &Lease,
        seq: &str,
        settlement: Settlement,
        now: Timestamp,
    ) -> PortResult<SettleOutcome> {
        self.store.settle(lease, seq, settlement, now).await
    }
}

impl Staging for Intruded {
    async fn stage(&self, rows: &[StagedEvent]) -> PortResult<Vec<Staged>> {
        self.store.stage(rows).await
    }

    async fn rescue(&self, rows: &[StagedEvent]) -> PortResult<()> {
        self.store.rescue(rows).await
    }

    async fn organisations(&self) -> PortResult<Vec<OrgId>> {
        self.store.organisations().await
    }
}

impl Bus for Intruded {
    async fn publish(&self, announcements: &[Announcement]) -> PortResult<()> {
        self.store.publish(announcements).await
    }
}

/// The mock, watched: every request is kept, takes its time, and may be answered by the test instead.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) mock: InProcess<Hands>,
    pub(crate) requests: Arc<Mutex<Vec<DeliveryRequest>>>,
    pub(crate) takes_ms: i64,
    /// Happens after the mock took this request (the first is 1), before its answer arrives.
    pub(crate) meanwhile_at: usize,
    pub(crate) meanwhile: Once,
    /// Given instead of the mock's answers, in order.
    pub(crate) answers: Arc<Mutex<Vec<DeliveryAnswer>>>,
}

impl Watched {
    pub(crate) fn new(mock: InProcess<Hands>) -> Self {
        Self {
            mock,
            requests: Arc::default(),
            takes_ms: 0,
            meanwhile_at: 1,
            meanwhile: Once::default(),
            answers: Arc::default(),
        }
    }

    pub(crate) fn answering(self, answers: impl IntoIterator<Item = DeliveryAnswer>) -> Self {
        let mut answers: Vec<DeliveryAnswer> = answers.into_iter().collect();
        answers.reverse();
        Self { answers: Arc::new(Mutex::new(answers)), ..self }
    }

    pub(crate) fn sent(&self) -> Vec<DeliveryRequest> {
        self.requests.lock().unwrap().clone()
    }
}

impl Endpoint for Watched {
    async fn post(&self, request: DeliveryRequest) -> DeliveryAnswer {
        let number = {
            let mut requests = self.requests.lock().unwrap();
            requests.push(request.clone());
            requests.len()
        };
        let given = self.answers.lock().unwrap().pop();
        let answer = match given {
            Some(answer) => answer,
            None => self.mock.post(request).await,
        };
        self.mock.clock.forward(self.takes_ms);
        if number == self.meanwhile_at {
            self.meanwhile.happen().await;
        }
        answer
    }
}

impl ConnectorSecrets for Watched {
    async fn credentials(&self, org: &OrgId, freshness: Freshness) -> PortResult<Arc<Credentials>> {
        self.mock.credentials(org, freshness).await
    }
}

pub(crate) fn header(request: &DeliveryRequest, name: &str) -> String {
    let found = request.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).unwrap()
}

pub(crate) fn http(status: u16, retry_after: Option<&str>) -> DeliveryAnswer {
    DeliveryAnswer::Http {
        status,
        retry_after: retry_after.map(str::to_owned),
        body: b"{}".to_vec(),
    }
}
