//! One file per command.

pub(crate) mod assign;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod books;
pub(crate) mod explain;
pub(crate) mod keys;
pub(crate) mod orgs;
mod owned;
pub(crate) mod replay;
pub(crate) mod rescore;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod send;
pub(crate) mod sessions;
mod sweeping;
pub(crate) mod tune;
pub(crate) mod warehouse;
