//! The gRPC service.

mod convert;
mod erasure;
mod status;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use weir_proto::erasure::v1::erasure_service_server::ErasureServiceServer;
use weir_proto::quota::v1::quota_service_server::{QuotaService, QuotaServiceServer};
use weir_proto::quota::v1::{
    GetUsageRequest, GetUsageResponse, ListUsageRequest, ListUsageResponse, ReserveRequest,
    ReserveResponse, SettleRequest, SettleResponse,
};
use weir_rpc::wire::id;
use weir_rpc::{Deadline, Server};

use crate::app::App;

/// Serves `app`; healthy while Redis answers, or the ledgers do.
pub fn server(app: Arc<App>) -> Server {
    let erasure = ErasureServiceServer::new(Grpc(Arc::clone(&app)));
    let service = QuotaServiceServer::new(Grpc(Arc::clone(&app)))
        .max_decoding_message_size(weir_rpc::MAX_MESSAGE);
    Server::new("weir.quota.v1.QuotaService")
        .service(service)
        .service(erasure)
        .needs("Redis", move || {
            let app = Arc::clone(&app);
            async move { app.is_healthy().await }
        })
}

struct Grpc(Arc<App>);

#[tonic::async_trait]
impl QuotaService for Grpc {
    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        let deadline = Deadline::of(&request);
        let ask = convert::ask(&request.into_inner())?;
        let grant = self.0.reserve(ask, deadline).await?;
        Ok(Response::new(convert::granted(&grant)))
    }

    async fn settle(
        &self,
        request: Request<SettleRequest>,
    ) -> Result<Response<SettleResponse>, Status> {
        let deadline = Deadline::of(&request);
        let (account, settlements) = convert::settled(&request.into_inner())?;
        self.0.settle(account, &settlements, deadline).await?;
        Ok(Response::new(SettleResponse {}))
    }

    async fn get_usage(
        &self,
        request: Request<GetUsageRequest>,
    ) -> Result<Response<GetUsageResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let known = request.entitlement.as_ref().map(convert::entitled);
        let usage = self.0.usage(account, known.transpose()?, deadline).await;
        Ok(Response::new(convert::usage(&usage?)))
    }

    async fn list_usage(
        &self,
        request: Request<ListUsageRequest>,
    ) -> Result<Response<ListUsageResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let days = convert::days(request.days)?;
        let history = self.0.list_usage(account, days, deadline).await?;
        Ok(Response::new(convert::history(&history)))
    }
}
