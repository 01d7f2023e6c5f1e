//! What an account has set up, as mapping says it, and alerts, which it takes.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use weir_ids::AccountId;
use weir_proto::mapping::v1::alert_service_client::AlertServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::{self as pb, AlertKind};
use weir_proto::settings::v1 as settings;
use weir_rpc::wire::timestamp_of;
use weir_rpc::{Channel, Deadline, NotAnAddress, Peer, Silent};
use weir_values::{BlockedValue, BlockedValues, ValueType};

use crate::domain::{ANONYMOUS_ID, Alert, KeyRule, KeyStrategy, USER_ID};

/// Fields in one page: an account has some two hundred.
const PAGE: i32 = 1_000;
const CALL: Duration = Duration::from_secs(8);
/// Alerts in one call; the contract's limit.
const MAX_ALERTS: usize = 100;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSetup {
    #[error("no such account")]
    Unknown,
    #[error(transparent)]
    Silent(#[from] Silent),
}

/// It answers, but nothing that can be gone by.
const AWAY: NoSetup = NoSetup::Silent(Silent::Away("mapping"));

/// What an account has set up.
#[derive(Debug, Clone)]
pub struct Setup {
    pub name: String,
    pub unique_identifiers: KeyRule,
    pub blocked: BlockedValues,
    /// Of all its fields, by id.
    pub types: HashMap<String, ValueType>,
}

/// The mapping service.
#[derive(Clone)]
pub struct Mapping {
    mapping: MappingServiceClient<Channel>,
    alerts: AlertServiceClient<Channel>,
}

impl Mapping {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(url: &str) -> Result<Self, NotAnAddress> {
        let channel = Peer::MAPPING.connect(url)?;
        Ok(Self {
            mapping: MappingServiceClient::new(channel.clone()),
            alerts: AlertServiceClient::new(channel),
        })
    }

    /// What the account has set up now.
    ///
    /// # Errors
    /// See [`NoSetup`].
    pub async fn setup(&self, account: AccountId, deadline: Deadline) -> Result<Setup, NoSetup> {
        let mut mapping = self.mapping.clone();
        let request = deadline.request(pb::GetAccountRequest {
            account_id: account.to_string(),
            name: String::new(),
        });
        let answer = mapping.get_account(request.map_err(failed)?).await;
        let account_set_up = answer.map_err(failed)?.into_inner().account;
        let set_up = account_set_up.ok_or(AWAY)?;
        let request = deadline.request(pb::ListFieldsRequest {
            account_id: account.to_string(),
            page_size: PAGE,
            ..Default::default()
        });
        let answer = mapping.list_fields(request.map_err(failed)?).await;
        let fields = answer.map_err(failed)?.into_inner().fields.into_iter();
        let strategy = match set_up.key_strategy() {
            settings::KeyStrategy::NextIfEmpty => KeyStrategy::NextIfEmpty,
            _ => KeyStrategy::Any,
        };
        Ok(Setup {
            unique_identifiers: KeyRule::new(set_up.unique_identifiers, strategy),
            blocked: blocked(set_up.blocked_values.unwrap_or_default())?,
            name: set_up.name,
            types: fields
                .filter_map(|field| Some((field.field_id.clone(), type_of(&field)?)))
                .collect(),
        })
    }

    /// Has it take what stands here: it asks for it, as it does with any other change.
    ///
    /// # Errors
    /// See [`NoSetup`].
    pub async fn tell_identifiers(&self, name: String, stand: &KeyRule) -> Result<(), NoSetup> {
        let strategy = match stand.strategy {
            KeyStrategy::Any => settings::KeyStrategy::Any,
            KeyStrategy::NextIfEmpty => settings::KeyStrategy::NextIfEmpty,
        };
        let request = Deadline::after(CALL).request(pb::PutAccountRequest {
            name,
            unique_identifiers: Some(pb::UniqueIdentifiers {
                field_ids: stand.fields.clone(),
            }),
            key_strategy: strategy.into(),
            ..Default::default()
        });
        let told = self
            .mapping
            .clone()
            .put_account(request.map_err(failed)?)
            .await;
        told.map(|_| ()).map_err(failed)
    }

    /// Raises alerts of an account. The same again counts up and tells nobody.
    ///
    /// # Errors
    /// The status, where it is not done.
    pub async fn raise<'a>(
        &self,
        account: AccountId,
        alerts: impl Iterator<Item = &'a Alert<'a>>,
    ) -> Result<(), Status> {
        let alerts: Vec<pb::NewAlert> = alerts.map(alert_of).collect();
        for alerts in alerts.chunks(MAX_ALERTS) {
            let request = Deadline::after(CALL).request(pb::RaiseAlertsRequest {
                account_id: account.to_string(),
                alerts: alerts.to_vec(),
            })?;
            self.alerts.clone().raise_alerts(request).await?;
        }
        Ok(())
    }
}

fn failed(status: Status) -> NoSetup {
    if status.code() == Code::NotFound {
        return NoSetup::Unknown;
    }
    tracing::warn!(code = ?status.code(), "mapping could not be asked what an account has set up");
    Silent::of("mapping", &status).into()
}

/// What means nobody to an account.
pub(super) fn blocked(lists: settings::BlockedValues) -> Result<BlockedValues, NoSetup> {
    let own = lists.blocked.into_iter().map(|entry| BlockedValue {
        kind: entry.kind,
        pattern: entry.pattern,
    });
    BlockedValues::new(own.collect(), lists.allowed_defaults).map_err(|_| AWAY)
}

/// The contract's name of a type is ours in capitals.
fn type_of(field: &pb::Field) -> Option<ValueType> {
    let name = field.r#type().as_str_name().strip_prefix("VALUE_TYPE_")?;
    ValueType::named(&name.to_ascii_lowercase())
}

fn alert_of(alert: &Alert<'_>) -> pb::NewAlert {
    let contact = alert.contact;
    let kind = match &alert.found_by {
        Some((kind, _)) if kind == USER_ID => "user_id",
        Some((kind, _)) if kind == ANONYMOUS_ID => "anonymous_id",
        Some((kind, _)) => kind,
        None => "",
    };
    let cure = if kind.is_empty() {
        String::new()
    } else {
        format!(
            " Most of them came by one value of {kind}. If it means nobody in particular, block it: \
             add it to the account's blocked_values with the kind {kind}."
        )
    };
    pb::NewAlert {
        kind: AlertKind::ContactAbsorbs.into(),
        subject: contact.to_string(),
        source_id: String::new(),
        message: format!(
            "The contact {contact} took over {} others today: so many are hardly one person.{cure}",
            alert.count
        ),
        value: match &alert.found_by {
            Some((_, value)) => value.to_string(),
            None => String::new(),
        },
        raise_time: Some(timestamp_of(alert.micros)),
    }
}
