//! Which table, stream, bucket, bus and secret is meant: one variable each, and no function starts without its own.

use std::collections::BTreeMap;

use ports::{PortError, PortResult};

/// A thing of the account that a function uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// Table: events on their way to the connector (24 h TTL, change stream).
    Staging,
    /// Table: batches, leases, receipts, parked events, the per-organisation ledger.
    Delivery,
    /// Table: markers of counted events, idempotency answers, the quarantine's index.
    Dedupe,
    /// Table: counters by organisation, product and hour.
    Counters,
    /// Table: organisations and assignments.
    Reference,
    /// Table: callers' keys, secrets as hashes.
    Keys,
    /// Table: events of sessions, sessions, incidents, what they add up to, and projections.
    Sessions,
    /// Stream: every event.
    Stream,
    /// Bucket: the archive.
    Archive,
    /// Bucket: records that were set aside, sealed.
    Quarantine,
    /// Bucket: invocations that Lambda gave up.
    OnFailure,
    /// Event bus: announcements.
    Bus,
    /// Secret: pseudonymisation root keys and the quarantine key.
    PseudonymSecret,
    /// Secret: the key that signs the cursors of lists.
    CursorSecret,
    /// Key of KMS: the root of the current epoch's pseudonyms, in the place of the one in the secret.
    PseudonymKmsKey,
}

impl Resource {
    /// Those that every installation has.
    pub const ALL: [Self; 14] = [
        Self::Staging,
        Self::Delivery,
        Self::Dedupe,
        Self::Counters,
        Self::Reference,
        Self::Keys,
        Self::Sessions,
        Self::Stream,
        Self::Archive,
        Self::Quarantine,
        Self::OnFailure,
        Self::Bus,
        Self::PseudonymSecret,
        Self::CursorSecret,
    ];

    /// Those that are used where their variable is set.
    pub const OPTIONAL: [Self; 1] = [Self::PseudonymKmsKey];

    /// The variable that names it.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Staging => "EVENTS_DDB_TABLE",
            Self::Delivery => "DELIVERY_TABLE",
            Self::Dedupe => "DEDUPE_TABLE",
            Self::Counters => "DYNAMODB_TABLE",
            Self::Reference => "REFERENCE_TABLE",
            Self::Keys => "KEYS_TABLE",
            Self::Sessions => "SESSIONS_TABLE",
            Self::Stream => "EVENTS_STREAM",
            Self::Archive => "S3_BUCKET",
            Self::Quarantine => "QUARANTINE_BUCKET",
            Self::OnFailure => "ON_FAILURE_BUCKET",
            Self::Bus => "EVENT_BUS",
            Self::PseudonymSecret => "PSEUDONYM_SECRET",
            Self::CursorSecret => "CURSOR_SECRET",
            Self::PseudonymKmsKey => "PSEUDONYM_KMS_KEY",
        }
    }

    /// Its name in the stage `prod`; another stage appends its own, and a bucket the number of its account as well, since
    /// names of buckets belong to the whole world.
    #[must_use]
    pub fn default_name(self) -> &'static str {
        match self {
            Self::Staging => "eu-friction-events",
            Self::Delivery => "friction-delivery",
            Self::Dedupe => "friction-dedupe",
            Self::Counters => "event-aggregations",
            Self::Reference => "friction-reference",
            Self::Keys => "friction-keys",
            Self::Sessions => "friction-sessions",
            Self::Stream => "friction-events",
            Self::Archive => "event-archive",
            Self::Quarantine => "friction-quarantine",
            Self::OnFailure => "friction-on-failure",
            Self::Bus => "friction",
            Self::PseudonymSecret => "friction/pseudonym-keys",
            Self::CursorSecret => "friction/cursor-key",
            Self::PseudonymKmsKey => "alias/friction-pseudonym-e1",
        }
    }
}

/// The names of an installation's things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources(BTreeMap<Resource, String>);

/// A function whose variable is missing does not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not set: without it this function cannot work")]
pub struct MissingVariable(pub &'static str);

impl Resources {
    /// Names given one by one.
    pub fn named(names: impl IntoIterator<Item = (Resource, String)>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Reads the variables of `needed` through `variable`, and those of [`Resource::OPTIONAL`] that are set.
    ///
    /// # Errors
    /// The first variable that is unset or empty.
    pub fn read(
        needed: &[Resource],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, MissingVariable> {
        let set = |resource: &Resource| {
            let found = variable(resource.variable()).filter(|name| !name.trim().is_empty());
            found.map(|name| (*resource, name))
        };
        let name = |resource: &Resource| set(resource).ok_or(MissingVariable(resource.variable()));
        let mut names = needed.iter().map(name).collect::<Result<BTreeMap<_, _>, _>>()?;
        names.extend(Resource::OPTIONAL.iter().filter_map(set));
        Ok(Self(names))
    }

    /// The name of `resource`.
    ///
    /// # Errors
    /// Permanent: this function was not told it.
    pub fn name(&self, resource: Resource) -> PortResult<&str> {
        let found = self.0.get(&resource).map(String::as_str);
        found.ok_or_else(|| PortError::permanent("resources", MissingVariable(resource.variable())))
    }

    /// The name of a resource that this installation may do without.
    #[must_use]
    pub fn optional(&self, resource: Resource) -> Option<&str> {
        self.0.get(&resource).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_missing_or_empty_is_named() {
        let read = |set: &'static [(&str, &str)]| {
            Resources::read(&[Resource::Staging, Resource::Stream], |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(read(&[]), Err(MissingVariable("EVENTS_DDB_TABLE")));
        let empty = read(&[("EVENTS_DDB_TABLE", "t"), ("EVENTS_STREAM", " ")]);
        assert_eq!(empty, Err(MissingVariable("EVENTS_STREAM")));
        let names = read(&[("EVENTS_DDB_TABLE", "t"), ("EVENTS_STREAM", "s")]).unwrap();
        assert_eq!(names.optional(Resource::PseudonymKmsKey), None);
        assert_eq!(names.name(Resource::Stream).unwrap(), "s");
        let error = names.name(Resource::Bus).unwrap_err();
        assert!(!error.transient && error.to_string().contains("EVENT_BUS"), "{error}");
    }

    #[test]
    fn what_an_installation_may_do_without_is_read_where_it_is_set() {
        let names =
            Resources::read(&[], |name| (name == "PSEUDONYM_KMS_KEY").then(|| "k".to_owned()));
        assert_eq!(names.unwrap().optional(Resource::PseudonymKmsKey), Some("k"));
    }

    #[test]
    fn every_resource_has_a_variable_and_a_name_of_its_own() {
        let all = || Resource::ALL.into_iter().chain(Resource::OPTIONAL);
        let variables: std::collections::BTreeSet<_> = all().map(Resource::variable).collect();
        let names: std::collections::BTreeSet<_> = all().map(Resource::default_name).collect();
        assert_eq!((variables.len(), names.len()), (all().count(), all().count()));
    }
}
