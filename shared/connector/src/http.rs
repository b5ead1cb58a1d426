//! One POST over HTTP/1.1: bounded in time and size, to judged addresses only, nothing followed, no proxy.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use contract::OrgId;
use domain::{
    delivery::{DeliveryAnswer, DeliveryFailure, DeliveryPolicy},
    profile::Credentials,
};
use ports::{
    PortResult,
    endpoint::{ConnectorSecrets, DeliveryRequest, Endpoint, Freshness},
};
use reqwest::{
    Client, Response,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use rustls::{ClientConfig, RootCertStore};

use crate::{
    address::{AddressRefused, Guarded, Lookup, System},
    base::BaseUrl,
    secrets::Secrets,
};

/// The connector behind a URL. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpEndpoint<S = Secrets> {
    client: Client,
    base: BaseUrl,
    secrets: S,
    answer_within: Duration,
}

/// The HTTP client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be made: {0}")]
pub struct NoClient(pub(crate) String);

impl<S: ConnectorSecrets> HttpEndpoint<S> {
    /// Makes the endpoint. Certificates are checked against the web's roots; there is no way to accept others.
    ///
    /// # Errors
    /// [`NoClient`].
    pub fn new(base: BaseUrl, secrets: S, policy: &DeliveryPolicy) -> Result<Self, NoClient> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let resolver = Guarded { reach: base.transport().reach(), lookup: System };
        Self::with(base, secrets, policy, resolver, roots)
    }

    fn with(
        base: BaseUrl,
        secrets: S,
        policy: &DeliveryPolicy,
        resolver: Guarded<impl Lookup>,
        roots: RootCertStore,
    ) -> Result<Self, NoClient> {
        let answer_within = millis(policy.request_timeout_ms);
        let client = Client::builder()
            .tls_backend_preconfigured(tls(roots)?)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .dns_resolver(Arc::new(resolver))
            .connect_timeout(millis(policy.connect_timeout_ms))
            .timeout(answer_within)
            .pool_idle_timeout(IDLE)
            .user_agent(concat!("tribometer/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| NoClient(error.to_string()))?;
        Ok(Self { client, base, secrets, answer_within })
    }

    async fn exchange(&self, request: DeliveryRequest) -> Result<DeliveryAnswer, DeliveryFailure> {
        let url = self.base.join(&request.path).ok_or(DeliveryFailure::Refused)?;
        let headers = headers(&request.headers).ok_or(DeliveryFailure::Refused)?;
        let sent = self.client.post(url).headers(headers).body(request.body).send().await;
        let mut response = sent.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = body(&mut response).await.map_err(|error| failure(&error))?;
        Ok(DeliveryAnswer::Http { status, retry_after, body })
    }
}

impl<S: ConnectorSecrets> Endpoint for HttpEndpoint<S> {
    async fn post(&self, request: DeliveryRequest) -> DeliveryAnswer {
        // The client's own timeout ends with the last read; this one holds whatever the client does.
        let exchange = tokio::time::timeout(self.answer_within + GRACE, self.exchange(request));
        match exchange.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => DeliveryAnswer::Failed(failure),
            Err(_) => DeliveryAnswer::Failed(DeliveryFailure::Timeout),
        }
    }
}

impl<S: ConnectorSecrets> ConnectorSecrets for HttpEndpoint<S> {
    async fn credentials(&self, org: &OrgId, freshness: Freshness) -> PortResult<Arc<Credentials>> {
        self.secrets.credentials(org, freshness).await
    }
}

/// TLS 1.2 or 1.3 with ring: no other cryptography library is linked, and none has to be built with C tools.
pub(crate) fn tls(roots: RootCertStore) -> Result<ClientConfig, NoClient> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| NoClient(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn headers(pairs: &[(String, String)]) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        map.append(HeaderName::from_bytes(name.as_bytes()).ok()?, value);
    }
    Some(map)
}

/// At most 64 KiB; what follows is not read, and the connection is closed with it.
async fn body(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

fn failure(error: &reqwest::Error) -> DeliveryFailure {
    if cause::<AddressRefused>(error) {
        DeliveryFailure::Refused
    } else if cause::<rustls::Error>(error) {
        DeliveryFailure::Tls
    } else if error.is_connect() {
        DeliveryFailure::Connect
    } else if error.is_timeout() {
        DeliveryFailure::Timeout
    } else if error.is_builder() {
        DeliveryFailure::Refused
    } else {
        DeliveryFailure::Broken
    }
}

/// Whether an `E` is among the causes. An I/O error hides what it carries from `source`.
fn cause<E: StdError + 'static>(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<E>() {
            return true;
        }
        let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match carried {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    false
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Connections idle for longer may be dead after a pause of the whole process.
const IDLE: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
