//! Who collects traces, as services see it.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use weir_tests::block_on;

type Take = Arc<dyn Fn(ResourceSpans) + Send + Sync>;

struct Collector(Take);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for spans in request.into_inner().resource_spans {
            (self.0)(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Has `take` get whatever is sent to the endpoint that is answered.
pub fn collect(take: impl Fn(ResourceSpans) + Send + Sync + 'static) -> String {
    let listener = block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(Arc::new(take))))
        .serve_with_incoming(TcpListenerStream::new(listener));
    block_on(async { drop(tokio::spawn(serving)) });
    endpoint
}
