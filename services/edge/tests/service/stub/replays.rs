//! What mapping keeps for replay, and gives out of it.

use tonic::{Request, Response, Status};
use weir_proto::mapping::v1::replay_service_server::ReplayService;
use weir_proto::mapping::v1::*;

use super::Stub;

#[tonic::async_trait]
impl ReplayService for Stub {
    async fn keep_events(
        &self,
        request: Request<KeepEventsRequest>,
    ) -> Result<Response<KeepEventsResponse>, Status> {
        self.answer("keep_events", |state| {
            let request = request.into_inner();
            state.kept.extend(request.events);
            state.done.extend(request.done_event_keys);
            Ok(KeepEventsResponse::default())
        })
        .await
    }

    async fn defer_contacts(
        &self,
        request: Request<DeferContactsRequest>,
    ) -> Result<Response<DeferContactsResponse>, Status> {
        self.answer("defer_contacts", |state| {
            let events = request.into_inner().events;
            let kept = (0..events.len())
                .map(|at| at < state.room_to_defer)
                .collect();
            state.room_to_defer = state.room_to_defer.saturating_sub(events.len());
            state.deferred.extend(events);
            Ok(DeferContactsResponse { kept })
        })
        .await
    }

    async fn claim_work(
        &self,
        _: Request<ClaimWorkRequest>,
    ) -> Result<Response<ClaimWorkResponse>, Status> {
        let work = self.state().work.pop_front();
        Ok(Response::new(ClaimWorkResponse { work }))
    }

    async fn report_work(
        &self,
        request: Request<ReportWorkRequest>,
    ) -> Result<Response<ReportWorkResponse>, Status> {
        self.answer("report_work", |state| {
            state.reports.push(request.into_inner());
            Ok(ReportWorkResponse {})
        })
        .await
    }

    unused! {
        list_kept_events(ListKeptEventsRequest) -> ListKeptEventsResponse;
        preview_replay(PreviewReplayRequest) -> PreviewReplayResponse;
        start_replay(StartReplayRequest) -> StartReplayResponse;
        get_replay(GetReplayRequest) -> GetReplayResponse;
        list_replays(ListReplaysRequest) -> ListReplaysResponse;
        stop_replay(StopReplayRequest) -> StopReplayResponse;
        resume_replay(ResumeReplayRequest) -> ResumeReplayResponse;
    }
}
