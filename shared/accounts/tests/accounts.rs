//! Asking for accounts, of a server that answers as mapping does.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use weir_accounts::{Accounts, Away};
use weir_ids::AccountId;
use weir_proto::mapping::v1::{Account, GetAccountRequest, GetAccountResponse};
use weir_reasons::Reason;
use weir_rpc::{Deadline, Server, Unary};

/// Mapping, as far as it is asked here.
#[derive(Default)]
struct Mapping {
    there: Mutex<HashSet<String>>,
    asked: AtomicU32,
}

impl Mapping {
    fn answer(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let id = request.into_inner().account_id;
        if !self.there.lock().unwrap().contains(&id) {
            return Err(weir_rpc::not_found(Reason::AccountUnknown, "account"));
        }
        let account = Some(Account {
            account_id: id,
            ..Account::default()
        });
        Ok(Response::new(GetAccountResponse { account }))
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

async fn mapping() -> (Arc<Mapping>, Accounts) {
    let mapping = Arc::new(Mapping::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |mapping: Arc<Mapping>, request| ready(mapping.answer(request));
    let server = Server::new("weir.mapping.v1.MappingService").service(Unary::new(
        Others,
        &mapping,
        "GetAccount",
        answer,
    ));
    tokio::spawn(server.serve(listener, std::future::pending()));
    let accounts = Accounts::connect(&format!("http://{address}")).unwrap();
    (mapping, accounts)
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

#[tokio::test]
async fn an_account_that_is_there_is_asked_for_once() {
    let (mapping, accounts) = mapping().await;
    let account = AccountId::new();
    mapping.there.lock().unwrap().insert(account.to_string());
    for _again in 0..3 {
        assert_eq!(accounts.exists(account, soon()).await, Ok(true));
    }
    assert_eq!(mapping.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_account_that_was_just_made_is_found_at_once() {
    let (mapping, accounts) = mapping().await;
    let account = AccountId::new();
    assert_eq!(accounts.exists(account, soon()).await, Ok(false));
    mapping.there.lock().unwrap().insert(account.to_string());
    assert_eq!(accounts.exists(account, soon()).await, Ok(true));
}

#[tokio::test]
async fn without_mapping_nobody_is_said_to_be_unknown() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let accounts = Accounts::connect(&format!("http://{address}")).unwrap();
    assert_eq!(accounts.exists(AccountId::new(), soon()).await, Err(Away));
    let (_mapping, accounts) = mapping().await;
    let late = Deadline::after(Duration::ZERO);
    assert_eq!(accounts.exists(AccountId::new(), late).await, Err(Away));
}
