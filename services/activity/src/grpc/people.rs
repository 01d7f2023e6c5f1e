//! Splits and deletions, on the wire.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_proto::activity::v1::people_service_server::PeopleService;
use weir_proto::activity::v1::{
    ContactSplit, EraseContactsRequest, EraseContactsResponse, ErasedIdentifier, IdentifierKind,
    SplitContactsRequest, SplitContactsResponse,
};
use weir_proto::settings::v1::ErasedRows;
use weir_rpc::wire::{id, time};
use weir_rpc::{Deadline, invalid};

use super::{Service, convert};
use crate::domain::{Erasure, Identifier, Kind, Split};

/// In one call.
const MAX_SPLITS: usize = 100;
/// Contacts, and identifiers.
const MAX_ERASED: usize = 10_000;

/// The service beside the one for batches.
pub(super) struct People(pub Arc<Service>);

#[tonic::async_trait]
impl PeopleService for People {
    async fn split_contacts(
        &self,
        request: Request<SplitContactsRequest>,
    ) -> Result<Response<SplitContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        if request.splits.len() > MAX_SPLITS {
            return Err(invalid("splits", "at most 100"));
        }
        let account = id("account_id", &request.account_id)?;
        let splits = request.splits.into_iter().map(split_of);
        let splits = splits.collect::<Result<_, _>>()?;
        self.0.app.split_contacts(account, splits, deadline).await?;
        Ok(Response::new(SplitContactsResponse {}))
    }

    async fn erase_contacts(
        &self,
        request: Request<EraseContactsRequest>,
    ) -> Result<Response<EraseContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let erasure = erasure_of(request.into_inner())?;
        let counts = self.0.app.erase(erasure, deadline).await?;
        let rows = counts.into_iter().map(|counted| ErasedRows {
            what: counted.0,
            count: counted.1,
        });
        Ok(Response::new(EraseContactsResponse {
            rows: rows.collect(),
        }))
    }
}

fn split_of(split: ContactSplit) -> Result<Split, Status> {
    let links = split.links.into_iter().map(convert::link);
    Ok(Split {
        contact_id: id("splits.contact_id", &split.contact_id)?,
        survivor_id: id("splits.survivor_id", &split.survivor_id)?,
        version: split.version,
        merge_time: time("splits.merge_time", split.merge_time)?,
        links: crate::domain::newest_links(links.collect::<Result<_, _>>()?),
    })
}

fn erasure_of(request: EraseContactsRequest) -> Result<Erasure, Status> {
    if request.contact_ids.len() > MAX_ERASED {
        return Err(invalid("contact_ids", "at most 10,000"));
    }
    if request.identifiers.len() > MAX_ERASED {
        return Err(invalid("identifiers", "at most 10,000"));
    }
    let contacts = request
        .contact_ids
        .iter()
        .map(|text| id("contact_ids", text));
    let identifiers = request.identifiers.into_iter().map(identifier_of);
    Ok(Erasure {
        account_id: id("account_id", &request.account_id)?,
        deletion_id: id("deletion_id", &request.deletion_id)?,
        contacts: contacts.collect::<Result<_, _>>()?,
        identifiers: identifiers.collect::<Result<_, _>>()?,
        delete_time: time("delete_time", request.delete_time)?,
    })
}

fn identifier_of(identifier: ErasedIdentifier) -> Result<Identifier, Status> {
    let kind = match identifier.kind() {
        IdentifierKind::UserId => Kind::UserId,
        IdentifierKind::AnonymousId => Kind::AnonymousId,
        IdentifierKind::Unspecified => {
            return Err(invalid(
                "identifiers.kind",
                "expected user id or anonymous id",
            ));
        }
    };
    let value = convert::text("identifiers.value", identifier.value)?;
    Ok(Identifier { kind, value })
}
