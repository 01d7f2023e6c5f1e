//! `export person`: everything that is known of one person, as JSON.

use anyhow::Context;
use serde_json::{Map, Value, json};
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::membership_service_client::MembershipServiceClient;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::value::Kind;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use super::accounts::{self, failed};
use super::contacts::Output;
use crate::address::Addresses;
use crate::arguments::{ExportPersonOptions, Who};
use crate::failure::Failure;

const PAGE: i32 = 1_000;

pub async fn run(options: &ExportPersonOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let mut mapping = MappingServiceClient::new(addresses.connect(Service::Mapping).await?);
    let account_id = accounts::account(&mut mapping, &options.account).await?;
    let channel = addresses.connect(Service::ContactUpsert).await?;
    let request = contact::GetContactRequest {
        account_id: account_id.clone(),
        key: Some(key_of(&options.who)?),
        show_provenance: true,
    };
    let found = ContactServiceClient::new(channel)
        .get_contact(request)
        .await;
    let found = found.map_err(|status| failed(&status))?.into_inner();
    let found = found.contact.context("the answer holds no contact")?;
    let activities = activities(
        ActivityServiceClient::new(addresses.connect(Service::Activity).await?),
        &account_id,
        &found.contact_id,
    )
    .await?;
    let memberships = memberships(
        addresses.connect(Service::Audience).await?,
        &account_id,
        &found.contact_id,
    )
    .await?;
    let person = json!({
        "account_id": account_id,
        "contact": shown(&found),
        "activities": activities,
        "memberships": memberships,
    });
    let mut file = Output::new(options.output.as_deref())?;
    let mut text = serde_json::to_string_pretty(&person).context("a person as JSON")?;
    text.push('\n');
    file.write(text.as_bytes())?;
    let place = file.finish()?;
    eprintln!(
        "1 contact, {} activities, {} memberships{place}",
        activities.len(),
        memberships.len()
    );
    Ok(())
}

fn key_of(who: &Who) -> Result<Key, Failure> {
    let field = |field_id: &str, value: &str| {
        Key::Field(contact::FieldKey {
            field_id: field_id.to_owned(),
            value: value.to_owned(),
        })
    };
    Ok(match who {
        Who { id: Some(id), .. } => Key::ContactId(id.clone()),
        Who {
            user_id: Some(id), ..
        } => Key::UserId(id.clone()),
        Who {
            anonymous_id: Some(id),
            ..
        } => Key::AnonymousId(id.clone()),
        Who {
            email: Some(email), ..
        } => field("str::email", email),
        Who {
            phone: Some(phone), ..
        } => field("phn::phone", phone),
        Who {
            field: Some(given), ..
        } => {
            let (name, value) = given.split_once('=').ok_or_else(|| {
                Failure::Input("--field must be a field's id and a value: str:cm:no=17".to_owned())
            })?;
            field(name, value)
        }
        _ => {
            return Err(Failure::Input(
                "whom? Give an id, or --email and the like".to_owned(),
            ));
        }
    })
}

/// All pages.
async fn activities(
    mut client: ActivityServiceClient<Channel>,
    account_id: &str,
    contact_id: &str,
) -> Result<Vec<Value>, Failure> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = activity::ListActivitiesRequest {
            account_id: account_id.to_owned(),
            contact_id: contact_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = client.list_activities(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        found.extend(page.activities.iter().map(|one| {
            json!({
                "event": one.event_name,
                "event_time": time(one.event_time.as_ref()),
                "receive_time": time(one.receive_time.as_ref()),
                "message_id": one.message_id,
                "attributes": parsed(&one.attributes_json),
                "kept_until": one.expire_day,
            })
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

/// With the audiences' names.
async fn memberships(
    channel: Channel,
    account_id: &str,
    contact_id: &str,
) -> Result<Vec<Value>, Failure> {
    let mut audiences = AudienceServiceClient::new(channel.clone());
    let mut client = MembershipServiceClient::new(channel);
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = audience::ListMembershipsRequest {
            account_id: account_id.to_owned(),
            contact_id: contact_id.to_owned(),
            page_size: PAGE,
            page_token,
        };
        let page = client.list_memberships(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        for one in page.memberships {
            let request = audience::GetAudienceRequest {
                account_id: account_id.to_owned(),
                audience_id: one.audience_id.clone(),
            };
            let named = audiences.get_audience(request).await;
            let named = named.map_err(|status| failed(&status))?.into_inner();
            found.push(json!({
                "audience_id": one.audience_id,
                "audience": named.audience.unwrap_or_default().name,
                "member": one.member,
                "member_since_time": time(one.member_since_time.as_ref()),
                "left_time": time(one.left_time.as_ref()),
                "update_time": time(one.update_time.as_ref()),
            }));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(found);
        }
    }
}

fn shown(contact: &contact::Contact) -> Value {
    let fields = contact.fields.iter().map(|field| {
        let value = field.value.as_ref().and_then(|value| value.kind.as_ref());
        let value = json!({
            "value": value.map_or(Value::Null, plain),
            "event_time": time(field.event_time.as_ref()),
        });
        (field.field_id.clone(), value)
    });
    json!({
        "contact_id": contact.contact_id,
        "user_ids": contact.user_ids,
        "user_id_count": contact.user_id_count,
        "anonymous_ids": contact.anonymous_ids,
        "anonymous_id_count": contact.anonymous_id_count,
        "fields": fields.collect::<Map<String, Value>>(),
        "merged_contact_ids": contact.merged_contact_ids,
        "merged_contact_count": contact.merged_contact_count,
        "create_time": time(contact.create_time.as_ref()),
        "update_time": time(contact.update_time.as_ref()),
    })
}

fn plain(kind: &Kind) -> Value {
    match kind {
        Kind::Text(text) | Kind::Decimal(text) | Kind::Date(text) | Kind::Time(text) => {
            Value::from(text.as_str())
        }
        Kind::Integer(number) => Value::from(*number),
        Kind::Boolean(truth) => Value::from(*truth),
        Kind::TimeAndDate(moment) => Value::from(moment.to_string()),
        Kind::MultiSelect(list) => Value::from(list.values.clone()),
        Kind::ObjectJson(json) => parsed(json),
    }
}

/// As JSON; as the text that it is, where a number in it has no place here.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| Value::from(json))
}

fn time(moment: Option<&prost_types::Timestamp>) -> Value {
    moment.map_or(Value::Null, |moment| Value::from(moment.to_string()))
}
