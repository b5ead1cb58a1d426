//! Which addresses may be connected to: a name is resolved once, judged whole, and connected to as judged.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Which addresses an endpoint may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Global unicast only.
    Global,
    /// This machine only.
    Loopback,
}

impl Reach {
    /// Whether `address` lies within reach.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Global => is_global(address),
            Self::Loopback => address.is_loopback(),
        }
    }
}

/// A name whose addresses are not all within reach. Names neither: the error travels into logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address of the connector's host is not allowed")]
pub struct AddressRefused;

/// Finds the addresses of a name.
pub(crate) trait Lookup: Clone + Send + Sync + 'static {
    fn lookup(&self, name: String) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Lookup for System {
    async fn lookup(&self, name: String) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.collect())
    }
}

/// Resolves names within reach. One address out of reach refuses the whole name, and the connection goes to the very
/// addresses that were judged: a second answer of the name server changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct Guarded<L> {
    pub(crate) reach: Reach,
    pub(crate) lookup: L,
}

impl<L: Lookup> Resolve for Guarded<L> {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { reach, lookup } = self.clone();
        Box::pin(async move {
            let found = lookup.lookup(name.as_str().to_owned()).await?;
            if found.iter().all(|address| reach.allows(address.ip())) {
                let addresses: Addrs = Box::new(found.into_iter());
                Ok(addresses)
            } else {
                Err(AddressRefused.into())
            }
        })
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Global unicast is `2000::/3`; in it lie addresses that carry an IPv4 address or lead nowhere.
fn is_global_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_unicast = first & 0xe000 == 0x2000;
    let is_special = match first {
        // Teredo, benchmarking, ORCHID and the other protocol assignments; documentation.
        0x2001 => second < 0x0200 || second == 0x0db8,
        // 6to4.
        0x2002 => true,
        // Documentation.
        0x3fff => second < 0x1000,
        _ => false,
    };
    is_unicast && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_global_unicast_is_within_reach() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Reach::Global.allows(text.parse().unwrap()), expected, "{text}");
        };
        for global in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
        ] {
            check(global, true);
        }
        for refused in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::7f00:1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            check(refused, false);
        }
    }

    #[test]
    fn loopback_is_this_machine_only() {
        for (text, expected) in
            [("127.0.0.1", true), ("::1", true), ("10.0.0.1", false), ("1.1.1.1", false)]
        {
            assert_eq!(Reach::Loopback.allows(text.parse().unwrap()), expected, "{text}");
        }
    }
}
