//! What the services know, as pages show it.

mod account;
mod contact;
mod event;
mod health;
mod mapping;
mod more;
mod source;
mod usage;

pub use account::{Account, Blocked, Reindex, Strategy};
pub use contact::{
    Activity, Contact, ContactValue, Counted, Deletion, Found, Gone, Membership, MembershipTurn,
    Merge, MergePreview, PreviewedField, Provenance,
};
pub use event::{
    Kept, KeptCount, KeptFilter, LogEntry, LogFilter, Outcome, Previewed, Recent, Replay,
    ReplayPreview, Stage, Story, Summary, Tried,
};
pub use health::{Described, Edge, Gauge, Process, Reached, ReplicaHealth, ServiceHealth};
pub use mapping::{
    ActivityMapping, Difference, EventName, Field, Preview, PreviewedEvent, PreviewedRow,
    RefusedValue, Row, Suggestion, TakenValue, Version,
};
pub use more::{
    Alert, Audience, AudienceDay, Change, ChangedValue, Delivery, MailStatus, Member, NewToken,
    Origin, Person, Planned, Sync, Token,
};
pub use source::{Kind, Mail, Merging, Sample, Source, SourceKey, Status};
pub use usage::{History, Spender, Spending, Usage, Used, Window};

/// A page of a list, and where it goes on; empty: nowhere.
#[derive(Debug, Clone, Default)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: String,
}
