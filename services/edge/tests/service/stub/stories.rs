//! What mapping is told of recent events.

use tonic::{Request, Response, Status};
use weir_proto::mapping::v1::story_service_server::StoryService;
use weir_proto::mapping::v1::*;

use super::Stub;

#[tonic::async_trait]
impl StoryService for Stub {
    async fn note_events(
        &self,
        request: Request<NoteEventsRequest>,
    ) -> Result<Response<NoteEventsResponse>, Status> {
        // Nobody waits for it: it comes at any time, and has no place in the order of hops.
        self.state().noted.push(request.into_inner());
        Ok(Response::new(NoteEventsResponse {}))
    }

    unused! {
        list_recent_events(ListRecentEventsRequest) -> ListRecentEventsResponse;
        get_event_story(GetEventStoryRequest) -> GetEventStoryResponse;
    }
}
