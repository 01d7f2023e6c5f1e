//! audience.

use tonic::{Request, Response, Status};
use weir_proto::audience::v1::audience_service_server::AudienceService;
use weir_proto::audience::v1::{
    ApplyMembershipUpdatesRequest, ApplyMembershipUpdatesResponse, Audience, AudienceCheck,
    CheckAudiencesRequest, CheckAudiencesResponse, CreateAudienceRequest, CreateAudienceResponse,
    GetAudienceRequest, GetAudienceResponse, ListAudienceDaysRequest, ListAudienceDaysResponse,
    ListAudiencesRequest, ListAudiencesResponse, ListMembersRequest, ListMembersResponse,
    MembershipUpdateResult, MembershipUpdateStatus, MergeContactsRequest, MergeContactsResponse,
    Origin,
};

use super::{AUDIENCE, FOREIGN_AUDIENCE, Stub, utf8};

#[tonic::async_trait]
impl AudienceService for Stub {
    async fn create_audience(
        &self,
        request: Request<CreateAudienceRequest>,
    ) -> Result<Response<CreateAudienceResponse>, Status> {
        self.answer("create_audience", |_| {
            let name = request.into_inner().name;
            match name.as_str() {
                "" => Err(Status::invalid_argument("name")),
                "By hand" => Err(Status::failed_precondition("made by hand")),
                _ => Ok(CreateAudienceResponse {
                    audience: Some(Audience {
                        audience_id: AUDIENCE.into(),
                        name,
                        ..Default::default()
                    }),
                    created: true,
                }),
            }
        })
        .await
    }

    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> Result<Response<GetAudienceResponse>, Status> {
        self.answer("get_audience", |_| {
            match request.into_inner().audience_id.as_str() {
                AUDIENCE => Ok(GetAudienceResponse {
                    audience: Some(Audience {
                        audience_id: AUDIENCE.into(),
                        name: "Newsletter".into(),
                        ..Default::default()
                    }),
                }),
                FOREIGN_AUDIENCE => Ok(GetAudienceResponse {
                    audience: Some(Audience {
                        audience_id: FOREIGN_AUDIENCE.into(),
                        name: "By hand".into(),
                        origin: Origin::Other.into(),
                        ..Default::default()
                    }),
                }),
                "no-id" => Err(Status::invalid_argument("audience_id")),
                _ => Err(Status::not_found("no such audience")),
            }
        })
        .await
    }

    async fn check_audiences(
        &self,
        request: Request<CheckAudiencesRequest>,
    ) -> Result<Response<CheckAudiencesResponse>, Status> {
        self.answer("check_audiences", |state| {
            let ids = request.into_inner().audience_ids;
            let check = |id: &String| match id.as_str() {
                AUDIENCE if !state.is_audience_deleted => AudienceCheck::Usable.into(),
                FOREIGN_AUDIENCE => AudienceCheck::OtherOrigin.into(),
                _ => AudienceCheck::Unknown.into(),
            };
            Ok(CheckAudiencesResponse {
                checks: ids.iter().map(check).collect(),
            })
        })
        .await
    }

    async fn apply_membership_updates(
        &self,
        request: Request<ApplyMembershipUpdatesRequest>,
    ) -> Result<Response<ApplyMembershipUpdatesResponse>, Status> {
        self.answer("apply_membership_updates", |state| {
            let updates = request.into_inner().updates;
            let results = updates.iter().map(|update| MembershipUpdateResult {
                status: match utf8(&update.contact_id) {
                    _ if state.is_audience_deleted => {
                        MembershipUpdateStatus::UnknownAudience.into()
                    }
                    "contact of unstorable-update" => MembershipUpdateStatus::Unstorable.into(),
                    _ => MembershipUpdateStatus::Applied.into(),
                },
            });
            let results = results.collect();
            state.updates.extend(updates);
            Ok(ApplyMembershipUpdatesResponse { results })
        })
        .await
    }

    unused! {
        list_audiences(ListAudiencesRequest) -> ListAudiencesResponse;
        list_audience_days(ListAudienceDaysRequest) -> ListAudienceDaysResponse;
        merge_contacts(MergeContactsRequest) -> MergeContactsResponse;
        list_members(ListMembersRequest) -> ListMembersResponse;
    }
}
