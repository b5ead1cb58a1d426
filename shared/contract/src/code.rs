//! Stable codes: why an event was rejected at a door or quarantined behind it, and why a request was refused.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// A stable code, written in snake case. Scripts and alarms may rely on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum Code { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The code on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Reads the code on the wire.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }
        }
    };
}

codes! {
    /// The bytes are not JSON.
    InvalidJson = "invalid_json";
    /// JSON, but not the expected kind of value.
    InvalidShape = "invalid_shape";
    /// A required field is absent.
    MissingField = "missing_field";
    /// A field the contract does not know.
    UnknownField = "unknown_field";
    /// A field stands twice in one object.
    DuplicateField = "duplicate_field";
    /// A value of the wrong JSON type.
    InvalidType = "invalid_type";
    /// A number that is not finite or too large.
    InvalidNumber = "invalid_number";
    /// A value outside its enumeration or grammar.
    InvalidValue = "invalid_value";
    /// A number outside its range.
    OutOfRange = "out_of_range";
    /// A text longer than allowed.
    TooLong = "too_long";
    /// A control or direction-changing character.
    ControlCharacter = "control_character";
    /// An event id outside its charset or length.
    InvalidEventId = "invalid_event_id";
    /// A UUIDv7 whose own time is too far ahead or back.
    EventIdTime = "event_id_time";
    /// Not an RFC 3339 time with an offset.
    InvalidTimestamp = "invalid_timestamp";
    /// An event of more than 16 KiB.
    EventTooLarge = "event_too_large";
    /// More context keys than allowed.
    TooManyKeys = "too_many_keys";
    /// A schema version this build does not read.
    UnsupportedVersion = "unsupported_version";
    /// The key is not bound to the event's organisation.
    ForeignOrg = "foreign_org";
    /// A type nobody declared.
    UnknownEventType = "unknown_event_type";
    /// One id, two bodies: the first won.
    IdCollision = "id_collision";
    /// Older than 30 days at arrival.
    Late = "late";
    /// An identifier that is not a token, behind the door.
    RawIdentifier = "raw_identifier";
    /// Base64 that does not decode.
    InvalidBase64 = "invalid_base64";
    /// A record packed by the Kinesis Producer Library.
    KplAggregated = "kpl_aggregated";
    /// A record larger than allowed.
    RecordTooLarge = "record_too_large";
    /// A change record without the image that is needed.
    InvalidChangeRecord = "invalid_change_record";
    /// The record made the reader panic.
    Panicked = "panicked";
    /// No pseudonymisation key for the organisation, so nothing was kept.
    NoKey = "no_key";

    /// The connector refused this event.
    ConnectorRejected = "connector_rejected";
    /// The connector failed on this event alone for hours while others passed.
    ConnectorError = "connector_error";
    /// Put back too often without being delivered.
    RescuesExhausted = "rescues_exhausted";

    /// No credentials.
    MissingApiKey = "missing_api_key";
    /// Unknown, malformed, revoked or expired credentials.
    InvalidApiKey = "invalid_api_key";
    /// More than one credential.
    AmbiguousCredentials = "ambiguous_credentials";
    /// The key lacks the scope.
    InsufficientScope = "insufficient_scope";
    /// No events in the request.
    EmptyBatch = "empty_batch";
    /// More than 500 events in the request.
    TooManyEvents = "too_many_events";
    /// A body of more than 1 MiB.
    PayloadTooLarge = "payload_too_large";
    /// A body that inflates too far.
    DecompressedTooLarge = "decompressed_too_large";
    /// Compressed bytes that do not inflate.
    InvalidEncoding = "invalid_encoding";
    /// An encoding other than gzip and zstd.
    UnsupportedEncoding = "unsupported_encoding";
    /// A body that is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type";
    /// Nested deeper than allowed.
    TooDeep = "too_deep";
    /// No event of the request was acceptable.
    NothingAcceptable = "nothing_acceptable";
    /// The Idempotency-Key was used for another body.
    IdempotencyConflict = "idempotency_conflict";
    /// A request header that cannot be read.
    InvalidHeader = "invalid_header";
    /// Too many requests.
    RateLimited = "rate_limited";
    /// The store does not take writes now.
    StorageUnavailable = "storage_unavailable";
    /// The client was too slow.
    RequestTimeout = "request_timeout";
    /// No such resource.
    NotFound = "not_found";
    /// The method is not offered here.
    MethodNotAllowed = "method_not_allowed";
    /// The Host header names another machine.
    MisdirectedRequest = "misdirected_request";
    /// The request comes from another origin.
    ForeignOrigin = "foreign_origin";
    /// A parameter outside its range or grammar.
    InvalidParameter = "invalid_parameter";
    /// A cursor that was not given out for this question.
    BadCursor = "bad_cursor";
    /// A bug: it is logged under the request id.
    Internal = "internal";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
