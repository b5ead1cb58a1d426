//! One cryptography library for the whole process.

/// Makes ring the process's default, for HTTP clients that are built without naming a library. Repeating it changes
/// nothing.
pub fn install() {
    // An error says that a default exists already: whoever set it first wins.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
