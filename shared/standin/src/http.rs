//! Plain HTTP to this machine: stand-ins have no certificates.

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING},
    http::request::Parts,
};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};

pub(crate) type Client = legacy::Client<HttpConnector, Full<Bytes>>;

pub(crate) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// A request did not come through, or its answer did not.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
pub(crate) struct Lost;

/// Hands a request on to `upstream` and its answer back.
pub(crate) async fn forward(
    client: &Client,
    upstream: &str,
    parts: &Parts,
    body: Bytes,
) -> Result<Response<Bytes>, Lost> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    // The host goes on as the client named it: the signature covers it.
    let mut request = Request::builder()
        .method(parts.method.clone())
        .uri(format!("{upstream}{path}"))
        .body(Full::new(body))
        .map_err(|_| Lost)?;
    *request.headers_mut() = through(&parts.headers);
    let (head, body) = client.request(request).await.map_err(|_| Lost)?.into_parts();
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = through(&head.headers);
    Ok(response)
}

/// What holds for one connection is not passed on.
fn through(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONTENT_LENGTH);
    headers
}
