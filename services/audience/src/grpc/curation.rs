//! What people do with audiences by hand, on the wire.

use tonic::{Request, Response, Status};
use weir_changes::author;
use weir_proto::audience::v1::curation_service_server::CurationService;
use weir_proto::audience::v1::{
    AudienceDeletion, DeleteAudienceRequest, DeleteAudienceResponse, GetAudienceDeletionRequest,
    GetAudienceDeletionResponse, RenameAudienceRequest, RenameAudienceResponse,
    RestoreAudienceRequest, RestoreAudienceResponse,
};
use weir_rpc::Deadline;
use weir_rpc::wire::{id, request_id, timestamp};

use super::convert;
use crate::app::App;
use crate::domain::{Deletion, Name};

pub(super) struct Curation(pub App);

#[tonic::async_trait]
impl CurationService for Curation {
    async fn rename_audience(
        &self,
        request: Request<RenameAudienceRequest>,
    ) -> Result<Response<RenameAudienceResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.audience.v1.CurationService/RenameAudience");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let name = Name::parse(&request.name)
            .map_err(|wrong| weir_rpc::invalid("name", &wrong.to_string()))?;
        let audience = request.audience_id.parse().ok();
        let renamed = self
            .0
            .rename_audience(account, audience, name, author, deadline)
            .await?;
        Ok(Response::new(RenameAudienceResponse {
            audience: Some(convert::audience(renamed)),
        }))
    }

    async fn delete_audience(
        &self,
        request: Request<DeleteAudienceRequest>,
    ) -> Result<Response<DeleteAudienceResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.audience.v1.CurationService/DeleteAudience");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let author = author.request(request_id(&request.request_id)?);
        let audience = request.audience_id.parse().ok();
        let deletion = self
            .0
            .delete_audience(account, audience, request.refuse_events, author, deadline)
            .await?;
        Ok(Response::new(DeleteAudienceResponse {
            deletion: Some(shown(deletion)),
        }))
    }

    async fn get_audience_deletion(
        &self,
        request: Request<GetAudienceDeletionRequest>,
    ) -> Result<Response<GetAudienceDeletionResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let audience = request.audience_id.parse().ok();
        let deletion = self.0.get_deletion(account, audience, deadline).await?;
        Ok(Response::new(GetAudienceDeletionResponse {
            deletion: Some(shown(deletion)),
        }))
    }

    async fn restore_audience(
        &self,
        request: Request<RestoreAudienceRequest>,
    ) -> Result<Response<RestoreAudienceResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.audience.v1.CurationService/RestoreAudience");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let author = author.request(request_id(&request.request_id)?);
        let audience = request.audience_id.parse().ok();
        let restored = self
            .0
            .restore_audience(account, audience, author, deadline)
            .await?;
        Ok(Response::new(RestoreAudienceResponse {
            audience: Some(convert::audience(restored)),
        }))
    }
}

fn shown(deletion: Deletion) -> AudienceDeletion {
    let audience = deletion.audience;
    AudienceDeletion {
        audience_id: audience.id.to_string(),
        name: audience.name.to_string(),
        origin: convert::told_origin(audience.origin),
        request_time: Some(timestamp(deletion.request_time)),
        done_time: deletion.done_time.map(timestamp),
        deleted_memberships: deletion.memberships,
        restore_time: deletion.restore_time.map(timestamp),
    }
}
