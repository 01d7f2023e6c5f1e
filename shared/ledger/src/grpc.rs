//! `weir.ledger.v1.LedgerService` over a [`Ledger`].

use tonic::{Code, Request, Response, Status};
use weir_postgres::Failure;
use weir_proto::ledger::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use weir_proto::ledger::v1::{
    BatchKey, CloseBatchesRequest, CloseBatchesResponse, FenceUsageRequest, FenceUsageResponse,
    ListWindowsRequest, ListWindowsResponse, WindowUnits,
};
use weir_reasons::Reason;
use weir_rpc::wire::{day, id};
use weir_rpc::{Deadline, MAX_MESSAGE, invalid};

use crate::{Error, Key, Ledger};

/// In one call.
const MAX_BATCHES: usize = 1_000;

impl Ledger {
    /// To be added to the service's server.
    pub fn service(self) -> LedgerServiceServer<impl LedgerService> {
        LedgerServiceServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn close_batches(
        &self,
        request: Request<CloseBatchesRequest>,
    ) -> Result<Response<CloseBatchesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        if request.batches.len() > MAX_BATCHES {
            return Err(invalid("batches", "at most 1,000"));
        }
        let batches = request.batches.iter().map(key_of);
        let batches = batches.collect::<Result<_, _>>()?;
        let units = self.close(account, batches, deadline).await?;
        Ok(Response::new(CloseBatchesResponse { units }))
    }

    async fn fence_usage(
        &self,
        request: Request<FenceUsageRequest>,
    ) -> Result<Response<FenceUsageResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let from_window = day("from_window", &request.from_window)?;
        if request.epoch < 0 {
            return Err(invalid("epoch", "must not be negative"));
        }
        let (epoch, sums) = self
            .fence(account, request.epoch, from_window, deadline)
            .await?;
        Ok(Response::new(FenceUsageResponse {
            epoch,
            sums: window_units(sums),
        }))
    }

    async fn list_windows(
        &self,
        request: Request<ListWindowsRequest>,
    ) -> Result<Response<ListWindowsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let account = id("account_id", &request.account_id)?;
        let from_window = day("from_window", &request.from_window)?;
        let windows = self.windows(account, from_window, deadline).await?;
        Ok(Response::new(ListWindowsResponse {
            windows: window_units(windows),
        }))
    }
}

fn window_units(windows: Vec<(chrono::NaiveDate, i64)>) -> Vec<WindowUnits> {
    let windows = windows.into_iter().map(|(window, units)| WindowUnits {
        window: window.to_string(),
        units,
    });
    windows.collect()
}

fn key_of(key: &BatchKey) -> Result<Key, Status> {
    Ok((
        day("batches.window", &key.window)?,
        id("batches.batch_id", &key.batch_id)?,
    ))
}

/// The one table from errors to codes.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        match error {
            Error::Implausible => weir_rpc::refused(
                Code::InvalidArgument,
                Reason::EpochImplausible,
                "epoch: further ahead of the one that stands than any rebuild can bring it",
            ),
            Error::AccountUnknown => weir_rpc::not_found(Reason::AccountUnknown, "account"),
            Error::MappingAway => weir_rpc::unavailable("the mapping service"),
            Error::Late => weir_rpc::late(),
            // A conflict that outlived all tries is a database that is too busy.
            Error::Database(Failure::Conflict | Failure::Unavailable) => {
                weir_rpc::unavailable("the database")
            }
            Error::Database(Failure::Refused | Failure::Internal) => weir_rpc::internal(),
        }
    }
}
