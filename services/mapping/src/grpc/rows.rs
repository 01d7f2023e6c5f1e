//! Rows that are no events, mapped as contacts.

use std::sync::Arc;

use tonic::{Code, Request, Response, Status};
use weir_ids::{AccountId, SourceId};
use weir_proto::mapping::v1::row_service_server::RowService;
use weir_proto::mapping::v1::{self as pb, MapRowsRequest, MapRowsResponse};
use weir_reasons::Reason;
use weir_rpc::wire::id;
use weir_rpc::{Deadline, invalid, refused};

use super::convert::blocked_values;
use super::events::{contact_settings, entitlement, mapped_traits};
use crate::app::{App, Error, map_rows};
use crate::domain::log::LogEntry;
use crate::domain::mapper::Outcome;
use crate::domain::snapshot::Snapshot;

/// As the contract says.
const MAX_ROWS: usize = 1_000;
/// As many as an account may have, and those that are built in.
const MAX_FIELDS: usize = 300;

pub(super) struct Rows {
    pub app: App,
}

#[tonic::async_trait]
impl RowService for Rows {
    async fn map_rows(
        &self,
        request: Request<MapRowsRequest>,
    ) -> Result<Response<MapRowsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        if request.traits.len() > MAX_ROWS {
            return Err(invalid("traits", "at most 1,000"));
        }
        if !request.source_id.is_empty() && !request.field_ids.is_empty() {
            return Err(invalid(
                "field_ids",
                "must be empty where there is a source",
            ));
        }
        let finding = self.snapshot(&request, deadline);
        let found = tokio::time::timeout(deadline.remaining(), finding).await;
        let (snapshot, unknown_field_ids) = found.unwrap_or_else(|_| Err(Error::Late.into()))?;
        if snapshot.contact.is_none() && !request.source_id.is_empty() {
            let message = "the source has no contact mapping";
            return Err(refused(
                Code::FailedPrecondition,
                Reason::NoMapping,
                message,
            ));
        }
        // What is no object says nothing; its row is told why.
        let checked: Vec<_> = request.traits.iter().map(|raw| object(raw)).collect();
        let traits: Vec<&[u8]> = checked
            .iter()
            .map(|row| row.as_ref().map_or(&b"{}"[..], |raw| *raw))
            .collect();
        let rows = map_rows(&snapshot, &traits).ok_or_else(|| {
            let message = "the values of these rows come to more than an answer may hold";
            refused(Code::ResourceExhausted, Reason::AnswerTooLarge, message)
        })?;
        let rows = rows.into_iter().zip(checked);
        let account: AccountId = id("account_id", &request.account_id)?;
        let account = self.app.get_account(Some(account), "").await?;
        Ok(Response::new(MapRowsResponse {
            unknown_field_ids,
            blocked_values: Some(blocked_values(&account.settings.blocked_values)),
            contact_settings: Some(contact_settings(&snapshot)),
            entitlement: Some(entitlement(&snapshot)),
            results: rows
                .map(|((outcome, log), checked)| row_of(outcome, log, checked.err()))
                .collect(),
        }))
    }
}

impl Rows {
    async fn snapshot(
        &self,
        request: &MapRowsRequest,
        deadline: Deadline,
    ) -> Result<(Arc<Snapshot>, Vec<String>), Status> {
        let account: AccountId = id("account_id", &request.account_id)?;
        let refused = request.refused_identifiers_version;
        if !request.source_id.is_empty() {
            let source: SourceId = id("source_id", &request.source_id)?;
            let snapshot = match refused {
                None => self.app.snapshot(account, source).await?,
                Some(refused) => {
                    let app = &self.app;
                    app.snapshot_after_refusal(account, source, refused, deadline)
                        .await?
                }
            };
            return Ok((snapshot, Vec::new()));
        }
        if request.field_ids.len() > MAX_FIELDS {
            return Err(invalid("field_ids", "at most 300"));
        }
        if refused.is_some() {
            self.app.adopt_identifiers(account, deadline).await?;
        }
        let (ids, nulls_clear) = (&request.field_ids, request.nulls_clear);
        let found = self.app.snapshot_of_fields(account, ids, nulls_clear);
        let (snapshot, unknown) = found.await?;
        Ok((Arc::new(snapshot), unknown))
    }
}

fn object(raw: &[u8]) -> Result<&[u8], Reason> {
    let text = std::str::from_utf8(raw).map_err(|_| Reason::InvalidUtf8)?;
    let read = weir_json::members(text, |_, _| {});
    read.map(|()| text.trim().as_bytes())
        .map_err(|fault| fault.reason)
}

fn row_of(outcome: Outcome<'_>, log: Vec<LogEntry>, fault: Option<Reason>) -> pb::MappedRow {
    let (fields_json, traits) = match outcome {
        Outcome::Mapped {
            fields_json,
            traits,
            ..
        } => (fields_json.to_string(), mapped_traits(traits)),
        // Without any pair: of rows that name no field at all.
        Outcome::NoMapping | Outcome::PastRetention(_) => (String::new(), pb::MappedTraits::None),
    };
    let fault = fault.map(|reason| pb::IgnoredValue {
        code: reason.code().to_owned(),
        reason: format!("{} {}", reason.meaning(), reason.cure()),
        ..Default::default()
    });
    let ignored = log.into_iter().map(|entry| pb::IgnoredValue {
        path: entry
            .path
            .strip_prefix("traits.")
            .unwrap_or(&entry.path)
            .to_owned(),
        field_id: entry.field_id,
        code: entry.code.into_owned(),
        reason: entry.reason,
        value: entry.value,
    });
    pb::MappedRow {
        fields_json,
        traits: traits.into(),
        ignored: fault.into_iter().chain(ignored).collect(),
    }
}
