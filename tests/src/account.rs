//! Accounts of tests, set up over gRPC as a team would.

use weir_proto::activity::v1 as activity;
use weir_proto::audience::v1 as audience;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_proto::quota::v1 as quota;

use crate::answer::Answer;
use crate::running::Weir;

/// How large an account is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub contacts: i64,
    pub activity_slots: i64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            contacts: 100_000,
            activity_slots: 10,
        }
    }
}

/// An account with a Segment (Actions) source, the documentation's mapping, and one mapped
/// activity, "Sign-in button clicked", kept for 730 days.
pub struct Account {
    pub weir: &'static Weir,
    pub account_id: String,
    pub source_id: String,
    pub key: String,
    pub plan: Plan,
    pub name: String,
}

impl Account {
    /// A new account with the usual mappings.
    pub async fn create(weir: &'static Weir, plan: Plan) -> Self {
        let account = Self::unmapped(weir, plan).await;
        account.map_contacts().await;
        account.map_activity("Sign-in button clicked", 730).await;
        account
    }

    /// A new account in which nothing is mapped yet.
    pub async fn unmapped(weir: &'static Weir, plan: Plan) -> Self {
        let mut mapping = weir.mapping();
        let name = format!("test-{}", uuid::Uuid::new_v4());
        let account = mapping
            .put_account(put_account(&name, plan))
            .await
            .unwrap()
            .into_inner()
            .account
            .unwrap();
        let source = mapping
            .put_source(mapping::PutSourceRequest {
                account_id: account.account_id.clone(),
                kind: mapping::SourceKind::SegmentActions.into(),
                name: "Segment".into(),
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .source
            .unwrap();
        let key = mapping
            .create_key(mapping::CreateKeyRequest {
                account_id: account.account_id.clone(),
                source_id: source.source_id.clone(),
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .secret;
        Self {
            weir,
            account_id: account.account_id,
            source_id: source.source_id,
            key,
            plan,
            name,
        }
    }

    /// Changes the plan.
    pub async fn put_plan(&self, plan: Plan) {
        self.weir
            .mapping()
            .put_account(put_account(&self.name, plan))
            .await
            .unwrap();
    }

    /// Saves the documentation's contact mapping.
    pub async fn map_contacts(&self) {
        let mut mapping = self.weir.mapping();
        let active = mapping
            .create_field(mapping::CreateFieldRequest {
                account_id: self.account_id.clone(),
                name: "Active".into(),
                r#type: mapping::ValueType::Boolean.into(),
                request_id: String::new(),
            })
            .await
            .unwrap()
            .into_inner()
            .field
            .unwrap();
        let pair = |path: &str, field: &str, format: &str| mapping::FieldMapping {
            trait_path: path.into(),
            field_id: field.into(),
            date_format: format.into(),
            ..Default::default()
        };
        mapping
            .put_contact_mapping(mapping::PutContactMappingRequest {
                account_id: self.account_id.clone(),
                source_id: self.source_id.clone(),
                mappings: vec![
                    pair("firstName", "str::first", ""),
                    pair("lastName", "str::last", ""),
                    pair("email", "str::email", ""),
                    pair("phone", "phn::phone", ""),
                    pair("address.city", "geo::city", ""),
                    pair("birthday", "dtz::b", "DD-MM-YYYY"),
                    pair("active", &active.field_id, ""),
                ],
                ..Default::default()
            })
            .await
            .unwrap();
    }

    /// Saves a contact mapping of one's own.
    pub async fn put_contact_mapping(&self, mappings: Vec<mapping::FieldMapping>) {
        let request = mapping::PutContactMappingRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            mappings,
            clear: false,
            expected_version: None,
        };
        let mut client = self.weir.mapping();
        client.put_contact_mapping(request).await.unwrap();
    }

    /// Maps an activity with attributes of one's own.
    pub async fn put_activity_mapping(
        &self,
        event_name: &str,
        retention_days: u32,
        attributes: Vec<mapping::AttributeMapping>,
    ) {
        let request = mapping::PutActivityMappingRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            event_name: event_name.into(),
            retention_days: Some(retention_days),
            attributes,
            clear_attributes: false,
            expected_version: None,
        };
        let mut client = self.weir.mapping();
        client.put_activity_mapping(request).await.unwrap();
    }

    /// The id of an audience of this name, made by Segment (Actions).
    pub async fn audience(&self, name: &str) -> String {
        let name = format!(r#"{{"name":"{name}"}}"#);
        let answer = self.post("/v1/audiences/create", name).await;
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// Maps an activity with the attributes of the documentation's example.
    pub async fn map_activity(&self, event_name: &str, retention_days: u32) {
        let attribute = |name: &str, value_type: mapping::ValueType| mapping::AttributeMapping {
            property_path: name.into(),
            attribute: name.into(),
            r#type: value_type.into(),
            ..Default::default()
        };
        self.weir
            .mapping()
            .put_activity_mapping(mapping::PutActivityMappingRequest {
                account_id: self.account_id.clone(),
                source_id: self.source_id.clone(),
                event_name: event_name.into(),
                retention_days: Some(retention_days),
                attributes: vec![
                    attribute("action", mapping::ValueType::Text),
                    attribute("count", mapping::ValueType::Integer),
                ],
                ..Default::default()
            })
            .await
            .unwrap();
    }

    /// Sends events to `/v1/identify`.
    pub async fn identify(&self, events: &[serde_json::Value]) -> Answer {
        self.post("/v1/identify", serde_json::to_vec(events).unwrap())
            .await
    }

    /// Sends events to `/v1/track`.
    pub async fn track(&self, events: &[serde_json::Value]) -> Answer {
        self.post("/v1/track", serde_json::to_vec(events).unwrap())
            .await
    }

    /// Posts a body to a replica's edge.
    pub async fn post_to(&self, edge: &str, path: &str, body: Vec<u8>) -> Answer {
        let url = format!("{edge}{path}");
        self.weir.post_to(&url, &self.key, body).await
    }

    /// Posts a body with the account's key.
    pub async fn post(&self, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
        self.weir
            .send("POST", path, Some(&self.key), body.into())
            .await
    }

    /// The contact of a user id; none when there is none.
    pub async fn contact(&self, user_id: &str) -> Option<contact::Contact> {
        self.contact_by(contact::get_contact_request::Key::UserId(user_id.into()))
            .await
    }

    /// The contact that `key` names; none when there is none.
    pub async fn contact_by(
        &self,
        key: contact::get_contact_request::Key,
    ) -> Option<contact::Contact> {
        let request = contact::GetContactRequest {
            show_provenance: false,
            account_id: self.account_id.clone(),
            key: Some(key),
        };
        match self.weir.contact().get_contact(request).await {
            Ok(answer) => answer.into_inner().contact,
            Err(status) if status.code() == tonic::Code::NotFound => None,
            Err(status) => panic!("{status:?}"),
        }
    }

    /// How many contacts there are.
    pub async fn contacts(&self) -> Vec<contact::Contact> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = self
                .weir
                .contact()
                .list_contacts(contact::ListContactsRequest {
                    account_id: self.account_id.clone(),
                    page_size: 1_000,
                    page_token,
                })
                .await
                .unwrap()
                .into_inner();
            all.extend(page.contacts);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// All activities of a contact, newest first, read in pages of `page_size`.
    pub async fn activities(&self, contact_id: &str, page_size: i32) -> Vec<activity::Activity> {
        let mut all = Vec::new();
        let mut page_token = String::new();
        loop {
            let page = self
                .weir
                .activity()
                .list_activities(activity::ListActivitiesRequest {
                    account_id: self.account_id.clone(),
                    contact_id: contact_id.into(),
                    page_size,
                    page_token,
                })
                .await
                .unwrap()
                .into_inner();
            all.extend(page.activities);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    /// How many activities wait in the backlog.
    pub async fn backlog(&self) -> i64 {
        self.weir
            .activity()
            .get_backlog(activity::GetBacklogRequest {
                account_id: self.account_id.clone(),
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .waiting
    }

    /// The members of an audience, by contact id.
    pub async fn members(&self, audience_id: &str) -> Vec<String> {
        self.weir
            .audience()
            .list_members(audience::ListMembersRequest {
                account_id: self.account_id.clone(),
                audience_id: audience_id.into(),
                page_size: 1_000,
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .members
            .into_iter()
            .map(|member| member.contact_id)
            .collect()
    }

    /// Units used today (profile, activity), once no batch is under way.
    pub async fn usage(&self) -> (i64, i64) {
        let usage = crate::eventually("reservations are settled", async || {
            let usage = self
                .weir
                .quota()
                .get_usage(quota::GetUsageRequest {
                    account_id: self.account_id.clone(),
                    entitlement: None,
                })
                .await
                .ok()?
                .into_inner();
            let (profile, activity) = (usage.profile.unwrap(), usage.activity.unwrap());
            (profile.reserved == 0 && activity.reserved == 0).then_some((profile, activity))
        })
        .await;
        (usage.0.used, usage.1.used)
    }

    /// Every line of the source's log.
    pub async fn log(&self) -> Vec<mapping::LogEntry> {
        self.weir
            .mapping()
            .list_log(mapping::ListLogRequest {
                account_id: self.account_id.clone(),
                source_id: self.source_id.clone(),
                page_size: 1_000,
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .entries
    }

    /// What is counted of the source in the last 24 hours, by event name and field.
    pub async fn summaries(&self) -> Vec<mapping::LogSummary> {
        self.weir
            .logs()
            .summarize_log(mapping::SummarizeLogRequest {
                account_id: self.account_id.clone(),
                source_id: self.source_id.clone(),
                by_subject: true,
                page_size: 1_000,
                ..Default::default()
            })
            .await
            .unwrap()
            .into_inner()
            .summaries
    }

    /// The samples of an event name; of identifies where it is empty.
    pub async fn samples(&self, event_name: &str) -> Vec<mapping::Sample> {
        self.weir
            .mapping()
            .list_samples(mapping::ListSamplesRequest {
                account_id: self.account_id.clone(),
                source_id: self.source_id.clone(),
                event_name: event_name.into(),
            })
            .await
            .unwrap()
            .into_inner()
            .samples
    }

    /// The source, with its status.
    pub async fn source(&self) -> mapping::Source {
        let request = mapping::GetSourceRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
        };
        let answer = self.weir.mapping().get_source(request).await;
        answer.unwrap().into_inner().source.unwrap()
    }

    /// Names of tracks that contain this, and whether each is mapped.
    pub async fn event_names(&self, contains: &str) -> Vec<(String, bool)> {
        let request = mapping::ListEventNamesRequest {
            account_id: self.account_id.clone(),
            source_id: self.source_id.clone(),
            contains: contains.into(),
            ..Default::default()
        };
        let answer = self.weir.mapping().list_event_names(request).await;
        let names = answer.unwrap().into_inner().names.into_iter();
        names.map(|one| (one.name, one.mapped)).collect()
    }
}

fn put_account(name: &str, plan: Plan) -> mapping::PutAccountRequest {
    mapping::PutAccountRequest {
        name: name.into(),
        plan: Some(mapping::Plan {
            included_contacts: Some(plan.contacts),
            activity_slots: Some(plan.activity_slots),
            ..Default::default()
        }),
        ..Default::default()
    }
}
