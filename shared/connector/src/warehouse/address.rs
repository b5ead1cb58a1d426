//! Which URLs may be a warehouse's: https to whatever server the operator names, or plain http to this machine.

use url::{Host, Url};

use crate::address::Reach;

/// A URL that passed the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseUrl(Url);

/// Why a URL cannot be a warehouse's. Says nothing about the URL itself: it may hold a secret by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWarehouse {
    /// Not a URL, or one with white space, control characters or backslashes.
    #[error("the warehouse's URL cannot be read")]
    Unreadable,
    /// Plain http to another machine, or another scheme.
    #[error("the warehouse's URL must begin with https://; http:// is for this machine")]
    Scheme,
    /// User name or password.
    #[error("the warehouse's URL must not hold a user or a password")]
    Userinfo,
    /// A query or a fragment.
    #[error("the warehouse's URL must not hold a query or a fragment")]
    Tail,
}

impl WarehouseUrl {
    /// Checks a URL.
    ///
    /// # Errors
    /// [`InvalidWarehouse`], the first rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidWarehouse> {
        // The URL standard would silently drop or turn these into something else.
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.chars().any(is_odd) {
            return Err(InvalidWarehouse::Unreadable);
        }
        let url = Url::parse(text).map_err(|_| InvalidWarehouse::Unreadable)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidWarehouse::Userinfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidWarehouse::Tail);
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => Ok(Self(url)),
            ("http", Some(host)) if is_here(&host) => Ok(Self(url)),
            _ => Err(InvalidWarehouse::Scheme),
        }
    }

    /// The URL.
    pub(super) fn get(&self) -> &Url {
        &self.0
    }

    /// Where a name may lead: plain http stays on this machine whatever a name server says.
    pub(super) fn reach(&self) -> Option<Reach> {
        (self.0.scheme() == "http").then_some(Reach::Loopback)
    }
}

fn is_here(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warehouse_is_reached_by_https_or_on_this_machine() {
        use InvalidWarehouse::*;
        for (text, expected) in [
            ("https://warehouse.example.com", Ok(())),
            ("https://warehouse.example.com:8443/", Ok(())),
            ("https://10.1.2.3:8443", Ok(())),
            ("http://127.0.0.1:8123", Ok(())),
            ("http://localhost:8123", Ok(())),
            ("http://[::1]:8123", Ok(())),
            ("http://warehouse.example.com", Err(Scheme)),
            ("http://10.1.2.3:8123", Err(Scheme)),
            ("http://localhost.example.com", Err(Scheme)),
            ("clickhouse://127.0.0.1", Err(Scheme)),
            ("https://user:secret@warehouse.example.com", Err(Userinfo)),
            ("https://warehouse.example.com/?user=a&password=b", Err(Tail)),
            ("https://warehouse.example.com/#x", Err(Tail)),
            ("https://ware house", Err(Unreadable)),
            ("warehouse.example.com", Err(Unreadable)),
            ("", Err(Unreadable)),
        ] {
            assert_eq!(WarehouseUrl::parse(text).map(drop), expected, "{text:?}");
        }
    }
}
