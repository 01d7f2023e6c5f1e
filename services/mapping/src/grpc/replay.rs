//! Kept events and replay.

mod read;
mod write;

use std::sync::Arc;

use tonic::{Request, Response};
use uuid::Uuid;
use weir_changes::author;
use weir_proto::mapping::v1::replay_service_server::{ReplayService, ReplayServiceServer};
use weir_proto::mapping::v1::*;
use weir_rpc::wire::{id, request_text};
use weir_rpc::{Deadline, Faults, MAX_MESSAGE, Page, page_limit, page_size, page_start};

use super::{Answer, Service, account_id, owner};
use crate::app::Wish;
use crate::domain::kept::Position;
pub(super) use write::kept;

/// As the contract says.
const MAX_EVENTS: usize = 1_000;

pub(super) fn server(service: &Arc<Service>) -> ReplayServiceServer<Service> {
    ReplayServiceServer::from_arc(Arc::clone(service))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

#[tonic::async_trait]
impl ReplayService for Service {
    async fn keep_events(&self, request: Request<KeepEventsRequest>) -> Answer<KeepEventsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let owner = owner(&request.account_id, &request.source_id)?;
        bounded("events", request.events.len())?;
        bounded("done_event_keys", request.done_event_keys.len())?;
        let events = read::to_keep(request.events)?;
        let done = read::keys("done_event_keys", &request.done_event_keys)?;
        let counts = self
            .run(deadline, move |app| {
                let (events, done) = (events.clone(), done.clone());
                async move { app.keep_events(owner, events, &done).await }
            })
            .await?;
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Response::new(KeepEventsResponse {
            left_out: count(counts.left_out),
            pushed_out: count(counts.pushed_out),
        }))
    }

    async fn defer_contacts(
        &self,
        request: Request<DeferContactsRequest>,
    ) -> Answer<DeferContactsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let owner = owner(&request.account_id, &request.source_id)?;
        bounded("events", request.events.len())?;
        let events = Arc::new(read::to_keep(request.events)?);
        let kept = self
            .run(deadline, move |app| {
                let events = events.clone();
                async move { app.defer_contacts(owner, &events).await }
            })
            .await?;
        Ok(Response::new(DeferContactsResponse { kept }))
    }

    async fn claim_work(&self, request: Request<ClaimWorkRequest>) -> Answer<ClaimWorkResponse> {
        let deadline = Deadline::of(&request);
        let work = self
            .run(deadline, |app| async move { app.claim_work().await })
            .await?;
        Ok(Response::new(ClaimWorkResponse {
            work: work.map(write::work),
        }))
    }

    async fn report_work(&self, request: Request<ReportWorkRequest>) -> Answer<ReportWorkResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        bounded("outcomes", request.outcomes.len())?;
        let claim = read::claim(&request)?;
        let outcomes = Arc::new(read::outcomes(request.outcomes)?);
        self.run(deadline, move |app| {
            let outcomes = outcomes.clone();
            async move { app.report_work(&claim, &outcomes).await }
        })
        .await?;
        Ok(Response::new(ReportWorkResponse {}))
    }

    async fn list_kept_events(
        &self,
        request: Request<ListKeptEventsRequest>,
    ) -> Answer<ListKeptEventsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let owner = owner(&request.account_id, &request.source_id)?;
        let size = page_size(request.page_size)?;
        let after = page_start::<Position>(&request.page_token)?;
        let filter = read::filter(request.filter)?;
        let is_counted = request.with_counts && after.is_none();
        let (found, counts) = self
            .run(deadline, move |app| {
                let filter = filter.clone();
                async move {
                    let limit = page_limit(size);
                    let found = app.list_kept(owner, &filter, after, limit).await?;
                    let counts = match is_counted {
                        true => app.count_kept(owner, &filter).await?,
                        false => Vec::new(),
                    };
                    Ok((found, counts))
                }
            })
            .await?;
        let page = Page::of(found, size, kept);
        Ok(Response::new(ListKeptEventsResponse {
            next_page_token: page.next_token(),
            events: page.items,
            counts: counts.into_iter().map(write::kept_count).collect(),
        }))
    }

    async fn preview_replay(
        &self,
        request: Request<PreviewReplayRequest>,
    ) -> Answer<PreviewReplayResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let owner = owner(&request.account_id, &request.source_id)?;
        let size = page_size(request.page_size)?;
        let after = page_start::<Position>(&request.page_token)?;
        let filter = Arc::new(read::filter(request.filter)?);
        let page_filter = filter.clone();
        let (found, mapping_version) = self
            .run(deadline, move |app| {
                let filter = page_filter.clone();
                async move {
                    let limit = page_limit(size);
                    app.preview_replay(owner, &filter, after, limit).await
                }
            })
            .await?;
        let page = Page::of(found, size, write::previewed);
        let counts = match after {
            Some(_) => Vec::new(),
            None => {
                self.run(deadline, move |app| {
                    let filter = filter.clone();
                    async move { app.count_preview(owner, &filter, deadline).await }
                })
                .await?
            }
        };
        Ok(Response::new(PreviewReplayResponse {
            next_page_token: page.next_token(),
            events: page.items,
            mapping_version,
            counts: counts.into_iter().map(write::count).collect(),
        }))
    }

    async fn start_replay(
        &self,
        request: Request<StartReplayRequest>,
    ) -> Answer<StartReplayResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.ReplayService/StartReplay");
        let request = request.into_inner();
        let mut faults = Faults::default();
        let account = faults.id("account_id", &request.account_id);
        let source = faults.id("source_id", &request.source_id);
        let filter = read::read_filter(request.filter, &mut faults);
        let request_id = faults.take(request_text(&request.request_id));
        if filter.is_said() == request.all {
            faults.add("filter", "give at least one condition, or `all` instead");
        }
        let (Some(account), Some(source), Some(request_id), true) =
            (account, source, request_id, faults.is_empty())
        else {
            return Err(faults.status());
        };
        let wish = Arc::new(Wish {
            owner: (account, source),
            filter,
            request_id: request_id.to_owned(),
        });
        let replay = self
            .run_by(author, deadline, move |app| {
                let wish = wish.clone();
                async move { app.start_replay(&wish).await }
            })
            .await?;
        Ok(Response::new(StartReplayResponse {
            replay: Some(write::replay(replay)),
        }))
    }

    async fn get_replay(&self, request: Request<GetReplayRequest>) -> Answer<GetReplayResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let replay: Uuid = id("replay_id", &request.replay_id)?;
        let replay = self
            .run(deadline, move |app| async move {
                app.get_replay(account, replay).await
            })
            .await?;
        Ok(Response::new(GetReplayResponse {
            replay: Some(write::replay(replay)),
        }))
    }

    async fn list_replays(
        &self,
        request: Request<ListReplaysRequest>,
    ) -> Answer<ListReplaysResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let size = page_size(request.page_size)?;
        let after: Option<Uuid> = page_start(&request.page_token)?;
        let found = self
            .run(deadline, move |app| async move {
                app.list_replays(account, after, page_limit(size)).await
            })
            .await?;
        let page = Page::of(found, size, write::replay);
        Ok(Response::new(ListReplaysResponse {
            next_page_token: page.next_token(),
            replays: page.items,
        }))
    }

    async fn stop_replay(&self, request: Request<StopReplayRequest>) -> Answer<StopReplayResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.ReplayService/StopReplay");
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let replay: Uuid = id("replay_id", &request.replay_id)?;
        let replay = self
            .run_by(author, deadline, move |app| async move {
                app.stop_replay(account, replay).await
            })
            .await?;
        Ok(Response::new(StopReplayResponse {
            replay: Some(write::replay(replay)),
        }))
    }

    async fn resume_replay(
        &self,
        request: Request<ResumeReplayRequest>,
    ) -> Answer<ResumeReplayResponse> {
        let deadline = Deadline::of(&request);
        let author = author(&request, "weir.mapping.v1.ReplayService/ResumeReplay");
        let request = request.into_inner();
        let account = account_id(&request.account_id)?;
        let replay: Uuid = id("replay_id", &request.replay_id)?;
        let replay = self
            .run_by(author, deadline, move |app| async move {
                app.resume_replay(account, replay).await
            })
            .await?;
        Ok(Response::new(ResumeReplayResponse {
            replay: Some(write::replay(replay)),
        }))
    }
}

fn bounded(field: &str, count: usize) -> Result<(), tonic::Status> {
    if count > MAX_EVENTS {
        return Err(weir_rpc::invalid(field, "at most 1,000"));
    }
    Ok(())
}
