//! An HTTP client for operators' commands: the endpoint's TLS, without its address guard, since a person names the server.

use std::time::Duration;

use reqwest::Client;

use crate::http::{NoClient, tls};

/// Makes a client that follows no redirects and reads no proxy settings: keys go to the named server only.
///
/// # Errors
/// [`NoClient`].
pub fn client(timeout: Duration) -> Result<Client, NoClient> {
    Client::builder()
        .tls_backend_preconfigured(tls(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())?)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .timeout(timeout)
        .user_agent(concat!("tribo/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| NoClient(error.to_string()))
}
