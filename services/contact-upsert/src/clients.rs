//! The services that are told what happened to identifiers and contacts.

mod mapping;
mod people;

use std::time::Duration;

use tonic::{Code, Status};
use weir_ids::AccountId;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::{IdentifierKind, IdentifierLink, LinkIdentifiersRequest};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::settings::v1::ContactMerge;
use weir_rpc::wire::timestamp_of;
use weir_rpc::{Channel, Deadline, MAX_MESSAGE, NotAnAddress, Peer};

use crate::domain::{Deletion, Link, Merged, Message, Payload, Removal, Split, USER_ID};
use people::PeoplePeers;

mod rows;

pub use mapping::{Mapping, NoSetup, Setup};
pub use rows::{MappedBy, MappedRows, NotMapped, Reserved, Rows};

/// A call that attaches a large backlog takes its time; the rows stay claimed meanwhile.
const CALL: Duration = Duration::from_secs(8);
/// The contract's limit.
const MAX_LINKS: usize = 10_000;
/// As well.
const MAX_UPDATES: usize = 1_000;

/// Why somebody was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// Whoever the messages are of.
    #[error("a receiver is away")]
    Away,
    /// These messages.
    #[error("a receiver does not take it")]
    Refused,
}

/// The services that are told.
#[derive(Clone)]
pub struct Peers {
    activity: ActivityServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
    mapping: Mapping,
    people: PeoplePeers,
}

impl Peers {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where a URL is not one.
    pub fn connect(
        activity: &str,
        audience: &str,
        mapping: Mapping,
        people: &str,
    ) -> Result<Self, NotAnAddress> {
        let activity = Peer::ACTIVITY.connect(activity)?;
        let audience = Peer::AUDIENCE.connect(audience)?;
        let erasing = Peer::MAPPING.connect(people)?;
        Ok(Self {
            people: PeoplePeers::new(activity.clone(), audience.clone(), erasing),
            activity: ActivityServiceClient::new(activity).max_encoding_message_size(MAX_MESSAGE),
            audience: AudienceServiceClient::new(audience).max_encoding_message_size(MAX_MESSAGE),
            mapping,
        })
    }

    /// Tells all of a person who was deleted, and counts what they deleted.
    ///
    /// # Errors
    /// See [`Undelivered`]; some of it may have been taken.
    pub async fn erase(
        &self,
        account: AccountId,
        deletion: &mut Deletion,
        payload: &Payload,
    ) -> Result<(), Undelivered> {
        let erased = self.people.clone().erase(account, deletion, payload).await;
        erased.map_err(|status| undelivered(&status))
    }

    /// Tells them all. Links first: an activity that waits for its contact is seen sooner.
    ///
    /// # Errors
    /// See [`Undelivered`]; some of it may have been taken.
    pub async fn tell(
        &self,
        account: AccountId,
        messages: &[Message<'_>],
    ) -> Result<(), Undelivered> {
        let told = self.clone().tell_both(account, messages).await;
        told.map_err(|status| undelivered(&status))
    }

    async fn tell_both(
        &mut self,
        account: AccountId,
        messages: &[Message<'_>],
    ) -> Result<(), Status> {
        let merges: Vec<_> = messages.iter().flat_map(|m| &m.merges).copied().collect();
        let links = messages.iter().flat_map(|message| &message.links);
        let mut links = links.map(link_of);
        let mut merged = merges.iter().map(merge_of);
        loop {
            let request = LinkIdentifiersRequest {
                account_id: account.to_string(),
                links: links.by_ref().take(MAX_LINKS).collect(),
                merges: merged.by_ref().take(MAX_LINKS).collect(),
            };
            if request.links.is_empty() && request.merges.is_empty() {
                break;
            }
            let request = Deadline::after(CALL).request(request)?;
            self.activity.link_identifiers(request).await?;
        }
        for merges in merges.chunks(MAX_LINKS) {
            let merges = merges.iter().map(merge_of);
            let request = audience::MergeContactsRequest {
                account_id: account.to_string(),
                merges: merges.collect(),
            };
            let request = Deadline::after(CALL).request(request)?;
            self.audience.merge_contacts(request).await?;
        }
        let splits = messages.iter().flat_map(|message| &message.splits);
        let splits: Vec<&Split<'_>> = splits.collect();
        self.people.split(account, &splits).await?;
        self.apply_removes(account, messages).await?;
        self.raise_alerts(account, messages).await
    }

    /// Contacts that took over too many others. What is refused is dropped: it must not hold up
    /// links.
    async fn raise_alerts(
        &self,
        account: AccountId,
        messages: &[Message<'_>],
    ) -> Result<(), Status> {
        let alerts = messages.iter().flat_map(|message| &message.alerts);
        match self.mapping.raise(account, alerts).await {
            Err(status) if !is_away(&status) => {
                tracing::warn!(code = ?status.code(), "alerts are not taken; they are dropped");
                Ok(())
            }
            raised => raised,
        }
    }

    /// Removes that were kept until their person became known, at their own times. What
    /// audience says of each is final: it was overtaken, or its audience is gone.
    async fn apply_removes(
        &mut self,
        account: AccountId,
        messages: &[Message<'_>],
    ) -> Result<(), Status> {
        let removals = messages.iter().flat_map(|message| &message.removals);
        let updates: Vec<audience::MembershipUpdate> = removals.map(update_of).collect();
        for updates in updates.chunks(MAX_UPDATES) {
            let request = audience::ApplyMembershipUpdatesRequest {
                account_id: account.to_string(),
                updates: updates.to_vec(),
            };
            let request = Deadline::after(CALL).request(request)?;
            self.audience.apply_membership_updates(request).await?;
        }
        Ok(())
    }
}

fn is_away(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
}

fn undelivered(status: &Status) -> Undelivered {
    tracing::warn!(code = ?status.code(), "links could not be delivered");
    if is_away(status) {
        Undelivered::Away
    } else {
        Undelivered::Refused
    }
}

fn update_of(removal: &Removal<'_>) -> audience::MembershipUpdate {
    let Removal(contact, of, micros, message_id) = removal;
    audience::MembershipUpdate {
        contact_id: contact.to_string().into(),
        audience_id: of.to_string().into(),
        mode: audience::MembershipUpdateMode::Remove.into(),
        update_time: Some(timestamp_of(*micros)),
        message_id: message_id.to_string().into(),
    }
}

fn merge_of(Merged(contact, survivor, version): &Merged) -> ContactMerge {
    ContactMerge {
        contact_id: contact.to_string(),
        survivor_id: survivor.to_string(),
        version: *version,
    }
}

fn link_of(link: &Link<'_>) -> IdentifierLink {
    let Link(kind, value, contact, version, linked_micros) = link;
    let kind = if kind == USER_ID {
        IdentifierKind::UserId
    } else {
        IdentifierKind::AnonymousId
    };
    IdentifierLink {
        kind: kind.into(),
        value: value.to_string().into(),
        contact_id: contact.to_string().into(),
        version: *version,
        link_time: Some(timestamp_of(*linked_micros)),
    }
}
