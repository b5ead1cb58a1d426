//! Talking to a running server.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use contract::{Code, problem::Problem};
use serde::de::DeserializeOwned;

use crate::cli::StoreArgs;

/// A running server, asked with a key.
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
            bail!("--url needs a key with the scope read or admin: --key or TRIBO_KEY")
        };
        Ok(Some(Self {
            client: connector::operator::client(TIMEOUT)?,
            url: base(url)?,
            key: key.clone(),
        }))
    }

    /// Gets one object.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<T> {
        self.ask(path, query).await?.map_err(|problem| refused(&problem))
    }

    /// Gets one object; nothing when the server knows none.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Option<T>> {
        match self.ask(path, query).await? {
            Ok(found) => Ok(Some(found)),
            Err(problem) if problem.code == Code::NotFound => Ok(None),
            Err(problem) => Err(refused(&problem)),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Result<T, Problem>> {
        let request =
            self.client.get(format!("{}{path}", self.url)).query(query).bearer_auth(&self.key);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => bail!("no answer from {}: {}", self.url, root_cause(&error)),
        };
        let status = response.status().as_u16();
        let body = response.bytes().await.context("the answer broke off")?;
        if status == 200 {
            return serde_json::from_slice(&body)
                .map(Ok)
                .context("the answer is not the contract's");
        }
        let Ok(problem) = serde_json::from_slice(&body) else {
            bail!("{} answered {status}; is it a Tribometer server?", self.url);
        };
        Ok(Err(problem))
    }
}

/// The base of a server's URLs.
pub(crate) fn base(url: &str) -> anyhow::Result<String> {
    match reqwest::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) && parsed.has_host() => {
            Ok(url.trim_end_matches('/').to_owned())
        }
        Ok(_) | Err(_) => bail!("--url takes a server's URL, such as http://127.0.0.1:8787"),
    }
}

/// A refusal in words, with what to do about it where that is known.
pub(crate) fn refused(problem: &Problem) -> anyhow::Error {
    #[expect(clippy::wildcard_enum_match_arm, reason = "for most codes the title is enough")]
    let hint = match problem.code {
        Code::InvalidApiKey | Code::MissingApiKey => {
            " `tribo keys list` shows those that are, `tribo keys create` makes one."
        }
        Code::InsufficientScope => " `tribo keys create --scope` makes one that may.",
        _ => "",
    };
    let stop = if hint.is_empty() || problem.title.ends_with('.') { "" } else { "." };
    let Problem { status, code, title, .. } = problem;
    anyhow!("the server answered {status} ({code}): {title}{stop}{hint}")
}

/// The last cause says what a person can act on, such as a refused connection.
pub(crate) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() { "it took too long".to_owned() } else { cause.to_string() }
}

/// An audit reads the whole archive.
const TIMEOUT: Duration = Duration::from_secs(300);
