//! The calls that make the system as the file says, in the order in which they need each other.

use anyhow::Context;
use tonic::transport::{Channel, Endpoint};
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::audience::v1::{CreateAudienceRequest, Origin};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::ChangeKind;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;

use super::manifest::{Account, Activity, Manifest, Source};

/// What a caller may need of what was applied.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The account's name in the file.
    pub name: String,
    pub account_id: String,
    /// Source ids, in the file's order.
    pub sources: Vec<String>,
    /// Audience ids, in the file's order.
    pub audiences: Vec<String>,
}

/// Applies `manifest`; tells `say` a line for each object.
///
/// # Errors
/// The first call that is refused, with what it was about. What was applied before stays;
/// applying again goes on from there.
pub async fn apply(
    manifest: &Manifest,
    mapping_url: &str,
    audience_url: &str,
    mut say: impl FnMut(String),
) -> anyhow::Result<Vec<Applied>> {
    let mut services = Services {
        mapping: MappingServiceClient::new(connect("mapping", mapping_url).await?),
        audience: AudienceServiceClient::new(connect("audience", audience_url).await?),
        say: &mut say,
    };
    let mut applied = Vec::new();
    for account in &manifest.accounts {
        applied.push(services.account(account).await?);
    }
    Ok(applied)
}

async fn connect(name: &str, url: &str) -> anyhow::Result<Channel> {
    Endpoint::from_shared(url.to_owned())?
        .connect()
        .await
        .with_context(|| format!("the {name} service does not answer at {url}"))
}

struct Services<'a> {
    mapping: MappingServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
    say: &'a mut dyn FnMut(String),
}

impl Services<'_> {
    async fn account(&mut self, account: &Account) -> anyhow::Result<Applied> {
        let name = &account.name.value;
        let answer = self
            .mapping
            .put_account(put_account(account))
            .await
            .map_err(|status| refused("account", name, &status))?
            .into_inner();
        let account_id = answer.account.unwrap_or_default().account_id;
        self.tell("account", name, answer.change);
        for field in &account.fields {
            let request = mapping::CreateFieldRequest {
                account_id: account_id.clone(),
                name: field.name.value.clone(),
                r#type: value_type(&field.value_type.value).into(),
            };
            let created = self.mapping.create_field(request).await;
            let created = created.map_err(|status| refused("field", &field.name.value, &status))?;
            self.tell("field", &field.name.value, created.into_inner().change);
        }
        let mut sources = Vec::new();
        for source in &account.sources {
            sources.push(self.source(&account_id, source).await?);
        }
        let mut audiences = Vec::new();
        for audience in &account.audiences {
            audiences.push(self.audience(&account_id, audience.value.trim()).await?);
        }
        Ok(Applied {
            name: name.clone(),
            account_id,
            sources,
            audiences,
        })
    }

    async fn source(&mut self, account_id: &str, source: &Source) -> anyhow::Result<String> {
        let name = &source.name.value;
        let answer = self
            .mapping
            .put_source(put_source(account_id, source))
            .await
            .map_err(|status| refused("source", name, &status))?
            .into_inner();
        let source_id = answer.source.unwrap_or_default().source_id;
        self.tell("source", name, answer.change);
        self.key(account_id, &source_id, source).await?;
        if !source.contact_mapping.is_empty() {
            let saved = self
                .mapping
                .put_contact_mapping(put_contact_mapping(account_id, &source_id, source))
                .await
                .map_err(|status| refused("contact mapping", name, &status))?;
            self.tell("contact mapping", name, saved.into_inner().change);
        }
        for activity in &source.activities {
            let saved = self
                .mapping
                .put_activity_mapping(put_activity_mapping(account_id, &source_id, activity))
                .await
                .map_err(|status| refused("activity", &activity.event.value, &status))?;
            self.tell("activity", &activity.event.value, saved.into_inner().change);
        }
        Ok(source_id)
    }

    /// A key that the file names is set; without one, the source's first key is generated.
    async fn key(
        &mut self,
        account_id: &str,
        source_id: &str,
        source: &Source,
    ) -> anyhow::Result<()> {
        let name = &source.name.value;
        if source.key.is_none() && self.has_key(account_id, source_id).await? {
            return Ok(());
        }
        let request = mapping::CreateKeyRequest {
            account_id: account_id.to_owned(),
            source_id: source_id.to_owned(),
            key: source
                .key
                .as_ref()
                .map(|key| key.value.clone())
                .unwrap_or_default(),
            region: String::new(),
        };
        let created = self.mapping.create_key(request).await;
        let created = created
            .map_err(|status| refused("key of", name, &status))?
            .into_inner();
        self.tell("key", name, created.change);
        if !created.secret.is_empty() {
            (self.say)(format!(
                "    {}   <- shown this once; put it into Segment's settings",
                created.secret
            ));
        }
        Ok(())
    }

    async fn has_key(&mut self, account_id: &str, source_id: &str) -> anyhow::Result<bool> {
        let request = mapping::ListKeysRequest {
            account_id: account_id.to_owned(),
            source_id: source_id.to_owned(),
            ..Default::default()
        };
        let keys = self.mapping.list_keys(request).await?.into_inner().keys;
        Ok(keys.iter().any(|key| key.revoke_time.is_none()))
    }

    async fn audience(&mut self, account_id: &str, name: &str) -> anyhow::Result<String> {
        let request = CreateAudienceRequest {
            account_id: account_id.to_owned(),
            name: name.to_owned(),
            origin: Origin::SegmentActions.into(),
        };
        let created = self.audience.create_audience(request).await;
        let created = created
            .map_err(|status| refused("audience", name, &status))?
            .into_inner();
        let change = if created.created {
            ChangeKind::Created
        } else {
            ChangeKind::Unchanged
        };
        self.tell("audience", name, change.into());
        Ok(created.audience.unwrap_or_default().audience_id)
    }

    fn tell(&mut self, kind: &str, name: &str, change: i32) {
        let change = match ChangeKind::try_from(change) {
            Ok(ChangeKind::Created) => "created",
            Ok(ChangeKind::Updated) => "updated",
            Ok(ChangeKind::Unchanged) => "unchanged",
            Ok(ChangeKind::Unspecified) | Err(_) => "applied",
        };
        (self.say)(format!("{change:>9}  {kind} {name}"));
    }
}

