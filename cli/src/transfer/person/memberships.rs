//! A person's memberships, and what happened to them.

use std::collections::HashMap;

use serde_json::{Value, json};
use tonic::Code;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::curation_service_client::CurationServiceClient;
use weir_proto::audience::v1::membership_service_client::MembershipServiceClient;
use weir_stack::Channel;

use super::pages::pages;
use super::{PAGE, failed, time};
use crate::failure::Failure;

/// Those that there are, and what happened to them; with the audiences' names.
pub async fn of(
    channel: Channel,
    account_id: &str,
    contact_id: &str,
) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let mut names = Names {
        audiences: AudienceServiceClient::new(channel.clone()),
        deletions: CurationServiceClient::new(channel.clone()),
        account_id: account_id.to_owned(),
        known: HashMap::new(),
    };
    let mut client = MembershipServiceClient::new(channel);
    let request = audience::ListMembershipsRequest {
        account_id: account_id.to_owned(),
        contact_id: contact_id.to_owned(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut found = Vec::new();
    pages!(client, list_memberships, request, |page| {
        for one in page.memberships {
            let name = names.of(&one.audience_id).await?;
            found.push(membership(&one, &name));
        }
    });
    let request = audience::ListMembershipHistoryRequest {
        account_id: account_id.to_owned(),
        contact_id: contact_id.to_owned(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut history = Vec::new();
    pages!(client, list_membership_history, request, |page| {
        for one in page.changes {
            let name = names.of(&one.audience_id).await?;
            history.push(change(&one, &name));
        }
    });
    Ok((found, history))
}

fn membership(one: &audience::Membership, name: &str) -> Value {
    json!({
        "audience_id": one.audience_id,
        "audience": name,
        "member": one.member,
        "member_since_time": time(one.member_since_time.as_ref()),
        "left_time": time(one.left_time.as_ref()),
        "update_time": time(one.update_time.as_ref()),
        "message_id": one.message_id,
        "held_back_until": time(one.held_until_time.as_ref()),
    })
}

fn change(one: &audience::MembershipChange, name: &str) -> Value {
    let word = |word: &str, of: &str| word.trim_start_matches(of).to_lowercase();
    json!({
        "audience_id": one.audience_id,
        "audience": name,
        "contact_id": one.contact_id,
        "what": word(one.kind().as_str_name(), "MEMBERSHIP_CHANGE_KIND_"),
        "through": word(one.cause().as_str_name(), "MEMBERSHIP_CHANGE_CAUSE_"),
        "change_time": time(one.change_time.as_ref()),
        "held_back_until": time(one.held_until_time.as_ref()),
        "update_time": time(one.update_time.as_ref()),
        "message_id": one.message_id,
    })
}

/// What audiences are called, or were before they were deleted.
struct Names {
    audiences: AudienceServiceClient<Channel>,
    deletions: CurationServiceClient<Channel>,
    account_id: String,
    known: HashMap<String, String>,
}

impl Names {
    async fn of(&mut self, audience_id: &str) -> Result<String, Failure> {
        if let Some(name) = self.known.get(audience_id) {
            return Ok(name.clone());
        }
        let name = self.ask(audience_id).await?;
        self.known.insert(audience_id.to_owned(), name.clone());
        Ok(name)
    }

    /// Empty where nobody knows it any more.
    async fn ask(&mut self, audience_id: &str) -> Result<String, Failure> {
        let request = audience::GetAudienceRequest {
            account_id: self.account_id.clone(),
            audience_id: audience_id.to_owned(),
        };
        match self.audiences.get_audience(request).await {
            Ok(found) => return Ok(found.into_inner().audience.unwrap_or_default().name),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(failed(&status)),
        }
        let request = audience::GetAudienceDeletionRequest {
            account_id: self.account_id.clone(),
            audience_id: audience_id.to_owned(),
        };
        match self.deletions.get_audience_deletion(request).await {
            Ok(found) => Ok(found.into_inner().deletion.unwrap_or_default().name),
            Err(status) if status.code() == Code::NotFound => Ok(String::new()),
            Err(status) => Err(failed(&status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_says_what_happened_and_through_what() {
        let shown = change(
            &audience::MembershipChange {
                kind: audience::MembershipChangeKind::HeldBack.into(),
                cause: audience::MembershipChangeCause::Event.into(),
                message_id: "m1".to_owned(),
                ..Default::default()
            },
            "VIP",
        );
        assert_eq!(
            (&shown["what"], &shown["through"]),
            (&json!("held_back"), &json!("event"))
        );
        assert_eq!(
            (&shown["audience"], &shown["message_id"]),
            (&json!("VIP"), &json!("m1"))
        );
        assert_eq!(shown["held_back_until"], Value::Null);
    }
}
