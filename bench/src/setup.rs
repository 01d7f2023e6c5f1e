//! Accounts of a run, set up over gRPC as a team would do it, with plans no run can exhaust.

use anyhow::{Context, Result};
use http::HeaderValue;
use uuid::Uuid;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::Channel;

use crate::workload::client_form::EVENT_NAME;

/// More than any run sends; ten times this still fits an i64.
const CONTACTS: i64 = 1_000_000_000;
/// Events that an account may map.
const ACTIVITY_SLOTS: i64 = 5;
/// Of the activity that every track names.
pub const RETENTION_DAYS: u32 = 90;

/// An account, ready to receive.
#[derive(Debug, Clone)]
pub struct Account {
    pub account_id: Uuid,
    pub source_id: Uuid,
    pub activity_id: Uuid,
    pub audience_id: Uuid,
    /// The header that carries its key.
    pub authorization: HeaderValue,
}

/// Sets up `count` accounts.
///
/// # Errors
/// Where a service refuses or is away.
pub async fn accounts(mapping: Channel, audience: Channel, count: usize) -> Result<Vec<Account>> {
    let mapping = MappingServiceClient::new(mapping);
    let audience = AudienceServiceClient::new(audience);
    let mut accounts = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("bench {number}");
        let account = account(mapping.clone(), audience.clone(), &name)
            .await
            .with_context(|| format!("account {name}"))?;
        accounts.push(account);
    }
    Ok(accounts)
}

async fn account(
    mut mapping: MappingServiceClient<Channel>,
    mut audience: AudienceServiceClient<Channel>,
    name: &str,
) -> Result<Account> {
    let request = put_account(name, None, ACTIVITY_SLOTS);
    let account = mapping.put_account(request).await?.into_inner();
    let account_id = account.account.context("an account")?.account_id;
    let source = mapping.put_source(put_source(&account_id)).await?;
    let source_id = source.into_inner().source.context("a source")?.source_id;
    let key = mapping
        .create_key(mapping::CreateKeyRequest {
            account_id: account_id.clone(),
            source_id: source_id.clone(),
            ..Default::default()
        })
        .await?
        .into_inner()
        .secret;
    for field in custom_fields(&account_id) {
        mapping.create_field(field).await?;
    }
    mapping
        .put_contact_mapping(contact_mapping(&account_id, &source_id))
        .await?;
    let activity = mapping
        .put_activity_mapping(activity_mapping(&account_id, &source_id))
        .await?
        .into_inner();
    let activity_id = activity.activity.context("an activity")?.activity_id;
    let members = audience
        .create_audience(audience::CreateAudienceRequest {
            account_id: account_id.clone(),
            name: "Customers".into(),
            origin: audience::Origin::SegmentActions.into(),
            request_id: String::new(),
        })
        .await?
        .into_inner();
    let audience_id = members.audience.context("an audience")?.audience_id;
    let mut authorization = HeaderValue::from_str(&format!("Bearer {key}"))?;
    authorization.set_sensitive(true);
    Ok(Account {
        account_id: account_id.parse()?,
        source_id: source_id.parse()?,
        activity_id: activity_id.parse()?,
        audience_id: audience_id.parse()?,
        authorization,
    })
}

/// An account that no run exhausts; one that is there already where it is named.
pub fn put_account(
    name: &str,
    account_id: Option<String>,
    activity_slots: i64,
) -> mapping::PutAccountRequest {
    mapping::PutAccountRequest {
        account_id: account_id.unwrap_or_default(),
        name: name.into(),
        plan: Some(mapping::Plan {
            included_contacts: Some(CONTACTS),
            activity_slots: Some(activity_slots),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn put_source(account_id: &str) -> mapping::PutSourceRequest {
    mapping::PutSourceRequest {
        account_id: account_id.into(),
        kind: mapping::SourceKind::SegmentActions.into(),
        name: "Segment".into(),
        ..Default::default()
    }
}

/// The custom fields that `workload::person` fills.
fn custom_fields(account_id: &str) -> Vec<mapping::CreateFieldRequest> {
    [
        ("Plan", mapping::ValueType::SingleSelect),
        ("Login count", mapping::ValueType::Integer),
        ("Active", mapping::ValueType::Boolean),
        ("Signed up at", mapping::ValueType::TimeAndDate),
    ]
    .map(|(name, value_type)| mapping::CreateFieldRequest {
        account_id: account_id.into(),
        name: name.into(),
        r#type: value_type.into(),
        request_id: String::new(),
    })
    .into()
}

pub fn contact_mapping(account_id: &str, source_id: &str) -> mapping::PutContactMappingRequest {
    let mappings = [
        ("firstName", "str::first", ""),
        ("lastName", "str::last", ""),
        ("email", "str::email", ""),
        ("phone", "phn::phone", ""),
        ("birthday", "dtz::b", "DD-MM-YYYY"),
        ("address.city", "geo::city", ""),
        ("address.post_code", "str::postal", ""),
        ("address.country", "geo::country", ""),
        ("plan", "str:cm:plan", ""),
        ("loginCount", "int:cm:login-count", ""),
        ("active", "bol:cm:active", ""),
        ("signedUpAt", "dtz:cm:signed-up-at", "ISO 8601"),
    ]
    .map(|(path, field, format)| mapping::FieldMapping {
        trait_path: path.into(),
        field_id: field.into(),
        date_format: format.into(),
        ..Default::default()
    });
    mapping::PutContactMappingRequest {
        account_id: account_id.into(),
        source_id: source_id.into(),
        mappings: mappings.into(),
        ..Default::default()
    }
}

pub fn activity_mapping(account_id: &str, source_id: &str) -> mapping::PutActivityMappingRequest {
    use mapping::ValueType;
    let attributes = [
        ("orderId", ValueType::Text, ""),
        ("total", ValueType::Decimal, ""),
        ("currency", ValueType::Text, ""),
        ("itemCount", ValueType::Integer, ""),
        ("category", ValueType::Text, ""),
        ("url", ValueType::Link, ""),
        ("firstPurchase", ValueType::Boolean, ""),
        ("deliveredOn", ValueType::Date, "YYYY-MM-DD"),
    ]
    .map(|(name, value_type, format)| mapping::AttributeMapping {
        property_path: name.into(),
        attribute: name.into(),
        r#type: value_type.into(),
        date_format: format.into(),
        ..Default::default()
    });
    mapping::PutActivityMappingRequest {
        account_id: account_id.into(),
        source_id: source_id.into(),
        event_name: EVENT_NAME.into(),
        retention_days: Some(RETENTION_DAYS),
        attributes: attributes.into(),
        ..Default::default()
    }
}
