//! Counts: added up, each flush once.

use tonic::{Request, Response, Status};
use weir_proto::mapping::v1::log_service_server::LogService;
use weir_proto::mapping::v1::*;

use super::Stub;

#[tonic::async_trait]
impl LogService for Stub {
    async fn add_counts(
        &self,
        request: Request<AddCountsRequest>,
    ) -> Result<Response<AddCountsResponse>, Status> {
        self.answer("add_counts", |state| {
            let request = request.into_inner();
            let flush = (request.process_id, request.sequence);
            if state.flushes.contains(&flush) {
                return Ok(AddCountsResponse {});
            }
            state.flushes.push(flush);
            for source in request.sources {
                for count in source.counts {
                    let key = (count.status, count.code, count.subject);
                    *state.counts.entry(key).or_default() += count.count;
                }
                for count in source.units {
                    let key = (count.kind().as_str_name(), count.subject);
                    *state.units.entry(key).or_default() += count.count;
                }
            }
            Ok(AddCountsResponse {})
        })
        .await
    }

    unused! {
        summarize_log(SummarizeLogRequest) -> SummarizeLogResponse;
        list_spending(ListSpendingRequest) -> ListSpendingResponse;
    }
}
