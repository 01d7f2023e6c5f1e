//! Memberships as one contact has them.

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_ids::AudienceId;
use weir_proto::audience::v1::membership_service_server::MembershipService;
use weir_proto::audience::v1::{
    ListMembershipHistoryRequest, ListMembershipHistoryResponse, ListMembershipsRequest,
    ListMembershipsResponse, Membership as WireMembership, MembershipChange, MembershipChangeCause,
    MembershipChangeKind,
};
use weir_rpc::wire::{id, tellable};
use weir_rpc::{Deadline, Page, page_limit, page_size, page_start};

use crate::app::App;
use crate::domain::Membership;
use crate::domain::history::{Cause, Told, Turn};

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

    async fn list_membership_history(
        &self,
        request: Request<ListMembershipHistoryRequest>,
    ) -> Result<Response<ListMembershipHistoryResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let contact = id("contact_id", &request.contact_id)?;
        let audience = match request.audience_id.as_str() {
            "" => None,
            text => Some(id("audience_id", text)?),
        };
        let size = page_size(request.page_size)?;
        let before = page_start(&request.page_token)?.unwrap_or(Uuid::max());
        let limit = page_limit(size);
        let listing = self
            .0
            .list_history(account, contact, audience, before, limit, deadline);
        let page = Page::of(listing.await?, size, |told| change(&told));
        Ok(Response::new(ListMembershipHistoryResponse {
            next_page_token: page.next_token(),
            changes: page.items,
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
        message_id: one.update.message_id.to_string(),
        held_back: one.waits(),
        held_until_time: one.held_until().and_then(tellable),
    }
}

fn change(told: &Told) -> MembershipChange {
    let (kind, until) = match told.entry.turn {
        Turn::Joined => (MembershipChangeKind::Joined, None),
        Turn::Left => (MembershipChangeKind::Left, None),
        Turn::HeldBack(until) => (MembershipChangeKind::HeldBack, Some(until)),
        Turn::Withdrawn => (MembershipChangeKind::Withdrawn, None),
    };
    let (cause, sync) = match told.cause {
        Cause::Event => (MembershipChangeCause::Event, None),
        Cause::Sync(id) => (MembershipChangeCause::Sync, Some(id)),
        Cause::Merge => (MembershipChangeCause::Merge, None),
        Cause::Split => (MembershipChangeCause::Split, None),
    };
    let (audience, contact) = told.entry.key;
    MembershipChange {
        audience_id: audience.to_string(),
        contact_id: contact.to_string(),
        kind: kind.into(),
        cause: cause.into(),
        change_time: tellable(told.time),
        held_until_time: until.and_then(tellable),
        update_time: tellable(told.entry.update.time),
        message_id: told.entry.update.message_id.to_string(),
        sync_id: sync.map(|id| id.to_string()).unwrap_or_default(),
    }
}
