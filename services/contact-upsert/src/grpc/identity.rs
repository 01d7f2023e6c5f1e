//! `IdentityService`: what tells contacts apart, changed once there are contacts.

use tonic::{Request, Response, Status};
use weir_changes::author;
use weir_ids::AccountId;
use weir_proto::contact::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use weir_proto::contact::v1::{
    GetReindexRequest, GetReindexResponse, PreviewReindexRequest, PreviewReindexResponse, Reindex,
    ReindexGroup, ReindexState, StartReindexRequest, StartReindexResponse,
};
use weir_proto::settings::v1::KeyStrategy as KeyChoice;
use weir_rpc::wire::{id, request_id, timestamp};
use weir_rpc::{Deadline, Faults};

use super::convert::key_strategy_of;
use crate::app::App;
use crate::domain::{Group, KeyRule, KeyStrategy, Run, RunState};

pub(super) fn server(app: App) -> IdentityServiceServer<impl IdentityService> {
    IdentityServiceServer::new(Identity { app })
}

struct Identity {
    app: App,
}

#[tonic::async_trait]
impl IdentityService for Identity {
    async fn preview_reindex(
        &self,
        request: Request<PreviewReindexRequest>,
    ) -> Result<Response<PreviewReindexResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, strategy) = read(&request.account_id, request.key_strategy())?;
        let new = KeyRule::new(request.unique_identifiers, strategy);
        let found = self.app.preview_reindex(account, new, deadline).await?;
        Ok(Response::new(PreviewReindexResponse {
            complete: found.complete,
            contacts: found.contacts,
            merged_contacts: found.merged,
            lost_values: found.lost,
            blocked_values: found.blocked,
            groups: found.groups.into_iter().map(group_of).collect(),
        }))
    }

    async fn start_reindex(
        &self,
        request: Request<StartReindexRequest>,
    ) -> Result<Response<StartReindexResponse>, Status> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.contact.v1.IdentityService/StartReindex");
        let request = request.into_inner();
        let (account, strategy) = read(&request.account_id, request.key_strategy())?;
        let author = author.request(request_id(&request.request_id)?);
        let new = KeyRule::new(request.unique_identifiers, strategy);
        let run = self.app.start_reindex(account, new, author, deadline);
        let run = run.await?;
        Ok(Response::new(StartReindexResponse {
            reindex: Some(reindex_of(run)),
        }))
    }

    async fn get_reindex(
        &self,
        request: Request<GetReindexRequest>,
    ) -> Result<Response<GetReindexResponse>, Status> {
        let deadline = Deadline::of(&request);
        let account = id("account_id", request.into_inner().account_id)?;
        let run = self.app.last_reindex(account, deadline).await?;
        Ok(Response::new(GetReindexResponse {
            reindex: Some(reindex_of(run)),
        }))
    }
}

/// What is wrong with either is told at once.
fn read(account: &str, choice: KeyChoice) -> Result<(AccountId, KeyStrategy), Status> {
    let mut faults = Faults::default();
    let account = faults.take(id("account_id", account));
    let strategy = faults.take(key_strategy_of(choice));
    account.zip(strategy).ok_or_else(|| faults.status())
}

fn group_of(group: Group) -> ReindexGroup {
    ReindexGroup {
        field_id: group.field,
        contacts: group.contacts,
        lost_values: group.lost,
        contact_ids: group.ids.iter().map(ToString::to_string).collect(),
    }
}

fn reindex_of(run: Run) -> Reindex {
    let state = match run.state {
        RunState::Running => ReindexState::Running,
        RunState::Cleaning => ReindexState::Cleaning,
        RunState::Done => ReindexState::Done,
    };
    let choice = |strategy| match strategy {
        KeyStrategy::Any => KeyChoice::Any,
        KeyStrategy::NextIfEmpty => KeyChoice::NextIfEmpty,
    };
    Reindex {
        reindex_id: run.id.to_string(),
        state: state.into(),
        key_strategy: choice(run.new.strategy).into(),
        unique_identifiers: run.new.fields,
        old_key_strategy: choice(run.old.strategy).into(),
        old_unique_identifiers: run.old.fields,
        contacts: run.contacts,
        seen_contacts: run.seen,
        merged_contacts: run.merged,
        lost_values: run.lost,
        start_time: Some(timestamp(run.start_time)),
        update_time: Some(timestamp(run.update_time)),
        finish_time: run.finish_time.map(timestamp),
        lost_value_contact_ids: run.lost_contacts.iter().map(ToString::to_string).collect(),
    }
}
