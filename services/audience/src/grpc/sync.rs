//! Syncs, on the wire.

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_changes::author;
use weir_proto::audience::v1::sync_service_server::SyncService;
use weir_proto::audience::v1::{
    GetSyncRequest, GetSyncResponse, ListSyncedMembersRequest, ListSyncedMembersResponse,
    ListSyncsRequest, ListSyncsResponse, StartSyncRequest, StartSyncResponse, SyncRun,
    SyncedMember,
};
use weir_rpc::wire::{id, request_id, tellable, timestamp};
use weir_rpc::{Deadline, Page, page_limit, page_size, page_start};

use crate::app::App;
use crate::domain::Run;
use crate::domain::history::Told;

pub(super) struct Syncs(pub App);

#[tonic::async_trait]
impl SyncService for Syncs {
    async fn start_sync(
        &self,
        request: Request<StartSyncRequest>,
    ) -> Result<Response<StartSyncResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.audience.v1.SyncService/StartSync");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let author = author.request(request_id(&request.request_id)?);
        let run = self.0.start_sync(account, author, deadline).await?;
        Ok(Response::new(StartSyncResponse {
            sync: Some(shown(&run)),
        }))
    }

    async fn get_sync(
        &self,
        request: Request<GetSyncRequest>,
    ) -> Result<Response<GetSyncResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let sync = request.sync_id.parse().ok();
        let run = self.0.get_sync(account, sync, deadline).await?;
        Ok(Response::new(GetSyncResponse {
            sync: Some(shown(&run)),
        }))
    }

    async fn list_syncs(
        &self,
        request: Request<ListSyncsRequest>,
    ) -> Result<Response<ListSyncsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let size = page_size(request.page_size)?;
        let before = page_start(&request.page_token)?.unwrap_or(Uuid::max());
        let found = self
            .0
            .list_syncs(account, before, page_limit(size), deadline)
            .await?;
        let found = found.into_iter().map(|run| (run.id, Some(run)));
        let page = Page::of(found, size, |run| shown(&run));
        Ok(Response::new(ListSyncsResponse {
            next_page_token: page.next_token(),
            syncs: page.items,
        }))
    }

    async fn list_synced_members(
        &self,
        request: Request<ListSyncedMembersRequest>,
    ) -> Result<Response<ListSyncedMembersResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let sync = request.sync_id.parse().ok();
        let size = page_size(request.page_size)?;
        let after = page_start(&request.page_token)?.unwrap_or(Uuid::nil());
        let found = self
            .0
            .list_synced(account, sync, after, page_limit(size), deadline)
            .await?;
        let page = Page::of(found, size, |told| synced(&told));
        Ok(Response::new(ListSyncedMembersResponse {
            next_page_token: page.next_token(),
            members: page.items,
        }))
    }
}

fn shown(run: &Run) -> SyncRun {
    SyncRun {
        sync_id: run.id.to_string(),
        requested: run.requested,
        request_time: Some(timestamp(run.request_time)),
        begin_time: run.begin_time.map(timestamp),
        end_time: run.end_time.map(timestamp),
        applied: run.applied,
    }
}

fn synced(told: &Told) -> SyncedMember {
    let (audience, contact) = told.entry.key;
    SyncedMember {
        audience_id: audience.to_string(),
        contact_id: contact.to_string(),
        join_time: Some(timestamp(told.time)),
        update_time: tellable(told.entry.update.time),
        message_id: told.entry.update.message_id.to_string(),
    }
}
