//! Rows that a batch has read, and the domain's view of them, which borrows from them.

use std::borrow::Cow;

use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::ContactId;
use weir_postgres::JsonText;
use weir_tombstones::Erased;

use crate::domain::{Key, KeyId, Settings, Source, Stamp, StoredContact, StoredLink, Transition};
use crate::store::micros_of;

/// Rows of some keys and of the contacts that they lead to.
#[derive(Default)]
pub struct Rows {
    /// Which identifiers are compared without case is written down otherwise than the batch
    /// has it.
    pub(super) caseless_differ: bool,
    /// By what contacts match besides, while they are reindexed.
    pub(super) transition: Option<Transition>,
    /// Of the batch.
    pub(super) source: Source,
    /// Of the account's links.
    pub(super) generation: i64,
    /// Somebody of the account was deleted not long ago.
    pub(super) erased: Option<Erased>,
    /// Links that need not be read.
    pub(super) cached: Vec<(KeyId, StoredLink<'static>)>,
    pub(super) sought: Vec<KeyId>,
    pub(super) links: Vec<Row>,
    /// Where events were stored that are taken anew.
    pub(super) corrected: Vec<Row>,
    pub(super) contacts: Vec<Row>,
}

impl Rows {
    /// Contacts as the fold takes them.
    pub fn contacts(&self) -> Vec<StoredContact<'_>> {
        let contact = |row| StoredContact::from(row);
        self.contacts.iter().map(contact).collect()
    }

    /// Identifiers as the fold takes them.
    pub fn links(&self) -> Vec<(KeyId, StoredLink<'_>)> {
        self.cached
            .iter()
            .cloned()
            .chain(self.read_links())
            .collect()
    }

    /// Where the events were stored that are taken anew.
    pub fn corrected(&self) -> impl Iterator<Item = (Uuid, ContactId)> {
        let corrected = self.corrected.iter();
        corrected.map(|row| (row.get("event_key"), ContactId(row.get("contact_id"))))
    }

    /// Whether it is to be written down which identifiers are compared without case.
    pub fn caseless_differ(&self) -> bool {
        self.caseless_differ
    }

    /// By what contacts match besides, while they are reindexed.
    pub fn transition(&self) -> Option<&Transition> {
        self.transition.as_ref()
    }

    /// The settings of a batch, under what stands in its account.
    pub fn settings<'s>(&self, settings: &'s Settings) -> Cow<'s, Settings> {
        match &self.transition {
            None => Cow::Borrowed(settings),
            Some(transition) => Cow::Owned(Settings {
                transition: Some(transition.clone()),
                ..settings.clone()
            }),
        }
    }

    /// The number of the batch's source.
    pub fn source(&self) -> Source {
        self.source
    }

    /// What the account's row says of deletions.
    pub fn erased(&self) -> Option<&Erased> {
        self.erased.as_ref()
    }

    /// Of the account's links.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Those that were read.
    pub(super) fn read_links(&self) -> impl Iterator<Item = (KeyId, StoredLink<'_>)> {
        let key = |row: &Row| {
            let ordinal: i64 = row.get("ordinal");
            // PostgreSQL counts from one.
            let index = usize::try_from(ordinal - 1).expect("it is one of those that were sent");
            self.sought[index]
        };
        let links = self.links.iter();
        links.map(move |row| (key(row), stored_link(row)))
    }
}

impl<'a> From<&'a Row> for StoredContact<'a> {
    fn from(row: &'a Row) -> Self {
        Self {
            id: ContactId(row.get("contact_id")),
            has_user_id: row.get("has_user_id"),
            fields: row.get::<_, JsonText<'_>>("fields").0,
            registers: row.get::<_, JsonText<'_>>("registers").0,
            redirected: row.get("redirected"),
        }
    }
}

pub(super) fn stored_link(row: &Row) -> StoredLink<'_> {
    let event_micros = micros_of(row.get("event_time"));
    StoredLink {
        contact: ContactId(row.get("contact_id")),
        version: row.get("version"),
        linked_micros: micros_of(row.get("link_time")),
        stamp: Stamp::new(event_micros, row.get("message_id")),
    }
}

/// Identifiers of contacts that are locked.
pub struct HeldLinks(pub(super) Vec<Row>);

impl HeldLinks {
    /// As [`Changes::with_held_links`] takes them.
    pub fn links(&self) -> Vec<(Key<'_>, StoredLink<'_>)> {
        let key = |row| Key {
            kind: Row::get(row, "kind"),
            value: Row::get::<_, &str>(row, "value").into(),
        };
        let links = self.0.iter();
        links.map(|row| (key(row), stored_link(row))).collect()
    }
}
