//! The way to the connector: a real one, or the built-in mock on a loopback port.

use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc};

use anyhow::{Context as _, anyhow, bail};
use connector::{
    BaseUrl, HttpEndpoint, InvalidBaseUrl, Secrets, Source, Transport,
    mock::{Books, MockServer, MockSettings, Quirks, Receiver, Shape},
};
use data_encoding::{BASE64, HEXLOWER};
use domain::{profile::Profile, signature::SigningSecret};
use ports::clock::SystemClock;

use super::{SuiteSettings, Target};

/// The mock connector of this process.
#[derive(Debug)]
pub(crate) struct Mock {
    _server: MockServer,
    receiver: Receiver,
}

impl Mock {
    /// What it took, and what it complains about.
    pub(crate) fn books(&self) -> Books {
        self.receiver.books()
    }
}

/// A connection that is ready to be used.
pub(super) struct Connection {
    pub(super) endpoint: HttpEndpoint,
    pub(super) profile: Profile,
    pub(super) mock: Option<Arc<Mock>>,
}

/// Makes the connection that the settings ask for.
pub(super) async fn connect(settings: &SuiteSettings) -> anyhow::Result<Connection> {
    let profile = Profile::parse(&settings.profile).context("--profile")?;
    match &settings.target {
        Target::Mock(quirks) => mock(settings, profile, quirks.clone()).await,
        Target::Connector { url, key, secrets } => {
            let base = base(url).context("--connector")?;
            let signing = if secrets.is_empty() {
                Source::File(signing_secret(&settings.data_dir)?)
            } else {
                Source::parse(&secrets.join(","))
            };
            let secrets = Secrets::new(Source::parse(key), signing);
            // Read once now: a malformed secret should stop the start, not the first delivery.
            secrets.read().context("the connector's key or signing secret")?;
            let endpoint = HttpEndpoint::new(base, secrets, &settings.policy)?;
            Ok(Connection { endpoint, profile, mock: None })
        }
    }
}

async fn mock(
    settings: &SuiteSettings,
    profile: Profile,
    quirks: Quirks,
) -> anyhow::Result<Connection> {
    let key = format!("mock-{}", HEXLOWER.encode(&random::<16>()?));
    let secret = new_secret()?;
    let receiver = Receiver::new(MockSettings {
        profile: profile.clone(),
        key: key.clone(),
        signing: SigningSecret::parse_all(&secret)?,
        shape: Shape::Flat,
        quirks,
    });
    let server =
        MockServer::start(receiver.clone(), SystemClock, 0).await.context("the mock connector")?;
    let base = BaseUrl::parse(&server.url(), Transport::LoopbackHttp)?;
    let secrets = Secrets::new(Source::Text(key), Source::Text(secret));
    let endpoint = HttpEndpoint::new(base, secrets, &settings.policy)?;
    Ok(Connection { endpoint, profile, mock: Some(Arc::new(Mock { _server: server, receiver })) })
}

/// Plain http never leaves this machine.
fn base(url: &str) -> anyhow::Result<BaseUrl> {
    if !url.starts_with("http://") {
        return Ok(BaseUrl::parse(url, https(url))?);
    }
    match BaseUrl::parse(url, Transport::LoopbackHttp) {
        Err(InvalidBaseUrl::Host) => bail!("http is for connectors on this machine: use https"),
        parsed => Ok(parsed?),
    }
}

/// The port of an https URL is the operator's choice, made by writing it.
fn https(url: &str) -> Transport {
    let authority =
        url.strip_prefix("https://").unwrap_or_default().split('/').next().unwrap_or_default();
    match authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()) {
        Some(port) => Transport::HttpsOn(port),
        None => Transport::Https,
    }
}

/// The file of the secret that signs deliveries; made, readable by its owner alone, when it does not exist.
fn signing_secret(dir: &Path) -> anyhow::Result<std::path::PathBuf> {
    let path = dir.join(SIGNING_SECRET);
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    match made {
        Ok(mut file) => {
            file.write_all(new_secret()?.as_bytes())?;
            file.sync_all()?;
            Ok(path)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(path),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Takes the secret along into a copy of the data directory, if there is one: the receiver knows it.
pub(crate) fn copy_signing_secret(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (from.join(SIGNING_SECRET), to.join(SIGNING_SECRET));
    match fs::copy(&from, &to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot copy {}", from.display()))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn new_secret() -> anyhow::Result<String> {
    Ok(format!("whsec_{}", BASE64.encode(&random::<32>()?)))
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// The file's name in the data directory.
pub(crate) const SIGNING_SECRET: &str = "signing-secret";
