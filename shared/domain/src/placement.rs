//! Under which key an event or an organisation lies in a partitioned table: a function of its name alone, so that an
//! emitter and the suite, which never meet, agree.

use contract::{EventId, OrgId};
use sha2::{Digest, Sha256};

/// The partition of an organisation's staged event: eight of them share its writes.
#[must_use]
pub fn staging(org: &OrgId, id: &EventId) -> String {
    staging_partition(org, first_byte(id.as_str()) % STAGING_PARTITIONS)
}

/// All partitions of an organisation's staged events.
pub fn staging_partitions(org: &OrgId) -> impl Iterator<Item = String> {
    (0..STAGING_PARTITIONS).map(move |number| staging_partition(org, number))
}

/// The partition of the directory that lists an organisation.
#[must_use]
pub fn directory(org: &OrgId) -> String {
    directory_partition(first_byte(org.as_str()) % DIRECTORY_PARTITIONS)
}

/// All partitions of the directory.
pub fn directory_partitions() -> impl Iterator<Item = String> {
    (0..DIRECTORY_PARTITIONS).map(directory_partition)
}

fn staging_partition(org: &OrgId, number: u8) -> String {
    format!("S#{org}#{number}")
}

fn directory_partition(number: u8) -> String {
    format!("DIR#{number}")
}

fn first_byte(name: &str) -> u8 {
    Sha256::digest(name.as_bytes()).first().copied().unwrap_or(0)
}

const STAGING_PARTITIONS: u8 = 8;
const DIRECTORY_PARTITIONS: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_always_lies_in_the_same_partition_and_that_is_one_of_all() {
        let org = OrgId::parse("acme").unwrap();
        let id = EventId::parse("event.0001").unwrap();
        // SHA-256 begins with 0xff for the event (255 % 8 = 7), with 0x82 for the organisation (130 % 16 = 2).
        assert_eq!(staging(&org, &id), "S#acme#7");
        assert_eq!(directory(&org), "DIR#2");
        assert!(staging_partitions(&org).any(|key| key == staging(&org, &id)));
        assert!(directory_partitions().any(|key| key == directory(&org)));
        assert_eq!((staging_partitions(&org).count(), directory_partitions().count()), (8, 16));
    }
}
