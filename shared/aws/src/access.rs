//! How the services are reached: region, credentials, endpoints, root certificates, time limits.

use std::{fmt, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{behavior_version::BehaviorVersion, http::SharedHttpClient};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::resources::MissingVariable;

/// Region, credentials and the way over the network.
#[derive(Clone)]
pub struct Access {
    config: SdkConfig,
    endpoints: Vec<(Service, String)>,
}

/// A service that a client is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Connections that a WebSocket API holds open.
    Connections,
    /// Tables.
    DynamoDb,
    /// The bus.
    EventBridge,
    /// Streams.
    Kinesis,
    /// Keys that never leave the service.
    Kms,
    /// Buckets.
    S3,
    /// Secrets.
    SecretsManager,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Connections,
        Self::DynamoDb,
        Self::EventBridge,
        Self::Kinesis,
        Self::Kms,
        Self::S3,
        Self::SecretsManager,
    ];

    /// The variable by which every SDK lets an operator put another endpoint in the place of the service's own.
    #[must_use]
    pub fn endpoint_variable(self) -> &'static str {
        match self {
            Self::Connections => "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI",
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::EventBridge => "AWS_ENDPOINT_URL_EVENTBRIDGE",
            Self::Kinesis => "AWS_ENDPOINT_URL_KINESIS",
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::S3 => "AWS_ENDPOINT_URL_S3",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        }
    }
}

impl Access {
    /// Reads what Lambda sets: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; and
    /// `AWS_ENDPOINT_URL_<SERVICE>` where a stand-in takes a service's place.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let set = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let needed = |name| set(name).ok_or(MissingVariable(name));
        let (key, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        let token = set("AWS_SESSION_TOKEN");
        let credentials = Credentials::new(key, secret, token, None, "environment");
        let provider = SharedCredentialsProvider::new(credentials);
        let mut access = Self::new(needed("AWS_REGION")?, provider, http_client());
        for service in Service::ALL {
            if let Some(url) = set(service.endpoint_variable()) {
                access = access.with_endpoint(service, url);
            }
        }
        Ok(access)
    }

    /// Credentials and an HTTP client of the caller's choice.
    #[must_use]
    pub fn new(
        region: String,
        credentials: SharedCredentialsProvider,
        http: SharedHttpClient,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            .credentials_provider(credentials)
            .http_client(http)
            .sleep_impl(TokioSleep::new())
            .timeout_config(timeouts)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS_MAX)
                    .with_initial_backoff(BACKOFF),
            )
            .build();
        Self { config, endpoints: Vec::new() }
    }

    /// The same through another HTTP client.
    #[must_use]
    pub fn with_http(self, http: SharedHttpClient) -> Self {
        Self { config: self.config.into_builder().http_client(http).build(), ..self }
    }

    /// The same with `service` at `url`.
    #[must_use]
    pub fn with_endpoint(mut self, service: Service, url: impl Into<String>) -> Self {
        self.endpoints.retain(|(known, _)| *known != service);
        self.endpoints.push((service, url.into()));
        self
    }

    /// What stands at the place of `service`, if anything does.
    #[must_use]
    pub fn endpoint(&self, service: Service) -> Option<&str> {
        let found = self.endpoints.iter().find(|(known, _)| *known == service);
        found.map(|(_, url)| url.as_str())
    }

    #[cfg(any(
        feature = "apigateway",
        feature = "dynamodb",
        feature = "eventbridge",
        feature = "kinesis",
        feature = "kms",
        feature = "s3",
        feature = "secrets"
    ))]
    fn config(&self, service: Service) -> SdkConfig {
        let builder = self.config.to_builder();
        match self.endpoints.iter().find(|(known, _)| *known == service) {
            Some((_, url)) => builder.endpoint_url(url).build(),
            None => builder.build(),
        }
    }

    /// A client for the connections of the WebSocket API at `url`, unless something stands in its place.
    #[cfg(feature = "apigateway")]
    #[must_use]
    pub fn connections(&self, url: &str) -> aws_sdk_apigatewaymanagement::Client {
        let config = self.config(Service::Connections);
        let config = match config.endpoint_url() {
            Some(_) => config,
            None => config.into_builder().endpoint_url(url).build(),
        };
        aws_sdk_apigatewaymanagement::Client::new(&config)
    }

    /// A client for tables.
    #[cfg(feature = "dynamodb")]
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.config(Service::DynamoDb))
    }

    /// A client for the bus.
    #[cfg(feature = "eventbridge")]
    #[must_use]
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.config(Service::EventBridge))
    }

    /// A client for streams.
    #[cfg(feature = "kinesis")]
    #[must_use]
    pub fn kinesis(&self) -> aws_sdk_kinesis::Client {
        aws_sdk_kinesis::Client::new(&self.config(Service::Kinesis))
    }

    /// A client for keys.
    #[cfg(feature = "kms")]
    #[must_use]
    pub fn kms(&self) -> aws_sdk_kms::Client {
        aws_sdk_kms::Client::new(&self.config(Service::Kms))
    }

    /// A client for buckets.
    #[cfg(feature = "s3")]
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        // A stand-in has no host name per bucket.
        let path_style = self.endpoints.iter().any(|(service, _)| *service == Service::S3);
        let config = aws_sdk_s3::config::Builder::from(&self.config(Service::S3));
        aws_sdk_s3::Client::from_conf(config.force_path_style(path_style).build())
    }

    /// A client for secrets.
    #[cfg(feature = "secrets")]
    #[must_use]
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.config(Service::SecretsManager))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("region", &self.config.region())
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

/// The HTTP client of all services. It trusts the certificate authorities that AWS signs its endpoints with, compiled
/// in: reading a system's whole store takes most of a cold start.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let store = roots().into_iter().fold(TrustStore::empty(), TrustStore::with_pem_certificate);
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    // Building fails for one reason only: a server name that is none, and none is given.
    let builder = match TlsContext::builder().with_trust_store(store).build() {
        Ok(context) => builder.tls_context(context),
        Err(_) => builder,
    };
    builder.pool_idle_timeout(POOL_IDLE_TIMEOUT).build_https()
}

/// The roots of Amazon Trust Services, with Starfield's older one that cross-signs them, as PEM.
fn roots() -> Vec<String> {
    let named =
        |der: &[u8], name: &str| der.windows(name.len()).any(|part| part == name.as_bytes());
    webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter(|der| named(der, "Amazon Root CA") || named(der, "Starfield Services Root"))
        .map(|der| {
            let body = aws_smithy_types::base64::encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        })
        .collect()
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS_MAX: u32 = 4;
/// The SDK's second is most of what an attempt may take.
const BACKOFF: Duration = Duration::from_millis(50);
/// Shorter than a frozen environment's pause, so that a thawed one seldom starts on a dead connection.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_roots_are_the_ones_that_aws_uses() {
        // Amazon Root CA 1 to 4, and Starfield Services Root Certificate Authority - G2.
        assert_eq!(roots().len(), 5);
    }

    #[test]
    fn what_lambda_sets_is_needed_and_what_is_missing_is_named() {
        let all = [
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalr"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ];
        let without = |absent: &str| {
            Access::read(|name| {
                let set = all.iter().filter(|(known, _)| *known != absent);
                set.clone().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        for (needed, _) in all.iter().take(3) {
            assert_eq!(without(needed).err(), Some(MissingVariable(needed)));
        }
        let shown = format!("{:?}", without("").unwrap());
        assert!(shown.contains("127.0.0.1:1") && !shown.contains("wJalr"), "{shown}");
    }
}
