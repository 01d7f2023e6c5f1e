//! The mapping service, which owns plans and mapped activities.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use weir_ids::AccountId;
use weir_proto::mapping::v1::GetAccountRequest;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer};

use super::{Error, failure};
use crate::domain::Entitlement;

const MAPPING: &str = "mapping";
/// Of a plan that does not say (semantics 6.1).
const PROFILE_FACTOR: i64 = 10;
const ACTIVITY_FACTOR: i64 = 5;

/// What mapping said counts for this long: as soon as it takes effect everywhere else, and
/// seldom enough that whoever asks for usage again and again is no load to mapping.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// Of more accounts nothing is kept.
const KEPT: usize = 10_000;

/// Asks for plans.
#[derive(Clone)]
pub struct Plans {
    mapping: MappingServiceClient<Channel>,
    kept: Arc<Mutex<HashMap<AccountId, (Instant, Entitlement)>>>,
}

impl Plans {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the address is not one.
    pub fn connect(url: &str) -> Result<Self, NotAnAddress> {
        Ok(Self {
            mapping: MappingServiceClient::new(Peer::MAPPING.connect(url)?),
            kept: Arc::default(),
        })
    }

    /// What the account may use now, or a second ago.
    ///
    /// # Errors
    /// Where there is no such account, or mapping is away.
    pub async fn entitlement(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<Entitlement, Error> {
        if let Some((when, entitlement)) = self.kept().get(&account)
            && when.elapsed() < KEPT_FOR
        {
            return Ok(*entitlement);
        }
        let asked = Instant::now();
        let entitlement = self.ask(account, deadline).await?;
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.retain(|_, (when, _)| when.elapsed() < KEPT_FOR);
        }
        if kept.len() < KEPT {
            kept.insert(account, (asked, entitlement));
        }
        Ok(entitlement)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<AccountId, (Instant, Entitlement)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, account: AccountId, deadline: Deadline) -> Result<Entitlement, Error> {
        let request = deadline
            .request(GetAccountRequest {
                account_id: account.to_string(),
                name: String::new(),
            })
            .map_err(|status| failure(MAPPING, &status))?;
        let found = match self.mapping.clone().get_account(request).await {
            Ok(response) => response.into_inner().account,
            Err(status) if status.code() == tonic::Code::NotFound => {
                return Err(Error::UnknownAccount);
            }
            Err(status) => return Err(failure(MAPPING, &status)),
        };
        let account = found.ok_or(Error::Unreadable(MAPPING))?;
        let plan = account.plan.ok_or(Error::Unreadable(MAPPING))?;
        Ok(Entitlement {
            contacts: plan
                .included_contacts()
                .saturating_add(plan.additional_contacts())
                .max(0),
            mapped_activities: account.mapped_activities.max(0),
            profile_factor: plan.profile_factor.unwrap_or(PROFILE_FACTOR).max(0),
            activity_factor: plan.activity_factor.unwrap_or(ACTIVITY_FACTOR).max(0),
        })
    }
}
