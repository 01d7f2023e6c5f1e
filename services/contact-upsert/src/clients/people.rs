//! Splits and deletions, told to those who keep something of the people they are of.

use std::time::Duration;

use tonic::Status;
use weir_ids::AccountId;
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::people_service_client::PeopleServiceClient as ActivityPeople;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::people_service_client::PeopleServiceClient as AudiencePeople;
use weir_proto::mapping::v1::ErasePersonRequest;
use weir_proto::mapping::v1::people_service_client::PeopleServiceClient as MappingPeople;
use weir_proto::settings::v1::ErasedRows;
use weir_rpc::wire::{timestamp, timestamp_of};
use weir_rpc::{Channel, Deadline, MAX_MESSAGE};

use super::link_of;
use crate::domain::{ANONYMOUS_ID, Deletion, Payload, Split, USER_ID};

/// A contact may have done a lot; what a call leaves undone the next one does.
const CALL: Duration = Duration::from_secs(20);
/// The contract's limit, of contacts and of identifiers.
const MAX_ERASED: usize = 10_000;

/// The services that are told.
#[derive(Clone)]
pub(super) struct PeoplePeers {
    activity: ActivityPeople<Channel>,
    audience: AudiencePeople<Channel>,
    mapping: MappingPeople<Channel>,
}

impl PeoplePeers {
    pub fn new(activity: Channel, audience: Channel, mapping: Channel) -> Self {
        Self {
            activity: ActivityPeople::new(activity).max_encoding_message_size(MAX_MESSAGE),
            audience: AudiencePeople::new(audience).max_encoding_message_size(MAX_MESSAGE),
            mapping: MappingPeople::new(mapping).max_encoding_message_size(MAX_MESSAGE),
        }
    }

    /// Tells of splits, each alone: its links and family may be many.
    pub async fn split(&mut self, account: AccountId, splits: &[&Split<'_>]) -> Result<(), Status> {
        for split in splits {
            let request = activity::SplitContactsRequest {
                account_id: account.to_string(),
                splits: vec![split_of(split)],
            };
            let request = Deadline::after(CALL).request(request)?;
            self.activity.split_contacts(request).await?;
            let request = audience::SplitContactsRequest {
                account_id: account.to_string(),
                splits: vec![audience::ContactSplit {
                    contact_id: split.contact.to_string(),
                    version: split.version,
                    family_contact_ids: split.family.iter().map(ToString::to_string).collect(),
                }],
            };
            let request = Deadline::after(CALL).request(request)?;
            self.audience.split_contacts(request).await?;
        }
        Ok(())
    }

    /// Has a person deleted everywhere.
    pub async fn erase(
        &mut self,
        account: AccountId,
        deletion: &mut Deletion,
        payload: &Payload,
    ) -> Result<(), Status> {
        let contacts: Vec<String> = payload.contacts.iter().map(ToString::to_string).collect();
        let kinds = payload.identifiers.iter();
        let ids = kinds.filter_map(|(kind, value)| erased_of(kind, value));
        let ids: Vec<activity::ErasedIdentifier> = ids.collect();
        for part in 0..parts(contacts.len()).max(parts(ids.len())) {
            let request = activity::EraseContactsRequest {
                account_id: account.to_string(),
                deletion_id: deletion.id.to_string(),
                contact_ids: part_of(&contacts, part),
                identifiers: part_of(&ids, part),
                delete_time: Some(timestamp(deletion.request_time)),
            };
            let request = Deadline::after(CALL).request(request)?;
            let erased = self.activity.erase_contacts(request).await?.into_inner();
            count(deletion, "activity", erased.rows, true);
        }
        for part in 0..parts(contacts.len()) {
            let request = audience::EraseContactsRequest {
                account_id: account.to_string(),
                deletion_id: deletion.id.to_string(),
                contact_ids: part_of(&contacts, part),
            };
            let request = Deadline::after(CALL).request(request)?;
            let erased = self.audience.erase_contacts(request).await?.into_inner();
            count(deletion, "audience", erased.rows, true);
        }
        let values: Vec<String> = payload
            .identifiers
            .iter()
            .map(|one| one.1.clone())
            .collect();
        for part in 0..parts(values.len()) {
            let request = ErasePersonRequest {
                account_id: account.to_string(),
                identifiers: part_of(&values, part),
                delete_time: Some(timestamp(deletion.request_time)),
            };
            let request = Deadline::after(CALL).request(request)?;
            let erased = self.mapping.erase_person(request).await?.into_inner();
            count(deletion, "mapping", erased.rows, false);
        }
        Ok(())
    }
}

fn count(deletion: &mut Deletion, service: &str, rows: Vec<ErasedRows>, in_all: bool) {
    for row in rows {
        deletion.count(service, &row.what, row.count, in_all);
    }
}

fn parts(all: usize) -> usize {
    all.div_ceil(MAX_ERASED)
}

fn part_of<T: Clone>(all: &[T], part: usize) -> Vec<T> {
    let part = all.iter().skip(part * MAX_ERASED).take(MAX_ERASED);
    part.cloned().collect()
}

fn split_of(split: &Split<'_>) -> activity::ContactSplit {
    activity::ContactSplit {
        contact_id: split.contact.to_string(),
        survivor_id: split.survivor.to_string(),
        version: split.version,
        merge_time: Some(timestamp_of(split.merged_micros)),
        links: split.links.iter().map(link_of).collect(),
    }
}

/// Activity knows contacts by these two kinds alone.
fn erased_of(kind: &str, value: &str) -> Option<activity::ErasedIdentifier> {
    let kind = match kind {
        USER_ID => activity::IdentifierKind::UserId,
        ANONYMOUS_ID => activity::IdentifierKind::AnonymousId,
        _ => return None,
    };
    Some(activity::ErasedIdentifier {
        kind: kind.into(),
        value: value.to_owned(),
    })
}
