//! What imports ask of others: mapping makes fields of rows, quota grants units.

use bytestring::ByteString;
use tonic::{Code, Status};
use weir_ids::{AccountId, BatchId, SourceId};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::row_service_client::RowServiceClient;
use weir_proto::quota::v1 as quota;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_proto::settings::v1 as settings;
use weir_reasons::Reason;
use weir_rpc::{Channel, Deadline, MAX_MESSAGE, NotAnAddress, Peer, Silent, reason_of};
use weir_values::BlockedValues;

use super::mapping::blocked as blocked_of;
use crate::domain::import::{Left, Mapped};
use crate::domain::{KeyStrategy, MergeStrategy, Settings};

/// Those that an import asks.
#[derive(Clone)]
pub struct Rows {
    mapping: RowServiceClient<Channel>,
    quota: QuotaServiceClient<Channel>,
}

/// By what rows are mapped.
#[derive(Debug, Clone)]
pub enum MappedBy {
    Source(SourceId),
    /// Ids of fields, and whether a null clears.
    Fields(Vec<String>, bool),
}

/// What mapping made of rows.
#[derive(Debug)]
pub struct MappedRows {
    /// Where there is a source its merge settings, else overwrite.
    pub settings: Settings,
    pub identifiers_version: i64,
    /// By which their ids are read.
    pub blocked: BlockedValues,
    pub entitlement: Entitlement,
    /// Of the fields that rows were to be mapped by: those that are none of the account.
    pub unknown_fields: Vec<String>,
    /// One for each row, in order.
    pub rows: Vec<Mapped>,
}

/// What the account's plan allows, as mapping said.
#[derive(Debug, Clone, Copy)]
pub struct Entitlement(settings::Entitlement);

/// Units for a batch.
#[derive(Debug, Clone)]
pub struct Reserved {
    pub batch: BatchId,
    /// `YYYY-MM-DD`
    pub window: String,
    pub epoch: i64,
    pub granted: i64,
}

/// Why rows were not mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMapped {
    #[error(transparent)]
    Silent(#[from] Silent),
    #[error("no contact mapping")]
    NoMapping,
    #[error("no such account")]
    NoAccount,
    #[error("no such source")]
    NoSource,
    #[error("the rows are too large")]
    TooLarge,
    #[error("mapping answered what it must not")]
    Unexpected,
}

impl Rows {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where a URL is not one.
    pub fn connect(mapping: &str, quota: &str) -> Result<Self, NotAnAddress> {
        Ok(Self {
            mapping: RowServiceClient::new(Peer::MAPPING.connect(mapping)?)
                .max_encoding_message_size(MAX_MESSAGE)
                .max_decoding_message_size(MAX_MESSAGE),
            quota: QuotaServiceClient::new(Peer::QUOTA.connect(quota)?),
        })
    }

    /// Has rows mapped. `refused` is the version of the unique identifiers under which they were
    /// mapped before.
    ///
    /// # Errors
    /// When mapping is away, or has nothing to map them by.
    pub async fn map(
        &self,
        account: AccountId,
        by: &MappedBy,
        traits: Vec<String>,
        refused: Option<i64>,
        deadline: Deadline,
    ) -> Result<MappedRows, NotMapped> {
        let sent = traits.len();
        let mut request = mapping::MapRowsRequest {
            account_id: account.to_string(),
            traits: traits.into_iter().map(Into::into).collect(),
            refused_identifiers_version: refused,
            ..Default::default()
        };
        match by {
            MappedBy::Source(source) => request.source_id = source.to_string(),
            MappedBy::Fields(fields, nulls_clear) => {
                request.field_ids.clone_from(fields);
                request.nulls_clear = *nulls_clear;
            }
        }
        let request = deadline
            .request(request)
            .map_err(|status| not_mapped(&status))?;
        let answer = self.mapping.clone().map_rows(request).await;
        let answer = answer.map_err(|status| not_mapped(&status))?.into_inner();
        let contact = answer.contact_settings.unwrap_or_default();
        let blocked = blocked_of(answer.blocked_values.unwrap_or_default());
        let blocked = blocked.map_err(|_| Silent::Away("mapping"))?;
        if answer.results.len() != sent {
            tracing::error!("mapping answered another number of rows");
            return Err(NotMapped::Unexpected);
        }
        Ok(MappedRows {
            identifiers_version: contact.identifiers_version,
            entitlement: Entitlement(answer.entitlement.unwrap_or_default()),
            settings: settings_of(contact),
            blocked,
            unknown_fields: answer.unknown_field_ids,
            rows: answer.results.into_iter().map(mapped).collect(),
        })
    }

