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

/// Both ledgers; they are always asked together.
#[derive(Clone)]
pub struct Ledgers {
    contact: ContactServiceClient<Channel>,
    activity: ActivityServiceClient<Channel>,
}

/// What both ledgers said to a fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced {
    /// The higher of the epochs that now stand.
    pub epoch: i64,
    pub sums: BTreeMap<Window, Units>,
}

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

    /// Raises the account's epoch in both ledgers, and reads what each has stored since
    /// `from`. Both answer, or it is an error.
    ///
    /// # Errors
    /// Where one of them is away.
    pub async fn fence(
        &self,
        account: AccountId,
        epoch: i64,
        from: Window,
        deadline: Deadline,
    ) -> Result<Fenced, Error> {
        let (mut contacts, mut activities) = (self.contact.clone(), self.activity.clone());
        let profile = async {
            let request = deadline.request(contact::FenceUsageRequest {
                account_id: account.to_string(),
                epoch,
                from_window: from.to_string(),
            })?;
            Ok::<_, Status>(contacts.fence_usage(request).await?.into_inner())
        };
        let activity = async {
            let request = deadline.request(activity::FenceUsageRequest {
                account_id: account.to_string(),
                epoch,
                from_window: from.to_string(),
            })?;
            Ok::<_, Status>(activities.fence_usage(request).await?.into_inner())
        };
        let (profile, activity) = tokio::join!(profile, activity);
        let profile = profile.map_err(|status| failure(CONTACT, &status))?;
        let activity = activity.map_err(|status| failure(ACTIVITY, &status))?;

        let mut sums = BTreeMap::<Window, Units>::new();
        for sum in profile.sums {
            let window = parse_window(CONTACT, &sum.window)?;
            sums.entry(window).or_default().profile += amount(CONTACT, sum.units)?;
        }
        for sum in activity.sums {
            let window = parse_window(ACTIVITY, &sum.window)?;
            sums.entry(window).or_default().activity += amount(ACTIVITY, sum.units)?;
        }
        Ok(Fenced {
            epoch: profile.epoch.max(activity.epoch),
            sums,
        })
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

fn parse_window(service: &'static str, text: &str) -> Result<Window, Error> {
    text.parse().map_err(|_| Error::Unreadable(service))
}

fn amount(service: &'static str, units: i64) -> Result<i64, Error> {
    if (0..=crate::domain::limit::MAX_UNITS).contains(&units) {
        Ok(units)
    } else {
        Err(Error::Unreadable(service))
    }
}
