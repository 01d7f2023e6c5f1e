//! What sources keep of what a person sent, as it came: kept events, samples, lines of the log.
//!
//! Found as a deletion finds it (semantics 3.9): by the person's identifiers in it, and lines also
//! by the message of a kept event.

use std::collections::HashSet;

use serde_json::{Value, json};
use weir_json::Person;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::replay_service_client::ReplayServiceClient;
use weir_stack::Channel;

use super::pages::pages;
use super::{PAGE, failed, plain, time};
use crate::failure::Failure;

/// By source; those that have nothing are left out.
pub async fn of(
    channel: Channel,
    account_id: &str,
    known: &contact::Contact,
) -> Result<Vec<Value>, Failure> {
    let mut mapping = MappingServiceClient::new(channel.clone());
    let account = mapping.get_account(mapping::GetAccountRequest {
        account_id: account_id.to_owned(),
        ..Default::default()
    });
    let account = account.await.map_err(|status| failed(&status))?;
    let unique = account
        .into_inner()
        .account
        .unwrap_or_default()
        .unique_identifiers;
    let mut look = Look {
        person: person(known, &unique),
        account_id: account_id.to_owned(),
        replays: ReplayServiceClient::new(channel),
        mapping: mapping.clone(),
    };
    let mut sources = Vec::new();
    let all = mapping::ListSourcesRequest {
        account_id: account_id.to_owned(),
        page_size: PAGE,
        ..Default::default()
    };
    pages!(mapping, list_sources, all, |page| {
        sources.extend(page.sources);
    });
    let mut found = Vec::new();
    for source in sources {
        let (kept, messages) = look.kept(&source.source_id).await?;
        let samples = look.samples(&source.source_id).await?;
        let log = look.log(&source.source_id, &messages).await?;
        if kept.len() + samples.len() + log.len() > 0 {
            found.push(json!({
                "source_id": source.source_id,
                "source": source.name,
                "kept_events": kept,
                "samples": samples,
                "log": log,
            }));
        }
    }
    Ok(found)
}

/// By all that the person is known by now.
fn person(known: &contact::Contact, unique: &[String]) -> Person {
    let ids = known.user_ids.iter().chain(&known.anonymous_ids).cloned();
    let values = known
        .fields
        .iter()
        .filter(|field| unique.contains(&field.field_id))
        .filter_map(|field| field.value.as_ref()?.kind.as_ref())
        .filter_map(|kind| plain(kind).as_str().map(str::to_owned));
    Person::of(ids.chain(values))
}

struct Look {
    person: Person,
    account_id: String,
    replays: ReplayServiceClient<Channel>,
    mapping: MappingServiceClient<Channel>,
}

impl Look {
    /// With their messages.
    async fn kept(&mut self, source_id: &str) -> Result<(Vec<Value>, HashSet<String>), Failure> {
        let (mut found, mut messages) = (Vec::new(), HashSet::new());
        let person = &self.person;
        let all = mapping::ListKeptEventsRequest {
            account_id: self.account_id.clone(),
            source_id: source_id.to_owned(),
            filter: Some(mapping::KeptEventFilter {
                include_done: true,
                ..Default::default()
            }),
            page_size: PAGE,
            ..Default::default()
        };
        pages!(self.replays, list_kept_events, all, |page| {
            for event in page.events {
                if person.is_in(&event.raw) {
                    found.push(json!({
                        "receive_time": time(event.receive_time.as_ref()),
                        "status": event.status,
                        "code": event.code,
                        "stored": event.stored || event.done_time.is_some(),
                        "event": super::parsed(&event.raw),
                    }));
                    messages.insert(event.message_id);
                }
            }
        });
        messages.remove("");
        Ok((found, messages))
    }

    async fn samples(&mut self, source_id: &str) -> Result<Vec<Value>, Failure> {
        // Without a name it is the identifies.
        let mut names = vec![String::new()];
        let all = mapping::ListEventNamesRequest {
            account_id: self.account_id.clone(),
            source_id: source_id.to_owned(),
            page_size: PAGE,
            ..Default::default()
        };
        pages!(self.mapping, list_event_names, all, |page| {
            names.extend(page.names.into_iter().map(|name| name.name));
        });
        let mut found = Vec::new();
        for event_name in names {
            let request = mapping::ListSamplesRequest {
                account_id: self.account_id.clone(),
                source_id: source_id.to_owned(),
                event_name,
            };
            let samples = self.mapping.list_samples(request).await;
            let samples = samples.map_err(|status| failed(&status))?.into_inner();
            let his = samples.samples.iter();
            let his = his.filter(|sample| self.person.is_in(&sample.raw));
            found.extend(his.map(|sample| {
                json!({
                    "receive_time": time(sample.receive_time.as_ref()),
                    "event": super::parsed(&sample.raw),
                })
            }));
        }
        Ok(found)
    }

    async fn log(
        &mut self,
        source_id: &str,
        messages: &HashSet<String>,
    ) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        let person = &self.person;
        let all = mapping::ListLogRequest {
            account_id: self.account_id.clone(),
            source_id: source_id.to_owned(),
            page_size: PAGE,
            ..Default::default()
        };
        pages!(self.mapping, list_log, all, |page| {
            let his = page
                .entries
                .iter()
                .filter(|line| messages.contains(&line.message_id) || person.is_named(&line.value));
            found.extend(his.map(|line| {
                json!({
                    "log_time": time(line.log_time.as_ref()),
                    "message_id": line.message_id,
                    "code": line.code,
                    "path": line.path,
                    "value": line.value,
                })
            }));
        });
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_looked_for_by_ids_and_unique_identifiers() {
        let field = |id: &str, text: &str| contact::ContactField {
            field_id: id.to_owned(),
            value: Some(contact::Value {
                kind: Some(contact::value::Kind::Text(text.to_owned())),
            }),
            ..Default::default()
        };
        let known = contact::Contact {
            user_ids: vec!["u1".to_owned()],
            anonymous_ids: vec!["a1".to_owned()],
            fields: vec![
                field("str::email", "lana@example.org"),
                field("str::first", "Lana"),
            ],
            ..Default::default()
        };
        let person = person(&known, &["str::email".to_owned()]);
        for his in ["u1", "A1", "LANA@example.org"] {
            assert!(person.is_in(&format!(r#"{{"x":"{his}"}}"#)), "{his}");
        }
        assert!(!person.is_in(r#"{"x":"Lana"}"#), "others have that name");
    }
}
