//! Talking to a running server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use contract::problem::Problem;
use serde::de::DeserializeOwned;

use crate::cli::StoreArgs;

/// A running server, asked with an admin key.
#[derive(Debug)]
pub(crate) struct Server {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Server {
    /// The server named by the arguments; nothing when they name a data directory.
    pub(crate) fn named(args: &StoreArgs) -> anyhow::Result<Option<Self>> {
        let Some(url) = &args.url else { return Ok(None) };
        let Some(key) = &args.key else {
            bail!("--url needs a key with the scope admin: --key or TRIBO_KEY")
        };
        let url = url.trim_end_matches('/').to_owned();
        Ok(Some(Self {
            client: connector::operator::client(Duration::from_secs(30))?,
            url,
            key: key.clone(),
        }))
    }

    /// Gets one object; nothing when the server answers 404.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Option<T>> {
        let request =
            self.client.get(format!("{}{path}", self.url)).query(query).bearer_auth(&self.key);
        let response =
            request.send().await.with_context(|| format!("no answer from {}", self.url))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.context("the answer broke off")?;
        match status {
            200 => {
                serde_json::from_slice(&body).map(Some).context("the answer is not the contract's")
            }
            404 => Ok(None),
            _ => match serde_json::from_slice::<Problem>(&body) {
                Ok(problem) => {
                    bail!("the server answered {status} ({}): {}", problem.code, problem.title)
                }
                Err(_) => bail!("the server answered {status}; is this a Tribometer server?"),
            },
        }
    }
}
