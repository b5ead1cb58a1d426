//! Behind Lambda: the API is opened by the first request, which reads the key of its cursors; a start asks nobody.

use axum::{
    BoxError, Router,
    body::{Bytes, HttpBody},
    http::Request,
    response::{IntoResponse as _, Response},
};
use domain::event_id;
use lambda_http::tower::ServiceExt as _;
use ports::{
    PortResult,
    clock::{Clock, Entropy},
};
use tokio::sync::OnceCell;

use crate::{Refusal, problem};

/// An API that is opened when it is needed.
#[derive(Debug)]
pub struct Door<C, E> {
    clock: C,
    entropy: E,
    router: OnceCell<Router>,
}

impl<C: Clock, E: Entropy> Door<C, E> {
    /// A door that is closed.
    pub fn new(clock: C, entropy: E) -> Self {
        Self { clock, entropy, router: OnceCell::new() }
    }

    /// Answers a request with the API that `open` opens. While it cannot be opened, nothing can be read.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
        open: impl Future<Output = PortResult<Router>> + Send,
    ) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match self.router.get_or_try_init(|| open).await {
            Ok(router) => {
                let answered = router.clone().oneshot(request).await;
                answered.unwrap_or_else(|never| match never {})
            }
            Err(error) => {
                let id = event_id::v7(self.clock.now(), self.entropy.bytes());
                let mut response = Refusal::from(error).into_response();
                problem::render(&mut response, id.as_str());
                crate::harden(&mut response, id.as_str());
                response
            }
        }
    }
}
