//! Contacts in bulk, out and in.

use std::collections::HashSet;
use std::pin::Pin;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};
use weir_changes::{Author, author};
use weir_json::unescaped;
use weir_proto::contact::v1::transfer_service_server::TransferService;
use weir_proto::contact::v1::{
    ExportContactsRequest, ExportContactsResponse, ExportFormat, ImportContactsRequest,
    ImportContactsResponse, ImportIgnored, ImportResult, ImportRow, ImportStatus,
};
use weir_proto::settings::v1::MergeStrategy as MergeChoice;
use weir_rpc::wire::{id, read_id, time};
use weir_rpc::{Deadline, internal, invalid, invalid_all};

use super::Bulk;
use crate::app::{Import, Imported, Piece, Pieces, RowStatus};
use crate::domain::MergeStrategy;
use crate::domain::export::{Column, Format, MAX_COLUMNS, Writer};
use crate::domain::import::{By, Header, Left, Row};

/// As the contract says.
const MAX_ROWS: usize = 1_000;
const LAST_ROW: i64 = 1_000_000_000_000;
/// Of a value that was not taken, in characters.
const MAX_SHOWN: usize = 120;

pub(super) struct Transfers {
    pub bulk: Bulk,
}

type Sent = Pin<Box<dyn Stream<Item = Result<ExportContactsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TransferService for Transfers {
    type ExportContactsStream = Sent;

    async fn export_contacts(
        &self,
        request: Request<ExportContactsRequest>,
    ) -> Result<Response<Sent>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let format = match request.format() {
            ExportFormat::Csv => Format::Csv,
            ExportFormat::JsonLines => Format::JsonLines,
            ExportFormat::Unspecified => return Err(invalid("format", "must be given")),
        };
        let writer = Writer::new(format, columns_of(&request.columns)?);
        let pieces = self.bulk.exports.begin(account, writer, deadline).await?;
        Ok(Response::new(Box::pin(sent(pieces))))
    }

    async fn import_contacts(
        &self,
        request: Request<ImportContactsRequest>,
    ) -> Result<Response<ImportContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.contact.v1.TransferService/ImportContacts");
        let import = import_of(request.into_inner(), author)?;
        let done = self.bulk.imports.import(&import, deadline).await?;
        Ok(Response::new(ImportContactsResponse {
            results: done.rows.into_iter().map(result_of).collect(),
            units: done.units,
            units_left: done.units_left,
        }))
    }
}

fn columns_of(names: &[String]) -> Result<Vec<Column>, Status> {
    if names.is_empty() || names.len() > MAX_COLUMNS {
        return Err(invalid("columns", "must be 1 to 300"));
    }
    let (mut columns, mut faults, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (at, name) in names.iter().enumerate() {
        let field = || format!("columns[{at}]");
        match name.parse() {
            Ok(_) if !seen.insert(name) => {
                faults.push((field(), format!("{name} is there twice")));
            }
            Ok(column) => columns.push(column),
            Err(error) => faults.push((field(), format!("{name}: {error}"))),
        }
    }
    match faults.is_empty() {
        true => Ok(columns),
        false => Err(all_of(&faults)),
    }
}

fn all_of(faults: &[(String, String)]) -> Status {
    let faults = faults.iter();
    invalid_all(faults.map(|(field, what)| (field.as_str(), what.as_str())))
}

/// An end that nobody announced is none: a file must not look whole that is not.
fn sent(pieces: Pieces) -> impl Stream<Item = Result<ExportContactsResponse, Status>> {
    stream::unfold(Some(pieces), async |pieces| {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Ok(Piece::Data(data, contacts))) => {
                let contacts = i64::try_from(contacts).unwrap_or(i64::MAX);
                Some((Ok(ExportContactsResponse { data, contacts }), Some(pieces)))
            }
            Some(Ok(Piece::End)) => None,
            Some(Err(error)) => Some((Err(error.into()), None)),
            None => Some((Err(internal()), None)),
        }
    })
}

fn import_of(request: ImportContactsRequest, author: Author) -> Result<Import, Status> {
    let account = id("account_id", &request.account_id)?;
    let source = match request.source_id.as_str() {
        "" => None,
        text => Some(id("source_id", text)?),
    };
    if request.rows.len() > MAX_ROWS {
        return Err(invalid("rows", "must be at most 1,000"));
    }
    let rows = i64::try_from(request.rows.len()).unwrap_or(LAST_ROW);
    if !(1..=LAST_ROW - rows).contains(&request.first_row) {
        return Err(invalid("first_row", "must be from 1 to 10^12"));
    }
    let merge_strategy = match request.merge_strategy() {
        MergeChoice::Append => MergeStrategy::Append,
        MergeChoice::Ignore => MergeStrategy::Ignore,
        MergeChoice::Overwrite | MergeChoice::Unspecified => MergeStrategy::Overwrite,
    };
    let by = match source {
        Some(_) => By::Paths,
        None => By::Fields,
    };
    let import =
        read_id(&request.import_id).ok_or_else(|| invalid("import_id", "must be a UUID"))?;
    let as_of_micros = time("as_of_time", request.as_of_time)?.timestamp_micros();
    let header = Header::read(&request.columns, by).map_err(|faults| {
        let faults = faults.into_iter();
        let faults = faults.map(|(at, what)| (format!("columns[{at}]"), what));
        all_of(&faults.collect::<Vec<_>>())
    })?;
    let rows: Vec<Row> = request.rows.into_iter().map(row_of).collect();
    let mut fields = Header::fields(&request.columns);
    if source.is_none() {
        fields.extend(Header::fields_of_rows(&rows));
        fields.sort_unstable();
        fields.dedup();
    }
    Ok(Import {
        account,
        source,
        fields,
        merge_strategy,
        import,
        first_row: request.first_row,
        as_of_micros,
        header,
        rows,
        charge: request.charge,
        dry_run: request.dry_run,
        author,
    })
}

fn row_of(row: ImportRow) -> Row {
    match row.json.is_empty() {
        true => Row::Cells(row.cells),
        false => Row::Json(row.json),
    }
}

fn result_of(row: Imported) -> ImportResult {
    let (status, reason) = match row.status {
        RowStatus::Stored => (ImportStatus::Stored, None),
        RowStatus::Unchanged | RowStatus::StoredBefore => (ImportStatus::Unchanged, None),
        RowStatus::Refused(reason) => (ImportStatus::Refused, Some(reason)),
    };
    ImportResult {
        status: status.into(),
        contact_id: row.contact_id,
        code: reason.map_or_else(String::new, |reason| reason.code().to_owned()),
        reason: reason.map_or_else(String::new, |reason| {
            format!("{} {}", reason.meaning(), reason.cure())
        }),
        ignored: row.ignored.into_iter().map(ignored_of).collect(),
        stored_before: row.status == RowStatus::StoredBefore,
    }
}

fn ignored_of(left: Left) -> ImportIgnored {
    let text = unescaped(&left.value).unwrap_or(left.value.as_str().into());
    ImportIgnored {
        value: text.chars().take(MAX_SHOWN).collect(),
        column: left.column,
        code: left.code,
        reason: left.reason,
    }
}
