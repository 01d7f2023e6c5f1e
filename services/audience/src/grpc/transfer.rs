//! Members in bulk.

use std::collections::HashSet;
use std::pin::Pin;

use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};
use weir_ids::AudienceId;
use weir_proto::audience::v1::transfer_service_server::TransferService;
use weir_proto::audience::v1::{ExportFormat, ExportMembersRequest, ExportMembersResponse};
use weir_rpc::wire::{NOT_AN_ID, id, read_id};
use weir_rpc::{Deadline, internal, invalid};

use crate::app::{Exports, Piece, Pieces};
use crate::domain::export::Format;

/// In one file, by name.
const MAX_AUDIENCES: usize = 1_000;

pub(super) struct Transfers(pub Exports);

type Sent = Pin<Box<dyn Stream<Item = Result<ExportMembersResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TransferService for Transfers {
    type ExportMembersStream = Sent;

    async fn export_members(
        &self,
        request: Request<ExportMembersRequest>,
    ) -> Result<Response<Sent>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let format = match request.format() {
            ExportFormat::Csv => Format::Csv,
            ExportFormat::JsonLines => Format::JsonLines,
            ExportFormat::Unspecified => return Err(invalid("format", "must be given")),
        };
        let audiences = audiences_of(&request.audience_ids)?;
        let pieces = self.0.begin(account, audiences, format, deadline).await?;
        Ok(Response::new(Box::pin(sent(pieces))))
    }
}

fn audiences_of(texts: &[String]) -> Result<Vec<AudienceId>, Status> {
    if texts.len() > MAX_AUDIENCES {
        return Err(invalid("audience_ids", "must have at most 1000 entries"));
    }
    let mut seen = HashSet::new();
    let read = |(at, text): (usize, &String)| {
        let field = || format!("audience_ids[{at}]");
        let id: AudienceId = read_id(text).ok_or_else(|| invalid(&field(), NOT_AN_ID))?;
        match seen.insert(id) {
            true => Ok(id),
            false => Err(invalid(&field(), "is there twice")),
        }
    };
    texts.iter().enumerate().map(read).collect()
}

/// An end that nobody announced is none: a file must not look whole that is not.
fn sent(pieces: Pieces) -> impl Stream<Item = Result<ExportMembersResponse, Status>> {
    stream::unfold(Some(pieces), async |pieces| {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Ok(Piece::Data(data, members))) => {
                let members = i64::try_from(members).unwrap_or(i64::MAX);
                Some((Ok(ExportMembersResponse { data, members }), Some(pieces)))
            }
            Some(Ok(Piece::End)) => None,
            Some(Err(error)) => Some((Err(error.into()), None)),
            None => Some((Err(internal()), None)),
        }
    })
}
