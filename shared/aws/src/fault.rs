//! How a service's refusal becomes a failure of the world that may pass, or stays until somebody acts.

use std::error::Error;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ports::PortError;

/// Turns an SDK's error into a port's. What the service says is kept; it names no event's content.
pub(crate) fn port_error<E, R>(operation: &'static str, error: SdkError<E, R>) -> PortError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let transient = is_transient(&error);
    let told = match error.as_service_error() {
        Some(service) => format!(
            "{}: {}",
            service.code().unwrap_or("an error without a code"),
            service.message().unwrap_or("no message")
        ),
        None => format!("{}", aws_smithy_types::error::display::DisplayErrorContext(&error)),
    };
    PortError { operation, transient, source: told.into() }
}

/// Timeouts, broken connections, throttling and the service's own faults pass; a missing table, a refused permission or
/// a malformed request stays.
pub(crate) fn is_transient<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    match error.as_service_error().and_then(|service| service.code()) {
        Some(code) => !PERMANENT.contains(&code),
        // An answer that cannot be read was cut off; a request that cannot be built never can.
        None => !matches!(error, SdkError::ConstructionFailure(_)),
    }
}

/// The codes after which only a person can help. Whatever is unknown is tried again.
const PERMANENT: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "DecryptionFailure",
    "DisabledException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidArgumentException",
    "InvalidClientTokenId",
    "InvalidKeyUsageException",
    "InvalidParameterException",
    "InvalidRequestException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSNotFoundException",
    "KeyUnavailableException",
    "MissingAuthenticationToken",
    "NoSuchBucket",
    "NotFoundException",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "ValidationException",
];