fn refused(kind: &str, name: &str, status: &tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{kind} {name}: {}", status.message())
}

fn put_account(account: &Account) -> mapping::PutAccountRequest {
    let plan = &account.plan;
    mapping::PutAccountRequest {
        name: account.name.value.clone(),
        plan: Some(mapping::Plan {
            included_contacts: plan.included_contacts.value,
            additional_contacts: plan.additional_contacts.as_ref().map_or(0, |n| n.value),
            activity_slots: plan.activity_slots.value,
            profile_factor: plan.profile_factor.as_ref().map(|n| n.value),
            activity_factor: plan.activity_factor.as_ref().map(|n| n.value),
        }),
        notification_address: account
            .notification_address
            .as_ref()
            .map(|address| address.value.clone())
            .unwrap_or_default(),
        unique_identifiers: account.unique_identifiers.as_ref().map(|ids| {
            mapping::UniqueIdentifiers {
                field_ids: ids.iter().map(|id| id.value.clone()).collect(),
            }
        }),
        key_strategy: match account.key_strategy.as_ref().map(|s| s.value.as_str()) {
            Some("next_if_empty") => mapping::KeyStrategy::NextIfEmpty,
            _ => mapping::KeyStrategy::Any,
        }
        .into(),
    }
}

fn put_source(account_id: &str, source: &Source) -> mapping::PutSourceRequest {
    mapping::PutSourceRequest {
        account_id: account_id.to_owned(),
        kind: match source.kind.value.as_str() {
            "segment_classic" => mapping::SourceKind::SegmentClassic,
            _ => mapping::SourceKind::SegmentActions,
        }
        .into(),
        name: source.name.value.clone(),
        merge_strategy: match source.merge_strategy.as_ref().map(|s| s.value.as_str()) {
            Some("append") => mapping::MergeStrategy::Append,
            Some("ignore") => mapping::MergeStrategy::Ignore,
            _ => mapping::MergeStrategy::Overwrite,
        }
        .into(),
        existing_only: source.existing_only,
    }
}

fn put_contact_mapping(
    account_id: &str,
    source_id: &str,
    source: &Source,
) -> mapping::PutContactMappingRequest {
    let mappings = source
        .contact_mapping
        .iter()
        .map(|pair| mapping::FieldMapping {
            trait_path: pair.trait_path.value.clone(),
            field_id: pair.field.value.clone(),
            date_format: pair
                .date_format
                .as_ref()
                .map(|format| format.value.clone())
                .unwrap_or_default(),
        });
    mapping::PutContactMappingRequest {
        account_id: account_id.to_owned(),
        source_id: source_id.to_owned(),
        mappings: mappings.collect(),
    }
}

fn put_activity_mapping(
    account_id: &str,
    source_id: &str,
    activity: &Activity,
) -> mapping::PutActivityMappingRequest {
    let attributes = activity.attributes.iter().map(|attribute| {
        let name = attribute.attribute.as_ref().unwrap_or(&attribute.property);
        mapping::AttributeMapping {
            property_path: attribute.property.value.clone(),
            attribute: name.value.clone(),
            r#type: value_type(&attribute.value_type.value).into(),
            date_format: attribute
                .date_format
                .as_ref()
                .map(|format| format.value.clone())
                .unwrap_or_default(),
        }
    });
    mapping::PutActivityMappingRequest {
        account_id: account_id.to_owned(),
        source_id: source_id.to_owned(),
        event_name: activity.event.value.clone(),
        retention_days: activity
            .retention_days
            .as_ref()
            .map_or(0, |days| days.value),
        attributes: attributes.collect(),
    }
}

/// The contract's name of a type is ours in capitals.
fn value_type(name: &str) -> mapping::ValueType {
    let name = format!("VALUE_TYPE_{}", name.to_uppercase());
    mapping::ValueType::from_str_name(&name).unwrap_or(mapping::ValueType::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_file_is_one_of_the_contract() {
        for (name, _) in weir_values::ValueType::NAMES {
            assert_ne!(value_type(name), mapping::ValueType::Unspecified, "{name}");
        }
    }
}
