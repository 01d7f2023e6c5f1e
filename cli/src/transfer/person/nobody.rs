//! What is known of an id that is no contact's: what waits for it, and what sources keep.

use serde_json::{Value, json};
use tonic::Status;
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::history_service_client::HistoryServiceClient;
use weir_proto::contact::v1 as contact;
use weir_stack::{Channel, Service};

use super::pages::pages;
use super::{PAGE, activity_shown, failed, sources};
use crate::address::Addresses;
use crate::arguments::Who;
use crate::failure::Failure;

/// As an export; `status` where nothing is known either.
pub async fn known(
    addresses: &Addresses,
    account_id: &str,
    who: &Who,
    status: &Status,
) -> Result<Value, Failure> {
    // Others are looked for as unique identifiers alone, and nothing waits for those.
    let ids = |id: &Option<String>| id.iter().cloned().collect::<Vec<String>>();
    let known = contact::Contact {
        user_ids: ids(&who.user_id),
        anonymous_ids: ids(&who.anonymous_id),
        ..Default::default()
    };
    if known.user_ids.len() + known.anonymous_ids.len() == 0 {
        return Err(failed(status));
    }
    let channel = addresses.connect(Service::Activity).await?;
    let waiting = waiting(channel, account_id, who).await?;
    let channel = addresses.connect(Service::Mapping).await?;
    let as_sent = sources::of(channel, account_id, &known).await?;
    if waiting.len() + as_sent.len() == 0 {
        return Err(failed(status));
    }
    Ok(json!({
        "account_id": account_id,
        "contact": null,
        "waiting_activities": waiting,
        "as_sent": as_sent,
    }))
}

/// In the order in which they would be attached.
async fn waiting(channel: Channel, account_id: &str, who: &Who) -> Result<Vec<Value>, Failure> {
    let mut client = HistoryServiceClient::new(channel);
    let request = activity::ListBacklogRequest {
        account_id: account_id.to_owned(),
        user_id: who.user_id.clone().unwrap_or_default(),
        anonymous_id: who.anonymous_id.clone().unwrap_or_default(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut found = Vec::new();
    pages!(client, list_backlog, request, |page| {
        let waiting = page.activities.iter();
        let shown = waiting.filter_map(|one| one.activity.as_ref());
        found.extend(shown.map(activity_shown));
    });
    Ok(found)
}
