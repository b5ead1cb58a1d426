//! Where things lie in the table of sessions: partitions, sort keys, lanes.

use contract::{OrgId, ProductId, Timestamp, session::SessionId};
use friction::owner::Owner;
use ports::sessions::Lane;

/// The partition of everything of an owner.
pub(crate) fn partition(Owner { org, product, token }: &Owner) -> String {
    format!("U#{org}#{product}#{token}")
}

/// The owner of a partition.
pub(crate) fn owner(partition: &str) -> Option<Owner> {
    let mut parts = partition.splitn(4, '#');
    if parts.next()? != "U" {
        return None;
    }
    let (org, product, token) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Owner { org: org.parse().ok()?, product: product.parse().ok()?, token: token.to_owned() })
}

/// A time in 13 digits, in whose order it is.
pub(crate) fn digits(at: Timestamp) -> String {
    format!("{:013}", at.ms().clamp(0, DIGITS_13))
}

/// The sort key of a session: the beginning is a part of its identity and never changes.
pub(crate) fn session(started_at: Timestamp, id: &SessionId) -> String {
    format!("{SESSION}{}#{id}", digits(started_at))
}

/// What the index `named` calls a session of `org`.
pub(crate) fn named_session(org: &OrgId, id: &SessionId) -> String {
    format!("S#{org}#{id}")
}

/// The list of the sessions, or of the incidents, that began on the day of `at`.
pub(crate) fn list(kind: &str, org: &OrgId, at: Timestamp) -> String {
    format!("{kind}{org}#{}", digits(at.day()))
}

/// The place in such a list: by time, then by id.
pub(crate) fn place(at: Timestamp, id: &str) -> String {
    format!("{}#{id}", digits(at))
}

/// The lane in which somebody looks for an owner.
pub(crate) fn lane(owner: &Owner) -> String {
    lane_name(lane_of(owner))
}

/// The lane in which commits of a product wait, so that nobody but who posts a lane writes to a product's cells.
pub(crate) fn journal_lane(org: &OrgId, product: &ProductId) -> String {
    let all = Owner { org: org.clone(), product: product.clone(), token: String::new() };
    lane_name(lane_of(&all))
}

/// The lanes that a part of all lanes is made of.
pub(crate) fn lanes(lane: Lane) -> Vec<String> {
    let within = |stored: &u8| u32::from(*stored) % lane.of.max(1) == lane.index;
    (0..Lane::MAX).filter(within).map(lane_name).collect()
}

fn lane_of(owner: &Owner) -> u8 {
    let [first, ..] = owner.hash(&["lane"]);
    first % Lane::MAX
}

fn lane_name(lane: u8) -> String {
    format!("{lane:02}")
}

/// What the sort keys of events begin with.
pub(crate) const EVENT: &str = "E#";
/// What those of sessions begin with, and the lists of them.
pub(crate) const SESSION: &str = "S#";
/// What those of incidents begin with, and the lists of them.
pub(crate) const INCIDENT: &str = "I#";
const DIGITS_13: i64 = 9_999_999_999_999;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_owner_reads_back_from_its_partition_whatever_its_token() {
        for token in ["anna", "anna#1", "#", ""] {
            let anna = Owner {
                org: OrgId::parse("acme").unwrap(),
                product: ProductId::default(),
                token: token.to_owned(),
            };
            assert_eq!(owner(&partition(&anna)), Some(anna), "{token}");
        }
        for bad in ["", "U#acme#crm", "V#acme#crm#anna", "U#a.b#crm#anna"] {
            assert_eq!(owner(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_lane_is_in_one_part() {
        for of in [1, 2, 4, 8, 16, 32] {
            let all: Vec<_> = (0..of).flat_map(|index| lanes(Lane { index, of })).collect();
            assert_eq!(all.len(), 32, "of {of}");
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 32, "of {of}");
        }
    }
}
