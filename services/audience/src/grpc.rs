//! The gRPC service.

mod convert;
mod curation;
mod memberships;
mod people;
mod status;
mod sync;
mod transfer;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_changes::{Log, author};
use weir_erasure::Erasure;
use weir_ids::ContactId;
use weir_proto::audience::v1::audience_service_server::{AudienceService, AudienceServiceServer};
use weir_proto::audience::v1::curation_service_server::CurationServiceServer;
use weir_proto::audience::v1::membership_service_server::MembershipServiceServer;
use weir_proto::audience::v1::people_service_server::PeopleServiceServer;
use weir_proto::audience::v1::sync_service_server::SyncServiceServer;
use weir_proto::audience::v1::transfer_service_server::TransferServiceServer;
use weir_proto::audience::v1::{
    ApplyMembershipUpdatesRequest, ApplyMembershipUpdatesResponse, CheckAudiencesRequest,
    CheckAudiencesResponse, CreateAudienceRequest, CreateAudienceResponse, GetAudienceRequest,
    GetAudienceResponse, ListAudienceDaysRequest, ListAudienceDaysResponse, ListAudiencesRequest,
    ListAudiencesResponse, ListMembersRequest, ListMembersResponse, MergeContactsRequest,
    MergeContactsResponse,
};
use weir_rpc::wire::{id, request_id};
use weir_rpc::{Deadline, Page, Server, Unary, page_limit, page_size, page_start};

use crate::app::{App, Exports};
use crate::domain::Name;
use people::People;

/// Of days, where nothing is said, and at most: so long they are kept.
const DAYS: u64 = 30;
const MAX_DAYS: u64 = 400;

/// Serves `app`; healthy while the database answers.
pub fn server(app: App, exports: Exports, erasure: Erasure, changes: Log) -> Server {
    let grpc = Arc::new(Grpc(app.clone()));
    let server = AudienceServiceServer::from_arc(Arc::clone(&grpc))
        .max_decoding_message_size(weir_rpc::MAX_MESSAGE);
    let service = Unary::new(
        server,
        &grpc,
        "ApplyMembershipUpdates",
        |grpc, request| async move { grpc.apply_membership_updates(request).await },
    );
    let people =
        PeopleServiceServer::new(People(grpc)).max_decoding_message_size(weir_rpc::MAX_MESSAGE);
    Server::new("weir.audience.v1.AudienceService")
        .service(service)
        .service(people)
        .service(MembershipServiceServer::new(memberships::Memberships(
            app.clone(),
        )))
        .service(CurationServiceServer::new(curation::Curation(app.clone())))
        .service(SyncServiceServer::new(sync::Syncs(app.clone())))
        .service(TransferServiceServer::new(transfer::Transfers(exports)))
        .service(erasure.service())
        .service(changes.service())
        .needs("PostgreSQL", move || {
            let app = app.clone();
            async move { app.is_up().await }
        })
}

struct Grpc(App);

#[tonic::async_trait]
impl AudienceService for Grpc {
    async fn create_audience(
        &self,
        request: Request<CreateAudienceRequest>,
    ) -> Result<Response<CreateAudienceResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.audience.v1.AudienceService/CreateAudience");
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let author = author.request(request_id(&request.request_id)?);
        let origin = convert::origin(request.origin)?;
        let name = Name::parse(&request.name)
            .map_err(|wrong| weir_rpc::invalid("name", &wrong.to_string()))?;
        let created = self
            .0
            .create_audience(account, name, origin, author, deadline)
            .await?;
        Ok(Response::new(CreateAudienceResponse {
            audience: Some(convert::audience(created.audience)),
            created: created.created,
        }))
    }

    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> Result<Response<GetAudienceResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        // A text that is no id is the id of no audience.
        let audience = request.audience_id.parse().ok();
        let found = self.0.get_audience(account, audience, deadline).await;
        Ok(Response::new(GetAudienceResponse {
            audience: Some(convert::shown(found?)),
        }))
    }

    async fn list_audiences(
        &self,
        request: Request<ListAudiencesRequest>,
    ) -> Result<Response<ListAudiencesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let size = page_size(request.page_size)?;
        let after: String = page_start(&request.page_token)?.unwrap_or_default();
        let found = self
            .0
            .list_audiences(account, &after, page_limit(size), deadline)
            .await?;
        let page = Page::of(found, size, convert::shown);
        Ok(Response::new(ListAudiencesResponse {
            next_page_token: page.next_token(),
            audiences: page.items,
        }))
    }

    async fn list_audience_days(
        &self,
        request: Request<ListAudienceDaysRequest>,
    ) -> Result<Response<ListAudienceDaysResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let days = match request.days {
            0 => DAYS,
            days => u64::try_from(days).unwrap_or(0),
        };
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(weir_rpc::invalid("days", "must be from 1 to 400"));
        }
        let audience = request.audience_id.parse().ok();
        let found = self.0.list_days(account, audience, days, deadline).await?;
        Ok(Response::new(ListAudienceDaysResponse {
            days: found.iter().map(convert::day).collect(),
        }))
    }

    async fn check_audiences(
        &self,
        request: Request<CheckAudiencesRequest>,
    ) -> Result<Response<CheckAudiencesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let audiences = convert::checked_ids(&request.audience_ids)?;
        let known: Vec<_> = audiences.iter().flatten().copied().collect();
        let checks = self.0.check_audiences(account, &known, deadline).await?;
        Ok(Response::new(convert::checks(&audiences, checks)))
    }

    async fn apply_membership_updates(
        &self,
        request: Request<ApplyMembershipUpdatesRequest>,
    ) -> Result<Response<ApplyMembershipUpdatesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let updates = convert::updates(request.updates)?;
        let outcomes = self
            .0
            .apply_membership_updates(account, updates, deadline)
            .await?;
        Ok(Response::new(convert::outcomes(&outcomes)))
    }

    async fn merge_contacts(
        &self,
        request: Request<MergeContactsRequest>,
    ) -> Result<Response<MergeContactsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let merges = convert::merges(&request.merges)?;
        self.0.merge_contacts(account, merges, deadline).await?;
        Ok(Response::new(MergeContactsResponse {}))
    }

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let audience = request.audience_id.parse().ok();
        let size = page_size(request.page_size)?;
        let after = page_start(&request.page_token)?.unwrap_or(ContactId(Uuid::nil()));
        let found = self
            .0
            .list_members(account, audience, after, page_limit(size), deadline)
            .await?;
        let page = Page::of(found, size, convert::member);
        Ok(Response::new(ListMembersResponse {
            next_page_token: page.next_token(),
            members: page.items,
        }))
    }
}
