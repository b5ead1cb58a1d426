//! The schemas of identifiers, times and tokens: texts with a grammar.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::{EventId, OrgId, ProductId, Timestamp, limits::ID_BYTES_MAX};

/// A user's token: `u1.<epoch>.<26 characters of 5 bits>`.
pub const USER_TOKEN: &str = r"^u1\.(0|[1-9][0-9]{0,9})\.[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$";
/// A session's token.
pub(crate) const SESSION_TOKEN: &str =
    r"^s1\.(0|[1-9][0-9]{0,9})\.[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$";
/// The token of a task's run, of an idempotency key, of a thing.
pub(crate) const OBJECT_TOKEN: &str =
    r"^o1\.(0|[1-9][0-9]{0,9})\.[0-9a-hjkmnp-tv-z]{25}[048cgmrw]$";
/// A short name, or the scrubber's placeholder for what it removed.
pub(crate) const NAME: &str = r"^([A-Za-z0-9._:/-]+|\[[A-Z_]+\])$";
/// A UUID in lower case.
pub(crate) const UUID: &str = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$";
/// RFC 3339 with any offset, as a door takes it.
pub(crate) const ANY_TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

macro_rules! text {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(OrgId, {
    "description": "An organisation: the tenant boundary.",
    "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": ID_BYTES_MAX
});
text!(ProductId, {
    "description": "A product of an organisation.",
    "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "minLength": 1, "maxLength": ID_BYTES_MAX
});
text!(EventId, {
    "description": "An event's identity within its organisation, for ever.",
    "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "minLength": 1, "maxLength": ID_BYTES_MAX
});
text!(Timestamp, {
    "description": "RFC 3339 in UTC, with milliseconds.",
    "type": "string",
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
});
