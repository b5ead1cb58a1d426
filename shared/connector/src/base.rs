//! Which URLs may be configured as a connector's base: the rules that hold before any name is resolved.

use url::{Host, Url};

use crate::address::Reach;

/// How the connector is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS to a global address on port 443.
    Https,
    /// HTTPS to a global address on this port.
    HttpsOn(u16),
    /// Plain HTTP to this machine: the mock, and nothing else.
    LoopbackHttp,
}

impl Transport {
    pub(crate) fn reach(self) -> Reach {
        match self {
            Self::Https | Self::HttpsOn(_) => Reach::Global,
            Self::LoopbackHttp => Reach::Loopback,
        }
    }
}

/// A base URL that passed the rules, to which a profile's path is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    url: Url,
    transport: Transport,
}

/// Why a URL cannot be a connector's base. Says nothing about the URL itself: it may hold a secret by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not a URL, or one with white space, control characters or backslashes.
    #[error("the connector's URL cannot be read")]
    Unreadable,
    /// Not the scheme of the transport.
    #[error("the connector's URL must begin with https://")]
    Scheme,
    /// User name or password.
    #[error("the connector's URL must not hold a user or a password")]
    Userinfo,
    /// A query or a fragment.
    #[error("the connector's URL must not hold a query or a fragment")]
    Tail,
    /// An address instead of a name, or a name that is always local.
    #[error("the connector's URL must name a public host")]
    Host,
    /// Another port than the transport's.
    #[error("the connector's URL names a port that is not allowed")]
    Port,
}

impl BaseUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// [`InvalidBaseUrl`], the first rule that it breaks.
    pub fn parse(text: &str, transport: Transport) -> Result<Self, InvalidBaseUrl> {
        // The URL standard would silently drop or turn these into something else.
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.chars().any(is_odd) {
            return Err(InvalidBaseUrl::Unreadable);
        }
        let url = Url::parse(text).map_err(|_| InvalidBaseUrl::Unreadable)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidBaseUrl::Userinfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::Tail);
        }
        match transport {
            Transport::Https => global(&url, 443)?,
            Transport::HttpsOn(port) => global(&url, port)?,
            Transport::LoopbackHttp => loopback(&url)?,
        }
        Ok(Self { url, transport })
    }

    /// How it is reached.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The URL of `path`, which stays on the same host and port; nothing for a path that would leave it.
    #[must_use]
    pub fn join(&self, path: &str) -> Option<Url> {
        if !path.starts_with('/') {
            return None;
        }
        let joined = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        let url = Url::parse(&joined).ok()?;
        let is_ours = url.origin() == self.url.origin()
            && url.username().is_empty()
            && url.password().is_none();
        is_ours.then_some(url)
    }
}

fn global(url: &Url, port: u16) -> Result<(), InvalidBaseUrl> {
    if url.scheme() != "https" {
        return Err(InvalidBaseUrl::Scheme);
    }
    // The parser turns every spelling of an IPv4 address (decimal, octal, hexadecimal) into an address.
    let Some(Host::Domain(name)) = url.host() else { return Err(InvalidBaseUrl::Host) };
    let name = name.trim_end_matches('.');
    let is_local = LOCAL_SUFFIXES.iter().any(|suffix| {
        name.strip_suffix(suffix).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    });
    if !name.contains('.') || is_local {
        return Err(InvalidBaseUrl::Host);
    }
    if url.port_or_known_default() == Some(port) { Ok(()) } else { Err(InvalidBaseUrl::Port) }
}

fn loopback(url: &Url) -> Result<(), InvalidBaseUrl> {
    if url.scheme() != "http" {
        return Err(InvalidBaseUrl::Scheme);
    }
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if is_local { Ok(()) } else { Err(InvalidBaseUrl::Host) }
}

const LOCAL_SUFFIXES: [&str; 5] = ["localhost", "local", "internal", "localdomain", "home.arpa"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_a_connector_is_refused_at_configuration() {
        use InvalidBaseUrl::*;
        for (text, expected) in [
            ("http://api.example.com", Scheme),
            ("ftp://api.example.com", Scheme),
            ("http://169.254.169.254", Scheme),
            ("https://169.254.169.254", Host),
            ("https://2130706433", Host),
            ("https://0x7f.1", Host),
            ("https://0177.0.0.1", Host),
            ("https://127.1", Host),
            ("https://[::1]", Host),
            ("https://[::ffff:127.0.0.1]", Host),
            ("https://[64:ff9b::7f00:1]", Host),
            ("https://[example.com]", Unreadable),
            ("https://localhost", Host),
            ("https://LOCALHOST.", Host),
            ("https://a.localhost", Host),
            ("https://connector.internal", Host),
            ("https://printer.local", Host),
            ("https://intranet", Host),
            ("https://user@api.example.com", Userinfo),
            ("https://user:secret@api.example.com", Userinfo),
            ("https://a.test#@b", Tail),
            ("https://api.example.com/?key=1", Tail),
            ("https://api.example.com:8443", Port),
            ("https://api.example.com:80", Port),
            ("https:\\\\api.example.com", Unreadable),
            ("https://api.exa\nmple.com", Unreadable),
            (" https://api.example.com", Unreadable),
            ("https://", Unreadable),
            ("api.example.com", Unreadable),
            ("", Unreadable),
        ] {
            assert_eq!(BaseUrl::parse(text, Transport::Https), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn a_public_name_on_its_port_is_taken_and_spelt_in_ascii() {
        let url = BaseUrl::parse("https://API.Bücher.example:443/v2/", Transport::Https).unwrap();
        let joined = url.join("/v1/ingest").unwrap();
        assert_eq!(joined.as_str(), "https://api.xn--bcher-kva.example/v2/v1/ingest");
        assert!(BaseUrl::parse("https://api.example.com:8443", Transport::HttpsOn(8443)).is_ok());
        assert!(BaseUrl::parse("https://api.example.com", Transport::HttpsOn(8443)).is_err());
    }

    #[test]
    fn plain_http_reaches_this_machine_only() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://localhost:8080/base", true),
            ("https://127.0.0.1:8080", false),
            ("http://10.0.0.1:8080", false),
            ("http://api.example.com", false),
            ("http://user@127.0.0.1", false),
        ] {
            let parsed = BaseUrl::parse(text, Transport::LoopbackHttp);
            assert_eq!(parsed.is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_path_cannot_lead_to_another_host() {
        let base = BaseUrl::parse("https://api.example.com", Transport::Https).unwrap();
        for path in ["", "v1", "@evil.example/", ".evil.example/", ":8443/"] {
            assert_eq!(base.join(path), None, "{path}");
        }
        for path in ["//evil.example/", "/@evil.example/", "/\\evil.example", "/v1/../v2"] {
            let host = base.join(path).unwrap().host_str().map(str::to_owned);
            assert_eq!(host.as_deref(), Some("api.example.com"), "{path}");
        }
    }
}
