//! Every refusal: which status it has, what it says, and that it never repeats the request.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{Code, ingest::EventAnswer, problem::Problem};

/// A request that is not answered with a 2xx.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Box<Problem>,
    allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal that needs nothing but its code.
    pub(crate) fn of(code: Code) -> Self {
        let (status, title) = meaning(code);
        Self { problem: Box::new(Problem::new(status, code, title)), allow: None }
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::of(Code::MethodNotAllowed) }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.problem.retry_after = Some(seconds);
        self
    }

    pub(crate) fn not_stored(mut self, ids: Vec<String>) -> Self {
        self.problem.not_stored = ids;
        self
    }

    pub(crate) fn events(mut self, events: Vec<EventAnswer>) -> Self {
        self.problem.events = events;
        self
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::of(code)
    }
}

impl IntoResponse for Refusal {
    /// The body is written by [`render`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.write_headers(response.headers_mut());
        response.extensions_mut().insert(self.problem);
        response
    }
}

impl Refusal {
    fn write_headers(&self, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::CONTENT_TYPE, "application/problem+json");
        match self.problem.status {
            401 => set(header::WWW_AUTHENTICATE, "Bearer"),
            // What is left of the body is not read.
            408 | 413 => set(header::CONNECTION, "close"),
            _ => {}
        }
        if let Some(methods) = self.allow {
            set(header::ALLOW, methods);
        }
        if let Some(seconds) = self.problem.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
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

/// Status and title of each code with which a request as a whole is refused.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other codes are of single events")]
fn meaning(code: Code) -> (u16, &'static str) {
    match code {
        Code::InvalidJson => (400, "The body is not JSON in UTF-8."),
        Code::InvalidShape => (400, "The body is not an object with a list of events."),
        Code::UnknownField => (400, "The body has a field beside events."),
        Code::DuplicateField => (400, "The body has a field twice."),
        Code::TooDeep => (400, "The body nests more than 8 levels deep."),
        Code::EmptyBatch => (400, "The list of events is empty."),
        Code::InvalidEncoding => (400, "The compressed body does not inflate to a whole body."),
        Code::InvalidHeader => (400, "A header cannot be read."),
        Code::AmbiguousCredentials => (400, "Send one key, in one header."),
        Code::MissingApiKey => (401, "Send a key as Authorization: Bearer or X-API-Key."),
        Code::InvalidApiKey => (401, "This key is not valid."),
        Code::InsufficientScope => (403, "This key may not send events."),
        Code::ForeignOrg => (403, "This key is not bound to that organisation."),
        Code::NotFound => (404, "There is no such resource."),
        Code::MethodNotAllowed => (405, "This method is not offered here."),
        Code::RequestTimeout => (408, "The body did not arrive in time."),
        Code::IdempotencyConflict => (409, "This Idempotency-Key was used for another body."),
        Code::PayloadTooLarge => (413, "The body is larger than 1 MiB."),
        Code::DecompressedTooLarge => {
            (413, "The body inflates to more than 1 MiB or to more than 20 times its size.")
        }
        Code::TooManyEvents => (413, "The request has more than 500 events."),
        Code::UnsupportedMediaType => (415, "Send application/json in UTF-8."),
        Code::UnsupportedEncoding => (415, "Send the body as it is, or as gzip or zstd."),
        Code::NothingAcceptable => (422, "No event of the request is acceptable."),
        Code::RateLimited => (429, "This key sends more than it may."),
        Code::StorageUnavailable => (503, "The events cannot be stored now."),
        _ => (500, "Something went wrong here."),
    }
}
