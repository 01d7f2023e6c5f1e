//! `export person`: everything that is known of one person, as JSON.

mod memberships;
mod nobody;
mod pages;
mod sources;

use anyhow::Context;
use serde_json::{Map, Value, json};
use tonic::Code;
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::history_service_client::HistoryServiceClient;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::contact_identifier::Kind as Identifier;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::people_service_client::PeopleServiceClient;
use weir_proto::contact::v1::value::Kind;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use self::pages::pages;
use super::output::Output;
use crate::accounts::{self, failed};
use crate::address::Addresses;
use crate::arguments::{ExportPersonOptions, Who};
use crate::failure::Failure;

const PAGE: i32 = 1_000;
/// Merges of a page, which may bring much each, and all that are written.
const MERGES_PAGE: i32 = 100;
const MAX_MERGES: usize = 1_000;

pub async fn run(options: &ExportPersonOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let file = Output::new(options.output.as_deref())?;
    let mut mapping = MappingServiceClient::new(addresses.connect(Service::Mapping).await?);
    let account_id = accounts::account(&mut mapping, &options.account).await?;
    let channel = addresses.connect(Service::ContactUpsert).await?;
    let request = contact::GetContactRequest {
        account_id: account_id.clone(),
        key: Some(key_of(&options.who)?),
        show_provenance: true,
    };
    let found = ContactServiceClient::new(channel.clone())
        .get_contact(request)
        .await;
    let found = match found {
        Ok(answer) => answer.into_inner().contact,
        Err(status) if status.code() == Code::NotFound => {
            let known = nobody::known(&addresses, &account_id, &options.who, &status).await?;
            let place = write(file, &known)?;
            eprintln!("no contact; what waits for the id, and what sources keep{place}");
            return Ok(());
        }
        Err(status) => return Err(failed(&status)),
    };
    let found = found.context("the answer holds no contact")?;
    let people = PeopleServiceClient::new(channel);
    let (merges, has_all_merges) = merges(people, &account_id, &found.contact_id).await?;
    let channel = addresses.connect(Service::Activity).await?;
    let activities = activities(
        ActivityServiceClient::new(channel.clone()),
        &account_id,
        &found.contact_id,
    )
    .await?;
    let occurrences = occurrences(channel, &account_id, &found.contact_id).await?;
    let (memberships, history) = memberships::of(
        addresses.connect(Service::Audience).await?,
        &account_id,
        &found.contact_id,
    )
    .await?;
    let channel = addresses.connect(Service::Mapping).await?;
    let as_sent = sources::of(channel, &account_id, &found).await?;
    let person = json!({
        "account_id": account_id,
        "contact": shown(&found),
        "merges": merges,
        "has_all_merges": has_all_merges,
        "activities": activities,
        "occurrences": occurrences,
        "memberships": memberships,
        "membership_history": history,
        "as_sent": as_sent,
    });
    let place = write(file, &person)?;
    eprintln!(
        "1 contact, {}{} merges, {} activities, {} memberships{place}",
        if has_all_merges { "" } else { "the newest " },
        merges.len(),
        activities.len(),
        memberships.len()
    );
    Ok(())
}

