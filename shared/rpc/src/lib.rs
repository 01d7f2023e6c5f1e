//! gRPC as every service speaks it: serving with health and reflection, connecting,
//! deadlines that travel, and errors that say what to do.
//!
//! **Invariant:** every error of a call is made here and carries a reason of the registry
//! (semantics 1.6), so that a caller never has to read a message. A call without a deadline gets
//! one; a page of a list has no more bytes than a client takes that was never told otherwise.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod access;
mod client;
mod deadline;
mod error;
mod faults;
mod page;
mod server;
mod trace;
mod unary;
pub mod wire;

pub use access::{Access, Secret, call_as};
pub use client::{Channel, NotAnAddress, Peer, connect};
pub use deadline::Deadline;
pub use error::{
    Silent, aborted, internal, invalid, invalid_all, is_late, late, not_found, reason_of, refused,
    refused_with, slow, told, unavailable, unknown_page,
};
pub use faults::Faults;
pub use page::{MAX_PAGE_BYTES, Page, page_limit, page_size, page_start};
pub use server::{CorsOrigins, NotAnOrigin, Server, while_beginning};
pub use trace::{REQUEST_ID, tell_trace};
pub use unary::{PrefixedMessage, Unary, call};

/// The largest message in either direction: a batch is at most 16 MiB of JSON (the edge's
/// limit), and its spans and ids are small against that.
pub const MAX_MESSAGE: usize = 32 * 1024 * 1024;
