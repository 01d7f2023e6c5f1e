//! activity.

use tonic::{Request, Response, Status};
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_server::ActivityService;
use weir_proto::activity::v1::{
    GetBacklogRequest, GetBacklogResponse, LinkIdentifiersRequest, LinkIdentifiersResponse,
    ListActivitiesRequest, ListActivitiesResponse, RecordActivitiesRequest,
    RecordActivitiesResponse, RecordResult, RecordStatus,
};

use super::Stub;

/// Semantics 4.5; events without a timestamp are known by their content.
fn is_same(one: &activity::ActivityEvent, other: &activity::ActivityEvent) -> bool {
    let who = |event: &activity::ActivityEvent| match event.user_id.is_empty() {
        true => (false, event.anonymous_id.clone()),
        false => (true, event.user_id.clone()),
    };
    if one.undated && other.undated {
        return one.event_key == other.event_key;
    }
    (&one.activity_id, &one.event_time, &one.message_id, who(one))
        == (
            &other.activity_id,
            &other.event_time,
            &other.message_id,
            who(other),
        )
}

#[tonic::async_trait]
impl ActivityService for Stub {
    async fn record_activities(
        &self,
        request: Request<RecordActivitiesRequest>,
    ) -> Result<Response<RecordActivitiesResponse>, Status> {
        let hop = if request.get_ref().probe_only {
            "probe"
        } else {
            "record_activities"
        };
        self.answer(hop, |state| {
            let request = request.into_inner();
            let mut answer = RecordActivitiesResponse::default();
            for event in request.events {
                let status = if event.user_id == "unstorable" {
                    RecordStatus::Unstorable
                } else if state.activities.iter().any(|one| is_same(one, &event)) {
                    let corrects = event.correction && !request.probe_only;
                    state.activities_corrected.extend(corrects.then_some(event));
                    RecordStatus::Repeated
                } else if !event.funded || request.probe_only {
                    RecordStatus::NotFunded
                } else {
                    answer.units += 1;
                    state.activities.push(event);
                    RecordStatus::Stored
                };
                answer.results.push(RecordResult {
                    status: status.into(),
                });
            }
            Ok(answer)
        })
        .await
    }

    unused! {
        link_identifiers(LinkIdentifiersRequest) -> LinkIdentifiersResponse;
        list_activities(ListActivitiesRequest) -> ListActivitiesResponse;
        get_backlog(GetBacklogRequest) -> GetBacklogResponse;
    }
}