/// Into the file, or on standard output; where it is.
fn write(mut file: Output, person: &Value) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(person).context("a person as JSON")?;
    text.push('\n');
    file.write(text.as_bytes())?;
    file.finish()
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
    let request = activity::ListActivitiesRequest {
        account_id: account_id.to_owned(),
        contact_id: contact_id.to_owned(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut found = Vec::new();
    pages!(client, list_activities, request, |page| {
        found.extend(page.activities.iter().map(activity_shown));
    });
    Ok(found)
}

fn activity_shown(one: &activity::Activity) -> Value {
    json!({
        "event": one.event_name,
        "event_time": time(one.event_time.as_ref()),
        "receive_time": time(one.receive_time.as_ref()),
        "message_id": one.message_id,
        "attributes": parsed(&one.attributes_json),
        "kept_until": one.expire_day,
    })
}

/// When each thing was done first and last, also what has expired since.
async fn occurrences(
    channel: Channel,
    account_id: &str,
    contact_id: &str,
) -> Result<Vec<Value>, Failure> {
    let mut client = HistoryServiceClient::new(channel);
    let request = activity::ListOccurrencesRequest {
        account_id: account_id.to_owned(),
        contact_id: contact_id.to_owned(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut found = Vec::new();
    pages!(client, list_occurrences, request, |page| {
        found.extend(page.occurrences.iter().map(|one| {
            json!({
                "event": one.event_name,
                "first_time": time(one.first_time.as_ref()),
                "last_time": time(one.last_time.as_ref()),
            })
        }));
    });
    Ok(found)
}

/// The newest, and whether these are all.
async fn merges(
    mut client: PeopleServiceClient<Channel>,
    account_id: &str,
    contact_id: &str,
) -> Result<(Vec<Value>, bool), Failure> {
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = contact::ListMergesRequest {
            account_id: account_id.to_owned(),
            contact_id: contact_id.to_owned(),
            page_size: MERGES_PAGE,
            page_token,
        };
        let page = client.list_merges(request).await;
        let page = page.map_err(|status| failed(&status))?.into_inner();
        found.extend(page.merges.iter().map(merge));
        page_token = page.next_page_token;
        if page_token.is_empty() || found.len() >= MAX_MERGES {
            return Ok((found, page_token.is_empty()));
        }
    }
}

fn merge(merge: &contact::Merge) -> Value {
    let cause = merge.cause.as_ref().map(|cause| {
        json!({
            "message_id": cause.message_id,
            "event_time": time(cause.event_time.as_ref()),
            "source_id": cause.source_id,
        })
    });
    let identifiers = merge.identifiers.iter().filter_map(|one| {
        Some(match one.kind.as_ref()? {
            Identifier::UserId(id) => json!({"user_id": id}),
            Identifier::AnonymousId(id) => json!({"anonymous_id": id}),
            Identifier::Field(key) => json!({"field_id": key.field_id, "value": key.value}),
        })
    });
    json!({
        "merge_id": merge.merge_id,
        "merged_contact_id": merge.merged_contact_id,
        "survivor_contact_id": merge.survivor_contact_id,
        "merge_time": time(merge.merge_time.as_ref()),
        "split_time": time(merge.split_time.as_ref()),
        "cause": cause,
        "identifiers": identifiers.collect::<Vec<Value>>(),
        "identifier_count": merge.identifier_count,
        "merged_fields": fields(&merge.merged_fields),
        "survivor_fields": fields(&merge.survivor_fields),
        "left_out_field_count": merge.left_out_field_count,
    })
}

/// By id, each with where it came from, so far as that is known.
fn fields(fields: &[contact::ContactField]) -> Map<String, Value> {
    let of = |value: Option<&contact::Value>| {
        let kind = value.and_then(|value| value.kind.as_ref());
        kind.map_or(Value::Null, plain)
    };
    let fields = fields.iter().map(|field| {
        let mut shown = json!({
            "value": of(field.value.as_ref()),
            "event_time": time(field.event_time.as_ref()),
        });
        if let Some(from) = &field.provenance {
            shown["provenance"] = json!({
                "message_id": from.message_id,
                "source_id": from.source_id,
                "replaced_value": of(from.replaced_value.as_ref()),
                "replaced_clearing": from.replaced_clearing,
            });
        }
        (field.field_id.clone(), shown)
    });
    fields.collect()
}

fn shown(contact: &contact::Contact) -> Value {
    json!({
        "contact_id": contact.contact_id,
        "user_ids": contact.user_ids,
        "user_id_count": contact.user_id_count,
        "anonymous_ids": contact.anonymous_ids,
        "anonymous_id_count": contact.anonymous_id_count,
        "fields": fields(&contact.fields),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<contact::Value> {
        Some(contact::Value {
            kind: Some(Kind::Text(text.to_owned())),
        })
    }

    #[test]
    fn a_field_tells_where_it_came_from_and_what_it_replaced() {
        let known = contact::ContactField {
            field_id: "str::first".to_owned(),
            value: text("Ann"),
            provenance: Some(contact::FieldProvenance {
                message_id: "m1".to_owned(),
                source_id: "s1".to_owned(),
                replaced_value: text("Anne"),
                replaced_clearing: false,
            }),
            ..Default::default()
        };
        let unknown = contact::ContactField {
            field_id: "str::last".to_owned(),
            value: text("Lee"),
            ..Default::default()
        };
        let expected = json!({
            "str::first": {"value": "Ann", "event_time": null, "provenance": {
                "message_id": "m1", "source_id": "s1", "replaced_value": "Anne",
                "replaced_clearing": false,
            }},
            "str::last": {"value": "Lee", "event_time": null},
        });
        assert_eq!(Value::from(fields(&[known, unknown])), expected);
    }

    #[test]
    fn a_merge_tells_who_went_by_what_they_were_found_and_why() {
        let identifier = |kind| contact::ContactIdentifier { kind: Some(kind) };
        let shown = merge(&contact::Merge {
            merge_id: "m".to_owned(),
            merged_contact_id: "went".to_owned(),
            survivor_contact_id: "stayed".to_owned(),
            cause: Some(contact::MergeCause {
                message_id: "m1".to_owned(),
                ..Default::default()
            }),
            identifiers: vec![
                identifier(Identifier::AnonymousId("a1".to_owned())),
                identifier(Identifier::Field(contact::FieldKey {
                    field_id: "str::email".to_owned(),
                    value: "a@example.org".to_owned(),
                })),
            ],
            ..Default::default()
        });
        assert_eq!(shown["merged_contact_id"], "went");
        assert_eq!(shown["survivor_contact_id"], "stayed");
        assert_eq!(shown["cause"]["message_id"], "m1");
        assert_eq!(shown["split_time"], Value::Null);
        let expected = json!([
            {"anonymous_id": "a1"},
            {"field_id": "str::email", "value": "a@example.org"},
        ]);
        assert_eq!(shown["identifiers"], expected);
    }
}
