//! A mock that is ready to be delivered to: credentials of its own, a port, and the endpoint that fits.

use std::{fmt::Write as _, io};

use domain::{delivery::DeliveryPolicy, profile::Profile, signature::SigningSecret};
use ports::clock::Clock;

use super::{MockServer, MockSettings, Quirks, Receiver, Shape};
use crate::{BaseUrl, HttpEndpoint, NoClient, Secrets, Source, Transport};

/// A running mock with credentials of its own; it stops when this is dropped.
#[derive(Debug)]
pub struct MockConnector {
    receiver: Receiver,
    server: MockServer,
    base: BaseUrl,
    secrets: Secrets,
}

impl MockConnector {
    /// Starts a mock for senders of `profile` on a free loopback port. Its credentials are made from `seed`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(
        profile: &Profile,
        quirks: Quirks,
        clock: impl Clock + 'static,
        seed: [u8; 16],
    ) -> io::Result<Self> {
        let (key, signing) = credentials(seed);
        let receiver = Receiver::new(MockSettings {
            profile: profile.clone(),
            key: key.clone(),
            signing: SigningSecret::parse_all(&signing).map_err(io::Error::other)?,
            shape: if profile.name == WRAPPING { Shape::Wrapped } else { Shape::Flat },
            quirks,
        });
        let server = MockServer::start(receiver.clone(), clock, 0).await?;
        let base =
            BaseUrl::parse(&server.url(), Transport::LoopbackHttp).map_err(io::Error::other)?;
        let secrets = Secrets::new(Source::Text(key), Source::Text(signing));
        Ok(Self { receiver, server, base, secrets })
    }

    /// An endpoint that delivers to it.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn endpoint(&self, policy: &DeliveryPolicy) -> Result<HttpEndpoint, NoClient> {
        HttpEndpoint::new(self.base.clone(), self.secrets.clone(), policy)
    }

    /// Its decisions and its books.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }
}

fn credentials(seed: [u8; 16]) -> (String, String) {
    let mut key = "mock-".to_owned();
    for byte in seed {
        // Writing into a text does not fail.
        let _ = write!(key, "{byte:02x}");
    }
    // Hexadecimal digits are base64 as well: 32 of them are 24 bytes, the least that a secret has.
    let signing = key.replacen("mock-", "whsec_", 1);
    (key, signing)
}

const WRAPPING: &str = "frictionmelt-2026-02";
