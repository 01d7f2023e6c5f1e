//! Contact-upsert, the ledger of profile units, and activity, that of activity units.

use std::collections::BTreeMap;

use tonic::Status;
use weir_ids::{AccountId, BatchId};
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_rpc::{Channel, Deadline};

use super::{Error, failure};
use crate::domain::{Units, Window};

const CONTACT: &str = "contact-upsert";
const ACTIVITY: &str = "activity";
/// A ledger takes no epoch that is further above its own than this.
const STEP: i64 = 1_000_000;

/// Both ledgers; they are always asked together.
#[derive(Clone)]
pub struct Ledgers {
    contact: ContactServiceClient<Channel>,
    activity: ActivityServiceClient<Channel>,
}

/// The epochs of both ledgers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    contact: i64,
    activity: i64,
}

impl Stands {
    pub fn highest(self) -> i64 {
        self.contact.max(self.activity)
    }
}

/// What both ledgers hold, by window.
pub type Sums = BTreeMap<Window, Units>;

impl Ledgers {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where an address is not one.
    pub fn connect(contact_url: &str, activity_url: &str) -> Result<Self, String> {
        let limit = weir_rpc::MAX_MESSAGE;
        Ok(Self {
            contact: ContactServiceClient::new(weir_rpc::connect(contact_url)?)
                .max_decoding_message_size(limit),
            activity: ActivityServiceClient::new(weir_rpc::connect(activity_url)?)
                .max_decoding_message_size(limit),
        })
    }

    /// The epochs that stand.
    ///
    /// # Errors
    /// Where a ledger is away.
    pub async fn stands(
        &self,
        account: AccountId,
        from: Window,
        deadline: Deadline,
    ) -> Result<Stands, Error> {
        let (profile, activity) = tokio::join!(
            self.fence_contact(account, 0, from, deadline),
            self.fence_activity(account, 0, from, deadline),
        );
        Ok(Stands {
            contact: amount(CONTACT, profile?.epoch)?,
            activity: amount(ACTIVITY, activity?.epoch)?,
        })
    }

    /// Raises the account's epoch in both ledgers, and reads what each has stored since
    /// `from`. Both answer, or it is an error.
    ///
    /// # Errors
    /// Where a ledger is away, or so far behind the other that the time was over before it had
    /// caught up.
    pub async fn raise(
        &self,
        account: AccountId,
        stands: Stands,
        epoch: i64,
        from: Window,
        deadline: Deadline,
    ) -> Result<(Stands, Sums), Error> {
        let (profile, activity) = tokio::join!(
            climb(stands.contact, epoch, deadline, |epoch| self
                .fence_contact(account, epoch, from, deadline)),
            climb(stands.activity, epoch, deadline, |epoch| self
                .fence_activity(account, epoch, from, deadline)),
        );
        let (profile, activity) = (profile?, activity?);
        let stands = Stands {
            contact: amount(CONTACT, profile.epoch)?,
            activity: amount(ACTIVITY, activity.epoch)?,
        };
        let mut sums = Sums::new();
        for sum in profile.sums {
            let window = parse_window(CONTACT, &sum.window)?;
            sums.entry(window).or_default().profile += amount(CONTACT, sum.units)?;
        }
        for sum in activity.sums {
            let window = parse_window(ACTIVITY, &sum.window)?;
            sums.entry(window).or_default().activity += amount(ACTIVITY, sum.units)?;
        }
        Ok((stands, sums))
    }

    async fn fence_contact(
        &self,
        account: AccountId,
        epoch: i64,
        from: Window,
        deadline: Deadline,
    ) -> Result<contact::FenceUsageResponse, Error> {
        let fenced = async {
            let request = deadline.request(contact::FenceUsageRequest {
                account_id: account.to_string(),
                epoch,
                from_window: from.to_string(),
            })?;
            self.contact.clone().fence_usage(request).await
        };
        let fenced: Result<_, Status> = fenced.await;
        Ok(fenced
            .map_err(|status| failure(CONTACT, &status))?
            .into_inner())
    }

    async fn fence_activity(
        &self,
        account: AccountId,
        epoch: i64,
        from: Window,
        deadline: Deadline,
    ) -> Result<activity::FenceUsageResponse, Error> {
        let fenced = async {
            let request = deadline.request(activity::FenceUsageRequest {
                account_id: account.to_string(),
                epoch,
                from_window: from.to_string(),
            })?;
            self.activity.clone().fence_usage(request).await
        };
        let fenced: Result<_, Status> = fenced.await;
        Ok(fenced
            .map_err(|status| failure(ACTIVITY, &status))?
            .into_inner())
    }

    /// Closes batches in both ledgers, and answers what each of them stored, in order.
    ///
    /// # Errors
    /// Where one of them is away.
    pub async fn close(
        &self,
        account: AccountId,
        batches: &[(BatchId, Window)],
        deadline: Deadline,
    ) -> Result<Vec<Units>, Error> {
        let (mut contacts, mut activities) = (self.contact.clone(), self.activity.clone());
        let profile = async {
            let batches = batches.iter().map(|(batch, window)| contact::BatchKey {
                batch_id: batch.to_string(),
                window: window.to_string(),
            });
            let request = deadline.request(contact::CloseBatchesRequest {
                account_id: account.to_string(),
                batches: batches.collect(),
            })?;
            Ok::<_, Status>(contacts.close_batches(request).await?.into_inner().units)
        };
        let activity = async {
            let batches = batches.iter().map(|(batch, window)| activity::BatchKey {
                batch_id: batch.to_string(),
                window: window.to_string(),
            });
            let request = deadline.request(activity::CloseBatchesRequest {
                account_id: account.to_string(),
                batches: batches.collect(),
            })?;
            Ok::<_, Status>(activities.close_batches(request).await?.into_inner().units)
        };
        let (profile, activity) = tokio::join!(profile, activity);
        let profile = profile.map_err(|status| failure(CONTACT, &status))?;
        let activity = activity.map_err(|status| failure(ACTIVITY, &status))?;
        if profile.len() != batches.len() {
            return Err(Error::Unreadable(CONTACT));
        }
        if activity.len() != batches.len() {
            return Err(Error::Unreadable(ACTIVITY));
        }
        profile
            .into_iter()
            .zip(activity)
            .map(|(profile, activity)| {
                Ok(Units {
                    profile: amount(CONTACT, profile)?,
                    activity: amount(ACTIVITY, activity)?,
                })
            })
            .collect()
    }
}

/// Raises an epoch in steps that a ledger takes; answers what it said to the last. Each step
/// lasts: where the time is over first, the next call begins where this one ended.
async fn climb<T, F>(
    stands: i64,
    epoch: i64,
    deadline: Deadline,
    fence: impl Fn(i64) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut reached = stands;
    while epoch - reached > STEP {
        reached += STEP;
        let fenced = fence(reached).await;
        if deadline.passed() {
            tracing::warn!(reached, epoch, "the epochs of the ledgers are far apart");
            return Err(Error::LedgersApart);
        }
        fenced?;
    }
    fence(epoch).await
}

fn parse_window(service: &'static str, text: &str) -> Result<Window, Error> {
    text.parse().map_err(|_| Error::Unreadable(service))
}

/// Units, or an epoch: as large as scripts can count.
fn amount(service: &'static str, number: i64) -> Result<i64, Error> {
    if (0..=crate::domain::limit::MAX_UNITS).contains(&number) {
        Ok(number)
    } else {
        Err(Error::Unreadable(service))
    }
}
