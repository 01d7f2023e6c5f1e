//! Memberships as one contact has them.

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_ids::AudienceId;
use weir_proto::audience::v1::membership_service_server::MembershipService;
use weir_proto::audience::v1::{
    ListMembershipsRequest, ListMembershipsResponse, Membership as WireMembership,
};
use weir_rpc::wire::{id, tellable};
use weir_rpc::{Deadline, Page, page_limit, page_size, page_start};

use crate::app::App;
use crate::domain::Membership;

pub(super) struct Memberships(pub App);

#[tonic::async_trait]
impl MembershipService for Memberships {
    async fn list_memberships(
        &self,
        request: Request<ListMembershipsRequest>,
    ) -> Result<Response<ListMembershipsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let contact = id("contact_id", &request.contact_id)?;
        let size = page_size(request.page_size)?;
        let after = page_start(&request.page_token)?.unwrap_or(AudienceId(Uuid::nil()));
        let listing = self
            .0
            .list_memberships(account, contact, after, page_limit(size), deadline);
        let found = listing.await?.into_iter();
        let found = found.map(|(audience, one)| (audience, Some((audience, one))));
        let page = Page::of(found, size, |(audience, one)| shown(audience, &one));
        Ok(Response::new(ListMembershipsResponse {
            next_page_token: page.next_token(),
            memberships: page.items,
        }))
    }
}

fn shown(audience: AudienceId, one: &Membership) -> WireMembership {
    WireMembership {
        audience_id: audience.to_string(),
        member: one.member,
        member_since_time: one.member_since.and_then(tellable),
        left_time: one.left.and_then(tellable),
        update_time: tellable(one.update.time),
    }
}
