//! Mapping, as far as it is asked here: whether there is an account.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::{Request, Response, Status};
use weir_proto::mapping::v1::{Account, GetAccountRequest, GetAccountResponse};
use weir_reasons::Reason;
use weir_rpc::{Server, Unary};

/// Knows all accounts but these.
#[derive(Default)]
pub struct Mapping {
    pub unknown: Mutex<HashSet<String>>,
    pub away: AtomicBool,
}

impl Mapping {
    fn answer(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        if self.away.load(Ordering::SeqCst) {
            return Err(weir_rpc::unavailable("the database"));
        }
        let id = request.into_inner().account_id;
        if self.unknown.lock().unwrap().contains(&id) {
            return Err(weir_rpc::not_found(Reason::AccountUnknown, "account"));
        }
        let account = Some(Account {
            account_id: id,
            ..Account::default()
        });
        Ok(Response::new(GetAccountResponse { account }))
    }

    /// Serves it until the test ends; answers where.
    pub async fn serve(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = |mapping: Arc<Self>, request| ready(mapping.answer(request));
        let unary = Unary::new(Others, self, "GetAccount", answer);
        let server = Server::new("weir.mapping.v1.MappingService").service(unary);
        tokio::spawn(server.serve(listener, std::future::pending()));
        format!("http://{address}")
    }
}

/// Its other methods.
#[derive(Clone)]
struct Others;

impl tonic::server::NamedService for Others {
    const NAME: &'static str = "weir.mapping.v1.MappingService";
}

impl tower::Service<http::Request<Body>> for Others {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        ready(Ok(Status::unimplemented("not asked here").into_http()))
    }
}
