//! `weir.erasure.v1.ErasureService`: an account's counters and leases.

use tonic::{Code, Request, Response, Status};
use weir_proto::erasure::v1::erasure_service_server::ErasureService;
use weir_proto::erasure::v1::{EraseAccountRequest, EraseAccountResponse};
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_rpc::wire::id;

use super::Grpc;

#[tonic::async_trait]
impl ErasureService for Grpc {
    async fn erase_account(
        &self,
        request: Request<EraseAccountRequest>,
    ) -> Result<Response<EraseAccountResponse>, Status> {
        let deadline = Deadline::of(&request);
        let account = id("account_id", &request.into_inner().account_id)?;
        let erased = self.0.erase(account, deadline).await?.ok_or_else(|| {
            weir_rpc::refused(
                Code::FailedPrecondition,
                Reason::AccountLives,
                "mapping knows the account, or did a minute ago: delete it there",
            )
        })?;
        Ok(Response::new(EraseAccountResponse {
            erased,
            more: false,
        }))
    }
}
