//! A connector to test against: it keeps the real one's contract, misbehaves as the real one was seen to, and keeps
//! books of everything it took and of everything that was done wrong to it.

mod books;
mod in_process;
mod quirks;
mod ready;
mod receiver;
mod server;

pub use self::{
    books::{Books, OrgBooks, TakenBatch, Violation},
    in_process::InProcess,
    quirks::{Death, Quirks},
    ready::MockConnector,
    receiver::{MockSettings, Received, Receiver, Reply, Shape},
    server::MockServer,
};
