//! Every refusal: which status it has, what it says, and that it never repeats the request.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{Code, problem::Problem};
use ports::PortError;

use crate::parameters::Parameter;

/// A request that is not answered with a 2xx.
#[derive(Debug)]
pub struct Refusal(Box<Problem>);

impl Refusal {
    /// What is answered: the status, and the body.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0
    }

    /// A refusal that needs nothing but its code.
    #[must_use]
    pub fn of(code: Code) -> Self {
        let (status, title) = meaning(code);
        Self(Box::new(Problem::new(status, code, title)))
    }

    /// A parameter that is not what it should be.
    pub(crate) fn parameter(parameter: &Parameter) -> Self {
        let title = format!("{} is {}.", parameter.name, parameter.expects());
        Self(Box::new(Problem::new(400, Code::InvalidParameter, title)))
    }

    /// Parameters that do not go together.
    pub(crate) fn parameters(title: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(400, Code::InvalidParameter, title)))
    }

    /// There is no room, which is for a while.
    #[cfg(feature = "websocket")]
    pub(crate) fn crowded(title: impl Into<String>) -> Self {
        let mut problem = Problem::new(429, Code::RateLimited, title);
        problem.retry_after = Some(RETRY_LATE_SECONDS);
        Self(Box::new(problem))
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::of(code)
    }
}

impl From<PortError> for Refusal {
    fn from(error: PortError) -> Self {
        tracing::error!(
            operation = error.operation,
            transient = error.transient,
            "answered nothing: {error}"
        );
        let mut refusal = Self::of(Code::StorageUnavailable);
        let seconds = if error.transient { RETRY_SOON_SECONDS } else { RETRY_LATE_SECONDS };
        refusal.0.retry_after = Some(seconds);
        refusal
    }
}

impl IntoResponse for Refusal {
    /// The body is written by `render`, which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::CONTENT_TYPE, "application/problem+json");
        match self.0.status {
            401 => set(header::WWW_AUTHENTICATE, "Bearer"),
            405 => set(header::ALLOW, "GET, HEAD"),
            426 => set(header::UPGRADE, "websocket"),
            _ => {}
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self.0);
        response
    }
}

/// Writes a refusal's body, with the request's id in it.
pub(crate) fn render(response: &mut Response, request_id: &str) {
    let Some(mut problem) = response.extensions_mut().remove::<Box<Problem>>() else { return };
    problem.request_id = Some(request_id.to_owned());
    let (status, code) = (problem.status, problem.code);
    tracing::info!(request.id = request_id, http.status = status, %code, "refused a request: {code}");
    *response.body_mut() = Body::from(serde_json::to_vec(&problem).unwrap_or_default());
}

/// Status and title of each code.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other codes are of events")]
fn meaning(code: Code) -> (u16, &'static str) {
    match code {
        Code::AmbiguousCredentials => (400, "Send one key, in one header."),
        Code::BadCursor => (400, "This cursor was not given out for this question."),
        Code::InvalidEventId => (400, "This is no event id."),
        Code::MissingApiKey => (401, "Send a key as Authorization: Bearer or X-API-Key."),
        Code::InvalidApiKey => (401, "This key is not valid."),
        Code::InsufficientScope => (403, "This key may not read."),
        Code::ForeignOrg => (403, "This key is not bound to that organisation."),
        Code::NotFound => (404, "There is no such thing here."),
        Code::MethodNotAllowed => (405, "This is only read: GET."),
        Code::InvalidHeader => (426, "Open this as a WebSocket."),
        Code::RateLimited => (429, "Too many streams are open here."),
        Code::StorageUnavailable => (503, "The answer cannot be read now."),
        _ => (500, "Something went wrong here."),
    }
}

const RETRY_SOON_SECONDS: u64 = 1;
const RETRY_LATE_SECONDS: u64 = 60;