    /// Reserves profile units. `epoch` is one that a ledger says stands.
    ///
    /// # Errors
    /// When quota is away, or late.
    pub async fn reserve(
        &self,
        account: AccountId,
        wanted: usize,
        entitlement: Entitlement,
        epoch: i64,
        deadline: Deadline,
    ) -> Result<Reserved, Silent> {
        let batch = BatchId::new();
        let request = quota::ReserveRequest {
            account_id: account.to_string(),
            batch_id: batch.to_string(),
            profile_units: i64::try_from(wanted).unwrap_or(i64::MAX),
            activity_units: 0,
            entitlement: Some(entitlement.0),
            settlements: Vec::new(),
            ledger_epoch: epoch,
        };
        let request = deadline
            .request(request)
            .map_err(|status| no_units(&status))?;
        let answer = self.quota.clone().reserve(request).await;
        let answer = answer.map_err(|status| {
            tracing::warn!(code = ?status.code(), "no units could be reserved");
            no_units(&status)
        })?;
        let answer = answer.into_inner();
        Ok(Reserved {
            batch,
            window: answer.window,
            epoch: answer.epoch,
            granted: answer.profile.map_or(0, |meter| meter.granted),
        })
    }

    /// Profile units that the account has left now. Reserves none.
    ///
    /// # Errors
    /// When quota is away, or late.
    pub async fn left(
        &self,
        account: AccountId,
        entitlement: Entitlement,
        deadline: Deadline,
    ) -> Result<i64, Silent> {
        let request = quota::GetUsageRequest {
            account_id: account.to_string(),
            entitlement: Some(entitlement.0),
        };
        let request = deadline
            .request(request)
            .map_err(|status| no_units(&status))?;
        let answer = self.quota.clone().get_usage(request).await;
        let answer = answer.map_err(|status| {
            tracing::warn!(code = ?status.code(), "no usage could be read");
            no_units(&status)
        })?;
        let usage = answer.into_inner().profile.unwrap_or_default();
        let taken = usage.used.saturating_add(usage.reserved);
        Ok(usage.limit.saturating_sub(taken).max(0))
    }

    /// Says what a batch stored. Where that fails, quota asks the ledger once the lease is over.
    pub async fn settle(
        &self,
        account: AccountId,
        reserved: &Reserved,
        units: i64,
        deadline: Deadline,
    ) {
        let settlement = quota::Settlement {
            batch_id: reserved.batch.to_string(),
            window: reserved.window.clone(),
            epoch: reserved.epoch,
            profile_units: units,
            activity_units: 0,
        };
        let request = quota::SettleRequest {
            account_id: account.to_string(),
            settlements: vec![settlement],
        };
        if let Ok(request) = deadline.request(request)
            && let Err(status) = self.quota.clone().settle(request).await
        {
            tracing::warn!(code = ?status.code(), "a batch could not be settled");
        }
    }
}

fn no_units(status: &Status) -> Silent {
    Silent::of("quota", status)
}

fn not_mapped(status: &Status) -> NotMapped {
    match (status.code(), reason_of(status)) {
        (Code::FailedPrecondition, Some(Reason::NoMapping)) => NotMapped::NoMapping,
        (Code::NotFound, Some(Reason::AccountUnknown)) => NotMapped::NoAccount,
        (Code::NotFound, Some(Reason::SourceUnknown)) => NotMapped::NoSource,
        (Code::ResourceExhausted, Some(Reason::AnswerTooLarge)) => NotMapped::TooLarge,
        (code, _) => {
            tracing::warn!(?code, "rows could not be mapped");
            Silent::of("mapping", status).into()
        }
    }
}

fn settings_of(contact: mapping::ContactSettings) -> Settings {
    use settings::KeyStrategy as Keys;
    use settings::MergeStrategy as Merge;
    Settings {
        key_strategy: match contact.key_strategy() {
            Keys::NextIfEmpty => KeyStrategy::NextIfEmpty,
            Keys::Any | Keys::Unspecified => KeyStrategy::Any,
        },
        merge_strategy: match contact.merge_strategy() {
            Merge::Append => MergeStrategy::Append,
            Merge::Ignore => MergeStrategy::Ignore,
            Merge::Overwrite | Merge::Unspecified => MergeStrategy::Overwrite,
        },
        existing_only: contact.existing_only,
        unique_identifiers: contact.unique_identifiers,
        caseless_identifiers: contact.caseless_identifiers,
        keep_user_ids_apart: contact.keep_user_ids_apart,
        transition: None,
    }
}

fn mapped(row: mapping::MappedRow) -> Mapped {
    use mapping::MappedTraits;
    let traits = row.traits();
    let ignored = row.ignored.into_iter().map(|one| Left {
        column: match one.path.is_empty() {
            true => one.field_id,
            false => one.path,
        },
        code: one.code,
        reason: one.reason,
        value: one.value,
    });
    Mapped {
        fields_json: ByteString::from(row.fields_json),
        has_values: traits == MappedTraits::Values,
        all_ignored: matches!(
            traits,
            MappedTraits::AllIgnored | MappedTraits::ClearsRestIgnored
        ),
        ignored: ignored.collect(),
    }
}
