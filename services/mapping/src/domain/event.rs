//! Events as they come.

use chrono::{DateTime, Utc};
use weir_json::Raw;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Identify,
    Track,
    /// An audience member entry: an identify without a timestamp.
    Member,
}

/// The request that an event came in.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    pub time: DateTime<Utc>,
    /// Stands for it in log lines.
    pub batch_id: &'a str,
}

/// An event as the edge split it: borrowed, and checked for JSON's syntax.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent<'a> {
    pub received: Received<'a>,
    /// In its request, for log lines.
    pub index: u32,
    pub kind: EventKind,
    /// Objects.
    pub traits: Option<Raw<'a>>,
    pub properties: Option<Raw<'a>>,
    pub location: Option<Raw<'a>>,
    /// An IPv4 address as text; empty where there is none.
    pub ip: &'a [u8],
    pub event_name: &'a str,
    pub event_time: DateTime<Utc>,
    pub message_id: &'a str,
}
