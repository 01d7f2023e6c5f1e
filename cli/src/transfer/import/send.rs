//! Sends batches of rows, and again where a service was away.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use prost_types::Timestamp;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use weir_proto::contact::v1::transfer_service_client::TransferServiceClient;
use weir_proto::contact::v1::{ImportContactsRequest, ImportContactsResponse, ImportRow};
use weir_proto::settings::v1::MergeStrategy;
use weir_stack::Channel;

use super::Sent;
use super::progress::Plan;
use super::rows::{Content, FileRow};
use crate::accounts::failed;
use crate::arguments::ImportContactsOptions;
use crate::call::describe_status;
use crate::failure::Failure;

/// A batch is stored within a second, but for a service that has just begun.
const CALL: Duration = Duration::from_secs(25);
/// How long a batch is sent again while something is away: a restart takes less.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);
/// Both directions; answers name every row.
const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// Sends batches of one import.
pub struct Sender {
    client: TransferServiceClient<Channel>,
    template: ImportContactsRequest,
}

impl Sender {
    pub fn new(
        client: TransferServiceClient<Channel>,
        plan: &Plan,
        options: &ImportContactsOptions,
    ) -> Result<Self, Failure> {
        let as_of: Timestamp = plan
            .as_of
            .parse()
            .map_err(|_| anyhow!("no time: {}", plan.as_of))?;
        let merge = match plan.merge.as_str() {
            "append" => MergeStrategy::Append,
            "ignore" => MergeStrategy::Ignore,
            _ => MergeStrategy::Overwrite,
        };
        Ok(Self {
            client: client
                .max_encoding_message_size(MAX_MESSAGE)
                .max_decoding_message_size(MAX_MESSAGE),
            template: ImportContactsRequest {
                account_id: plan.account_id.clone(),
                source_id: plan.source_id.clone(),
                import_id: plan.import_id.clone(),
                as_of_time: Some(as_of),
                columns: plan.columns.clone(),
                merge_strategy: merge.into(),
                charge: plan.charge,
                dry_run: options.dry_run,
                ..Default::default()
            },
        })
    }

    /// In a task of its own.
    pub fn send(&self, rows: &[FileRow]) -> Sent {
        let client = self.client.clone();
        let first = rows.first().map_or(1, |row| row.number);
        let request = ImportContactsRequest {
            first_row: i64::try_from(first).unwrap_or(i64::MAX),
            rows: rows.iter().map(row_of).collect(),
            ..self.template.clone()
        };
        tokio::spawn(Box::pin(deliver(client, request)))
    }
}

/// One that is none keeps its place: without cells it is refused, and so is JSON that is none.
fn row_of(row: &FileRow) -> ImportRow {
    match &row.content {
        Content::Cells(cells) => ImportRow {
            cells: cells.clone(),
            json: String::new(),
        },
        Content::Json(json) => ImportRow {
            cells: Vec::new(),
            json: json.clone(),
        },
        Content::Bad(_) => ImportRow::default(),
    }
}

async fn deliver(
    mut client: TransferServiceClient<Channel>,
    request: ImportContactsRequest,
) -> Result<ImportContactsResponse, Failure> {
    let began = Instant::now();
    loop {
        let mut message = Request::new(request.clone());
        message.set_timeout(CALL);
        let status = match client.import_contacts(message).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        if is_too_large(&status) && request.rows.len() > 1 {
            return in_halves(client, request).await;
        }
        if !may_pass(&status) || began.elapsed() > PATIENCE {
            return Err(match status.code() {
                Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition => {
                    failed(&status)
                }
                _ => anyhow!(
                    "{}; the same command goes on where this one ended",
                    describe_status(&status)
                )
                .into(),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn in_halves(
    client: TransferServiceClient<Channel>,
    mut request: ImportContactsRequest,
) -> Result<ImportContactsResponse, Failure> {
    let at = request.rows.len() / 2;
    let second = ImportContactsRequest {
        rows: request.rows.split_off(at),
        first_row: request.first_row + i64::try_from(at).unwrap_or(0),
        ..request.clone()
    };
    let mut answer = Box::pin(deliver(client.clone(), request)).await?;
    let rest = Box::pin(deliver(client, second)).await?;
    answer.results.extend(rest.results);
    answer.units += rest.units;
    answer.units_left = answer.units_left.or(rest.units_left);
    Ok(answer)
}

fn is_too_large(status: &Status) -> bool {
    let reason = status.get_details_error_info();
    reason.is_some_and(|info| info.reason == "ANSWER_TOO_LARGE")
}

/// Whether the same may succeed a moment later.
fn may_pass(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
    )
}
