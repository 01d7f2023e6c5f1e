//! Whether there is such an account: mapping owns them, and every other service asks here
//! before it answers for an id that it does not know itself.
//!
//! **Invariant:** nothing is remembered that could keep an account from being found: that there
//! is one is remembered for a minute, that there is none is not.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::time::Duration;

use moka::future::Cache;
use tonic::{Code, Status};
use weir_ids::AccountId;
use weir_proto::mapping::v1::GetAccountRequest;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer, Silent};

/// How long an account is taken to be there without asking again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Of so many accounts at most, 16 bytes each.
const MOST: u64 = 20_000;

/// Asks mapping for accounts. Clones share what is remembered.
#[derive(Clone)]
pub struct Accounts {
    mapping: MappingServiceClient<Channel>,
    known: Cache<AccountId, ()>,
}

impl Accounts {
    /// Connects to mapping on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(mapping_url: &str) -> Result<Self, NotAnAddress> {
        Ok(Self {
            mapping: MappingServiceClient::new(Peer::MAPPING.connect(mapping_url)?),
            known: Cache::builder()
                .max_capacity(MOST)
                .time_to_live(REMEMBERED)
                .build(),
        })
    }

    /// Whether mapping knows the account.
    ///
    /// # Errors
    /// Where mapping is away, or late.
    pub async fn exists(&self, account: AccountId, deadline: Deadline) -> Result<bool, Silent> {
        if self.known.contains_key(&account) {
            return Ok(true);
        }
        let request = deadline.request(GetAccountRequest {
            account_id: account.to_string(),
            name: String::new(),
        });
        let request = request.map_err(|status| silent(&status))?;
        match self.mapping.clone().get_account(request).await {
            Ok(_) => {
                self.known.insert(account, ()).await;
                Ok(true)
            }
            Err(status) if status.code() == Code::NotFound => Ok(false),
            Err(status) => {
                tracing::warn!(code = ?status.code(), "mapping could not be asked for an account");
                Err(silent(&status))
            }
        }
    }
}

fn silent(status: &Status) -> Silent {
    Silent::of("mapping", status)
}
