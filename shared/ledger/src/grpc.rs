//! `weir.ledger.v1.LedgerService` over a [`Ledger`].

use std::time::Duration;

use tonic::{Code, Request, Response, Status};
use uuid::Uuid;
use weir_postgres::Failure;
use weir_proto::ledger::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use weir_proto::ledger::v1::{
    BatchKey, CloseBatchesRequest, CloseBatchesResponse, FenceUsageRequest, FenceUsageResponse,
    GrantUnitsRequest, GrantUnitsResponse, Grantor as WireGrantor, ListWindowsRequest,
    ListWindowsResponse, WindowUnits,
};
use weir_reasons::Reason;
use weir_rpc::wire::{day, id};
use weir_rpc::{Deadline, MAX_MESSAGE, invalid};

use crate::book::{Ask, Hold};
use crate::{Error, Grantor, Key, Ledger, Stands};

/// In one call.
const MAX_BATCHES: usize = 1_000;
const MAX_SETTLED: usize = 100;
/// A batch has so many events at most, each of which costs one unit of a kind.
const MAX_UNITS: i64 = 1_000;
/// Longer than any batch lives: an hour.
const MAX_LEASE_MS: i64 = 3_600_000;

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
        let raised = Stands {
            epoch: request.epoch,
            grantor: match request.granted_by() {
                WireGrantor::Ledgers => Grantor::Ledgers,
                WireGrantor::Redis | WireGrantor::Unspecified => Grantor::Redis,
            },
        };
        let fenced = self.fence(account, raised, from_window, deadline).await?;
        let (held_by, held_ms) = self.held(fenced.hold);
        Ok(Response::new(FenceUsageResponse {
            epoch: fenced.stands.epoch,
            sums: window_units(fenced.sums),
            granted_by: grantor(fenced.stands.grantor).into(),
            held_by,
            held_ms,
        }))
    }

    async fn grant_units(
        &self,
        request: Request<GrantUnitsRequest>,
    ) -> Result<Response<GrantUnitsResponse>, Status> {
        let deadline = Deadline::of(&request);
        let ask = ask(&request.into_inner())?;
        let (stands, granted) = self.grant(ask, deadline).await?;
        let (held_by, held_ms) = self.held(granted.hold);
        Ok(Response::new(GrantUnitsResponse {
            epoch: stands.epoch,
            granted_by: grantor(stands.grantor).into(),
            granted: granted.units,
            used: granted.used,
            reserved: granted.reserved,
            settled: i64::try_from(granted.settled).unwrap_or(i64::MAX),
            held_by,
            held_ms,
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

impl Ledger {
    fn held(&self, hold: Option<Hold>) -> (String, i64) {
        hold.map_or_else(Default::default, |hold| {
            let left = (hold.end - self.clock.now()).num_milliseconds();
            (hold.by.to_string(), left.max(0))
        })
    }
}

fn grantor(grantor: Grantor) -> WireGrantor {
    match grantor {
        Grantor::Redis => WireGrantor::Redis,
        Grantor::Ledgers => WireGrantor::Ledgers,
    }
}

fn ask(request: &GrantUnitsRequest) -> Result<Ask, Status> {
    if request.settled_batch_ids.len() > MAX_SETTLED {
        return Err(invalid("settled_batch_ids", "at most 100"));
    }
    if !(0..=MAX_UNITS).contains(&request.units) {
        return Err(invalid("units", "must be from 0 to 1000"));
    }
    if request.limit < 0 {
        return Err(invalid("limit", "must not be negative"));
    }
    if !(0..=MAX_LEASE_MS).contains(&request.lease_ms) {
        return Err(invalid("lease_ms", "must be from 0 to 3600000"));
    }
    let settled = request.settled_batch_ids.iter();
    let settled = settled.map(|batch| id("settled_batch_ids", batch));
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let batch = given(&request.batch_id);
    let missing = given(&request.missing_replica);
    Ok(Ask {
        account: id("account_id", &request.account_id)?,
        epoch: request.epoch,
        window: day("window", &request.window)?,
        batch: batch.map(|batch| id("batch_id", &batch)).transpose()?,
        units: request.units,
        limit: request.limit,
        lease: Duration::from_millis(request.lease_ms.unsigned_abs()),
        settled: settled.collect::<Result<_, _>>()?,
        missing: missing
            .map(|replica| Uuid::try_parse(&replica))
            .transpose()
            .map_err(|_| invalid("missing_replica", "must be a UUID"))?,
    })
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
            Error::Silent(silent) => silent.into(),
            Error::Late => weir_rpc::late(),
            // A conflict that outlived all tries is a database that is too busy.
            Error::Database(Failure::Conflict | Failure::Unavailable) => {
                weir_rpc::unavailable("the database")
            }
            Error::Database(Failure::Refused | Failure::Internal) => weir_rpc::internal(),
        }
    }
}
