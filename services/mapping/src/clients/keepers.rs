//! Whoever keeps something of accounts, to have it erased.

use weir_ids::AccountId;
use weir_proto::erasure::v1::EraseAccountRequest;
use weir_proto::erasure::v1::erasure_service_client::ErasureServiceClient;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer, reason_of};

use super::Error;
use crate::domain::deletion::Keeper;

/// The other services, by what they keep.
#[derive(Clone)]
pub struct Keepers {
    contacts: ErasureServiceClient<Channel>,
    activities: ErasureServiceClient<Channel>,
    audiences: ErasureServiceClient<Channel>,
    quota: ErasureServiceClient<Channel>,
}

/// Where they are.
#[derive(Debug, Clone, Copy)]
pub struct Urls<'a> {
    pub contacts: &'a str,
    pub activities: &'a str,
    pub audiences: &'a str,
    pub quota: &'a str,
}

impl Keepers {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where an address is none.
    pub fn connect(urls: Urls<'_>) -> Result<Self, NotAnAddress> {
        let client = |peer: Peer, url| Ok(ErasureServiceClient::new(peer.connect(url)?));
        Ok(Self {
            contacts: client(Peer::CONTACT, urls.contacts)?,
            activities: client(Peer::ACTIVITY, urls.activities)?,
            audiences: client(Peer::AUDIENCE, urls.audiences)?,
            quota: client(Peer::QUOTA, urls.quota)?,
        })
    }

    /// Has some of it erased; how much that was, and whether there may be more.
    ///
    /// # Errors
    /// Where the service is away.
    pub async fn erase(
        &self,
        keeper: Keeper,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<(i64, bool), Error> {
        let mut client = match keeper {
            // That is us.
            Keeper::Mapping => return Ok((0, false)),
            Keeper::Contacts => self.contacts.clone(),
            Keeper::Activities => self.activities.clone(),
            Keeper::Audiences => self.audiences.clone(),
            Keeper::Quota => self.quota.clone(),
        };
        let away = |status: tonic::Status| {
            let reason = reason_of(&status).map(weir_reasons::Reason::code);
            tracing::warn!(service = keeper.name(), code = ?status.code(), reason, "no answer");
            Error::Away(keeper.name())
        };
        let request = EraseAccountRequest {
            account_id: account.to_string(),
        };
        let request = deadline.request(request).map_err(away)?;
        let answer = client.erase_account(request).await.map_err(away)?;
        let answer = answer.into_inner();
        Ok((answer.erased, answer.more))
    }
}
