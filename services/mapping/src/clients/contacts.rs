//! Contact-upsert's copy of an account's unique identifiers, the one that counts
//! (semantics 3.2).

use tonic::Status;
use weir_ids::AccountId;
use weir_proto::contact::v1 as pb;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::settings::v1 as settings;
use weir_reasons::Reason;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer, reason_of};

use super::Error;
use crate::domain::account::{AccountSettings, Identifiers, KeyStrategy};

const CONTACT: &str = "contact-upsert";

/// Asks for unique identifiers, and to change them.
#[derive(Clone)]
pub struct Contacts(ContactServiceClient<Channel>);

impl Contacts {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the address is not one.
    pub fn connect(url: &str) -> Result<Self, NotAnAddress> {
        Ok(Self(ContactServiceClient::new(Peer::CONTACT.connect(url)?)))
    }

    /// Those that stand; none where they were never changed since the account was made.
    ///
    /// # Errors
    /// Where the service is away.
    pub async fn identifiers(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<Option<Identifiers>, Error> {
        let request = deadline
            .request(pb::GetUniqueIdentifiersRequest {
                account_id: account.to_string(),
            })
            .map_err(failure)?;
        let answer = self.0.clone().get_unique_identifiers(request).await;
        let answer = answer.map_err(failure)?.into_inner();
        answer.identifiers.map(read).transpose()
    }

    /// Changes them to those of `settings`; answers what stands now. The same again changes
    /// nothing.
    ///
    /// # Errors
    /// Where a contact is stored already, or the service is away.
    pub async fn change_identifiers(
        &self,
        account: AccountId,
        settings: &AccountSettings,
        deadline: Deadline,
    ) -> Result<Identifiers, Error> {
        let ids = settings.unique_identifiers.iter();
        let request = deadline
            .request(pb::ChangeUniqueIdentifiersRequest {
                account_id: account.to_string(),
                unique_identifiers: ids.map(ToString::to_string).collect(),
                key_strategy: key_strategy(settings.key_strategy).into(),
            })
            .map_err(failure)?;
        let answer = self.0.clone().change_unique_identifiers(request).await;
        let answer = answer.map_err(failure)?.into_inner();
        read(answer.identifiers.ok_or(Error::Unreadable(CONTACT))?)
    }
}

/// Sorts a status, and logs what is not an answer: once, here.
fn failure(status: Status) -> Error {
    if reason_of(&status) == Some(Reason::ContactsExist) {
        return Error::ContactsExist;
    }
    tracing::warn!(
        service = CONTACT,
        code = ?status.code(),
        reason = reason_of(&status).map(Reason::code),
        "no answer"
    );
    Error::of(CONTACT, &status)
}

fn read(stored: pb::VersionedIdentifiers) -> Result<Identifiers, Error> {
    let unreadable = Error::Unreadable(CONTACT);
    let key_strategy = match stored.key_strategy() {
        settings::KeyStrategy::Any => KeyStrategy::Any,
        settings::KeyStrategy::NextIfEmpty => KeyStrategy::NextIfEmpty,
        settings::KeyStrategy::Unspecified => return Err(unreadable),
    };
    let ids = stored.unique_identifiers.iter();
    Ok(Identifiers {
        unique_identifiers: ids
            .map(|id| id.parse().map_err(|_| unreadable))
            .collect::<Result<_, _>>()?,
        next_unique_identifiers: stored
            .next_unique_identifiers
            .iter()
            .map(|id| id.parse().map_err(|_| unreadable))
            .collect::<Result<_, _>>()?,
        key_strategy,
        version: stored.version,
    })
}

fn key_strategy(strategy: KeyStrategy) -> settings::KeyStrategy {
    match strategy {
        KeyStrategy::Any => settings::KeyStrategy::Any,
        KeyStrategy::NextIfEmpty => settings::KeyStrategy::NextIfEmpty,
    }
}
