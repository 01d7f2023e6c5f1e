//! An export as it is asked for, and its pieces.

use std::collections::HashSet;
use std::pin::Pin;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};
use weir_proto::activity::v1::{ExportActivitiesRequest, ExportActivitiesResponse, ExportFormat};
use weir_rpc::wire::id;
use weir_rpc::{Deadline, internal, invalid, invalid_all};

use super::Service;
use super::convert::named;
use super::history::span;
use crate::app::{Piece, Pieces};
use crate::domain::export::{Column, Format, MAX_COLUMNS, Writer};

pub(super) type Sent = Pin<Box<dyn Stream<Item = Result<ExportActivitiesResponse, Status>> + Send>>;

pub(super) async fn exported(
    service: &Service,
    request: Request<ExportActivitiesRequest>,
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
    let span = span(request.from_time, request.to_time, service.app.today())?;
    let name = named("event_name", request.event_name)?;
    let exports = &service.exports;
    let pieces = exports.begin(account, name, span, writer, deadline).await?;
    Ok(Response::new(Box::pin(sent(pieces))))
}

fn columns_of(names: &[String]) -> Result<Vec<Column>, Status> {
    if names.is_empty() || names.len() > MAX_COLUMNS {
        return Err(invalid("columns", "must be 1 to 300"));
    }
    let (mut columns, mut faults, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (at, name) in names.iter().enumerate() {
        let field = format!("columns[{at}]");
        match name.parse() {
            Ok(_) if !seen.insert(name) => {
                faults.push((field, format!("{name} is there twice")));
            }
            Ok(column) => columns.push(column),
            Err(error) => faults.push((field, format!("{name}: {error}"))),
        }
    }
    if faults.is_empty() {
        return Ok(columns);
    }
    let faults = faults.iter();
    Err(invalid_all(
        faults.map(|(field, what)| (field.as_str(), what.as_str())),
    ))
}

/// An end that nobody announced is none: a file must not look whole that is not.
fn sent(pieces: Pieces) -> impl Stream<Item = Result<ExportActivitiesResponse, Status>> {
    stream::unfold(Some(pieces), async |pieces| {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Ok(Piece::Data(data, activities))) => {
                let activities = i64::try_from(activities).unwrap_or(i64::MAX);
                let piece = ExportActivitiesResponse { data, activities };
                Some((Ok(piece), Some(pieces)))
            }
            Some(Ok(Piece::End)) => None,
            Some(Err(error)) => Some((Err(error.into()), None)),
            None => Some((Err(internal()), None)),
        }
    })
}
