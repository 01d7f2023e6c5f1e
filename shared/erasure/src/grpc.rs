//! `weir.erasure.v1.ErasureService` over the tables of a service.

use tonic::{Code, Request, Response, Status};
use weir_accounts::Accounts;
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool};
use weir_proto::erasure::v1::erasure_service_server::{ErasureService, ErasureServiceServer};
use weir_proto::erasure::v1::{EraseAccountRequest, EraseAccountResponse};
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_rpc::wire::id;
use weir_service::Fault;

use crate::{Tables, erase};

/// Erases accounts that mapping no longer knows.
#[derive(Clone)]
pub struct Erasure {
    pool: Pool,
    accounts: Accounts,
    tables: Tables,
}

impl Erasure {
    /// Over the pool's schema.
    pub fn new(pool: Pool, accounts: Accounts, tables: Tables) -> Self {
        Self {
            pool,
            accounts,
            tables,
        }
    }

    /// To be added to the service's server.
    pub fn service(self) -> ErasureServiceServer<impl ErasureService> {
        ErasureServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl ErasureService for Erasure {
    async fn erase_account(
        &self,
        request: Request<EraseAccountRequest>,
    ) -> Result<Response<EraseAccountResponse>, Status> {
        let deadline = Deadline::of(&request);
        let account: AccountId = id("account_id", &request.into_inner().account_id)?;
        refuse_living(&self.accounts, account, deadline).await?;
        let (pool, tables) = (self.pool.clone(), self.tables);
        // In a task of its own: a caller who gives up takes no connection along.
        let erasing = async move { erase(&pool, account, tables).await.map_err(Failed) };
        let erased = weir_service::detached(erasing).await;
        let erased = erased.map_err(|Failed(failure)| match failure {
            Failure::Conflict | Failure::Unavailable => weir_rpc::unavailable("the database"),
            Failure::Refused | Failure::Internal => weir_rpc::internal(),
        })?;
        Ok(Response::new(EraseAccountResponse {
            erased: erased.rows,
            more: erased.more,
        }))
    }
}

/// PostgreSQL did not erase.
struct Failed(Failure);

impl Fault for Failed {
    fn is_conflict(&self) -> bool {
        matches!(self.0, Failure::Conflict)
    }

    fn late() -> Self {
        Self(Failure::Unavailable)
    }

    fn internal() -> Self {
        Self(Failure::Internal)
    }
}

/// Nothing of an account is erased as long as mapping knows it.
async fn refuse_living(
    accounts: &Accounts,
    account: AccountId,
    deadline: Deadline,
) -> Result<(), Status> {
    match accounts.exists(account, deadline).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(weir_rpc::refused(
            Code::FailedPrecondition,
            Reason::AccountLives,
            "mapping knows the account, or did a minute ago: delete it there",
        )),
        Err(silent) => Err(silent.into()),
    }
}
