//! Splits and deletions, on the wire.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_proto::audience::v1::people_service_server::PeopleService;
use weir_proto::audience::v1::{
    ContactSplit, EraseContactsRequest, EraseContactsResponse, SplitContactsRequest,
    SplitContactsResponse,
};
use weir_proto::settings::v1::ErasedRows;
use weir_rpc::wire::id;
use weir_rpc::{Deadline, invalid};

use super::Grpc;
use crate::domain::Split;

/// In one call.
const MAX_SPLITS: usize = 100;
const MAX_ERASED: usize = 10_000;

/// The service beside the one for batches.
pub(super) struct People(pub Arc<Grpc>);

#[tonic::async_trait]
impl PeopleService for People {
    async fn split_contacts(
        &self,
        request: Request<SplitContactsRequest>,
    ) -> Result<Response<SplitContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        if request.splits.len() > MAX_SPLITS {
            return Err(invalid("splits", "must be at most 100"));
        }
        let account = id("account_id", &request.account_id)?;
        let splits = request
            .splits
            .iter()
            .map(split_of)
            .collect::<Result<_, _>>()?;
        self.0.0.split_contacts(account, splits, deadline).await?;
        Ok(Response::new(SplitContactsResponse {}))
    }

    async fn erase_contacts(
        &self,
        request: Request<EraseContactsRequest>,
    ) -> Result<Response<EraseContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        if request.contact_ids.len() > MAX_ERASED {
            return Err(invalid("contact_ids", "must be at most 10,000"));
        }
        let account = id("account_id", &request.account_id)?;
        let deletion = id("deletion_id", &request.deletion_id)?;
        let contacts = request
            .contact_ids
            .iter()
            .map(|text| id("contact_ids", text));
        let contacts = contacts.collect::<Result<_, _>>()?;
        let erased = self
            .0
            .0
            .erase(account, deletion, contacts, deadline)
            .await?;
        let rows = [
            ("memberships", erased.memberships),
            ("kept_memberships", erased.kept),
        ];
        let rows = rows.map(|(what, count)| ErasedRows {
            what: what.to_owned(),
            count,
        });
        Ok(Response::new(EraseContactsResponse { rows: rows.into() }))
    }
}

fn split_of(split: &ContactSplit) -> Result<Split, Status> {
    let family = split.family_contact_ids.iter();
    let family = family.map(|text| id("splits.family_contact_ids", text));
    Ok(Split {
        contact: id("splits.contact_id", &split.contact_id)?,
        version: split.version,
        family: family.collect::<Result<_, _>>()?,
    })
}
