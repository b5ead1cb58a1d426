//! See ARCHITECTURE.md.

pub mod pseudonym;
pub mod url_template;
