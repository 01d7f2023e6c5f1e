//! Both ledgers and the plans, as small gRPC servers over maps.

mod grants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use weir_proto::ledger::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use weir_proto::ledger::v1::{
    BatchKey, CloseBatchesRequest, CloseBatchesResponse, FenceUsageRequest, FenceUsageResponse,
    GrantUnitsRequest, GrantUnitsResponse, Grantor, ListWindowsRequest, ListWindowsResponse,
    WindowUnits,
};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::alert_service_server::{AlertService, AlertServiceServer};
use weir_proto::mapping::v1::log_service_server::{LogService, LogServiceServer};
use weir_proto::mapping::v1::mapping_service_server::{MappingService, MappingServiceServer};
use weir_reasons::Reason;

use grants::Grants;

/// What a store keeps of usage.
#[derive(Default)]
struct Rows {
    epochs: BTreeMap<String, i64>,
    /// By account, window, batch.
    units: BTreeMap<(String, String, String), i64>,
    /// Accounts for which the ledger grants, and what it granted.
    grants: BTreeMap<String, Grants>,
}

/// One ledger.
#[derive(Clone, Default)]
pub struct Ledger {
    rows: Arc<Mutex<Rows>>,
    pub away: Arc<AtomicBool>,
    /// Accounts that it says are nobody's.
    pub unknown: Arc<Mutex<BTreeSet<String>>>,
    pub raises: Arc<AtomicUsize>,
    /// The next fence that raises finds that somebody else was faster, by this much.
    pub faster: Arc<AtomicI64>,
    /// Each fence takes a millisecond at least, however fast the machine is.
    pub slow: Arc<AtomicBool>,
}

/// As the stores have it: what is further ahead is refused.
const PLAUSIBLE: i64 = 1_000_000;

impl Ledger {
    /// As a store commits a batch: all or nothing, and only where the batch is not closed and
    /// its epoch is not past.
    pub fn commit(&self, account: &str, window: &str, batch: &str, epoch: i64, units: i64) -> bool {
        let mut rows = self.rows.lock().unwrap();
        if rows.epochs.get(account).copied().unwrap_or(0) > epoch {
            return false;
        }
        if units == 0 {
            return true;
        }
        let key = (account.to_owned(), window.to_owned(), batch.to_owned());
        if rows.units.contains_key(&key) {
            return false;
        }
        rows.units.insert(key, units);
        true
    }

    pub fn sum(&self, account: &str, window: &str) -> i64 {
        let rows = self.rows.lock().unwrap();
        rows.units
            .iter()
            .filter(|((of, day, _), _)| of == account && day == window)
            .map(|(_, units)| units)
            .sum()
    }

    pub fn raise(&self, account: &str, epoch: i64) {
        let mut rows = self.rows.lock().unwrap();
        rows.epochs.insert(account.to_owned(), epoch);
    }

    pub fn epoch(&self, account: &str) -> i64 {
        let rows = self.rows.lock().unwrap();
        rows.epochs.get(account).copied().unwrap_or(0)
    }

    fn serves(&self, account: &str) -> Result<(), Status> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the database is away"));
        }
        if self.unknown.lock().unwrap().contains(account) {
            return Err(weir_rpc::not_found(Reason::AccountUnknown, "account"));
        }
        Ok(())
    }

    fn close(&self, account: &str, batch: &str, window: &str) -> i64 {
        let key = (account.to_owned(), window.to_owned(), batch.to_owned());
        *self.rows.lock().unwrap().units.entry(key).or_insert(0)
    }

    fn fence(
        &self,
        account: &str,
        epoch: i64,
        grantor: Grantor,
        from: &str,
    ) -> Result<(i64, BTreeMap<String, i64>), Status> {
        self.serves(account)?;
        let mut rows = self.rows.lock().unwrap();
        let standing = rows.epochs.entry(account.to_owned()).or_insert(0);
        if epoch > *standing + PLAUSIBLE {
            return Err(weir_rpc::refused(
                Code::InvalidArgument,
                Reason::EpochImplausible,
                "too far ahead",
            ));
        }
        let is_raised = epoch > *standing;
        if is_raised {
            *standing = epoch + self.faster.swap(0, Ordering::SeqCst);
            self.raises.fetch_add(1, Ordering::SeqCst);
        }
        let standing = *standing;
        if is_raised {
            rows.grants.remove(account);
            if grantor == Grantor::Ledgers {
                rows.grants.insert(account.to_owned(), Grants::default());
            }
        }
        let mut sums = BTreeMap::new();
        for ((of, window, _), units) in &rows.units {
            if of == account && window.as_str() >= from {
                *sums.entry(window.clone()).or_insert(0) += units;
            }
        }
        Ok((standing, sums))
    }
}

/// The two ledgers and the plans.
#[derive(Clone, Default)]
pub struct Others {
    pub contact: Ledger,
    pub activity: Ledger,
    pub plans: Arc<Mutex<BTreeMap<String, mapping::Account>>>,
    /// How often mapping was asked for a plan.
    pub asked: Arc<AtomicUsize>,
    pub mapping_is_away: Arc<AtomicBool>,
    /// Of which account, and what.
    pub alerts: Arc<Mutex<Vec<(String, mapping::NewAlert)>>>,
    /// What mapping counted of rejections.
    pub windows: Arc<Mutex<Vec<mapping::WindowSpending>>>,
}

/// Where they are served.
pub struct Urls {
    pub contact: String,
    pub activity: String,
    pub mapping: String,
}

impl Others {
    /// Serves all three, until the test ends.
    pub async fn serve(&self) -> Urls {
        let ledger = |ledger: &Ledger| {
            Routes::new(LedgerServiceServer::new(ledger.clone())).add_service(ledger.health())
        };
        Urls {
            contact: serve(ledger(&self.contact)).await,
            activity: serve(ledger(&self.activity)).await,
            mapping: serve(
                Routes::new(MappingServiceServer::new(self.clone()))
                    .add_service(AlertServiceServer::new(self.clone()))
                    .add_service(LogServiceServer::new(self.clone())),
            )
            .await,
        }
    }
}

async fn serve(routes: Routes) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        tonic::transport::Server::builder()
            .add_routes(routes)
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    format!("http://{address}")
}

/// A gRPC service of which only some calls are ever made.
macro_rules! serve {
    ($trait:ident of $package:ident {
        $($called:ident($request:ident) -> $response:ident = |$this:ident, $message:ident| $body:block)*
    } never {
        $($unused:ident($unused_request:ident) -> $unused_response:ident)*
    }) => {
        #[tonic::async_trait]
        impl $trait for Others {
            $(async fn $called(
                &self,
                request: Request<$package::$request>,
            ) -> Result<Response<$package::$response>, Status> {
                let ($this, $message) = (self, request.into_inner());
                let answer: Result<$package::$response, Status> = $body;
                answer.map(Response::new)
            })*
            $(async fn $unused(
                &self,
                _: Request<$package::$unused_request>,
            ) -> Result<Response<$package::$unused_response>, Status> {
                Err(Status::unimplemented("not of a ledger"))
            })*
        }
    };
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn close_batches(
        &self,
        request: Request<CloseBatchesRequest>,
    ) -> Result<Response<CloseBatchesResponse>, Status> {
        let request = request.into_inner();
        self.serves(&request.account_id)?;
        let close = |key: &BatchKey| self.close(&request.account_id, &key.batch_id, &key.window);
        let units = request.batches.iter().map(close).collect();
        Ok(Response::new(CloseBatchesResponse { units }))
    }

    async fn fence_usage(
        &self,
        request: Request<FenceUsageRequest>,
    ) -> Result<Response<FenceUsageResponse>, Status> {
        let request = request.into_inner();
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (epoch, sums) = self.fence(
            &request.account_id,
            request.epoch,
            request.granted_by(),
            &request.from_window,
        )?;
        let sums = sums.into_iter();
        let sums = sums.map(|(window, units)| WindowUnits { window, units });
        let sums = sums.collect();
        let (granted_by, held_by, held_ms) = self.granted_by(&request.account_id);
        Ok(Response::new(FenceUsageResponse {
            epoch,
            sums,
            granted_by: granted_by.into(),
            held_by,
            held_ms,
        }))
    }

    async fn grant_units(
        &self,
        request: Request<GrantUnitsRequest>,
    ) -> Result<Response<GrantUnitsResponse>, Status> {
        let request = request.into_inner();
        self.serves(&request.account_id)?;
        let mut answer = self.grant(&request);
        let (granted_by, held_by, held_ms) = self.granted_by(&request.account_id);
        answer.granted_by = granted_by.into();
        (answer.held_by, answer.held_ms) = (held_by, held_ms);
        Ok(Response::new(answer))
    }

    async fn list_windows(
        &self,
        request: Request<ListWindowsRequest>,
    ) -> Result<Response<ListWindowsResponse>, Status> {
        let request = request.into_inner();
        let (_, sums) = self.fence(&request.account_id, 0, Grantor::Redis, &request.from_window)?;
        let sums = sums.into_iter();
        let windows = sums.map(|(window, units)| WindowUnits { window, units });
        Ok(Response::new(ListWindowsResponse {
            windows: windows.collect(),
        }))
    }
}

serve!(MappingService of mapping {
    get_account(GetAccountRequest) -> GetAccountResponse = |this, message| {
        this.asked.fetch_add(1, Ordering::SeqCst);
        if this.mapping_is_away.load(Ordering::SeqCst) {
            return Err(weir_rpc::unavailable("the database"));
        }
        let found = this.plans.lock().unwrap().get(&message.account_id).cloned();
        match found {
            Some(account) => Ok(mapping::GetAccountResponse { account: Some(account) }),
            None => Err(weir_rpc::not_found(Reason::AccountUnknown, "account")),
        }
    }
} never {
    authenticate(AuthenticateRequest) -> AuthenticateResponse
    map_events(MapEventsRequest) -> MapEventsResponse
    append_log(AppendLogRequest) -> AppendLogResponse
    put_account(PutAccountRequest) -> PutAccountResponse
    list_accounts(ListAccountsRequest) -> ListAccountsResponse
    put_source(PutSourceRequest) -> PutSourceResponse
    get_source(GetSourceRequest) -> GetSourceResponse
    list_sources(ListSourcesRequest) -> ListSourcesResponse
    create_key(CreateKeyRequest) -> CreateKeyResponse
    list_keys(ListKeysRequest) -> ListKeysResponse
    revoke_key(RevokeKeyRequest) -> RevokeKeyResponse
    create_field(CreateFieldRequest) -> CreateFieldResponse
    list_fields(ListFieldsRequest) -> ListFieldsResponse
    put_contact_mapping(PutContactMappingRequest) -> PutContactMappingResponse
    get_contact_mapping(GetContactMappingRequest) -> GetContactMappingResponse
    put_activity_mapping(PutActivityMappingRequest) -> PutActivityMappingResponse
    delete_activity_mapping(DeleteActivityMappingRequest) -> DeleteActivityMappingResponse
    list_activity_mappings(ListActivityMappingsRequest) -> ListActivityMappingsResponse
    list_samples(ListSamplesRequest) -> ListSamplesResponse
    list_event_names(ListEventNamesRequest) -> ListEventNamesResponse
    list_log(ListLogRequest) -> ListLogResponse
});

serve!(AlertService of mapping {
    raise_alerts(RaiseAlertsRequest) -> RaiseAlertsResponse = |this, message| {
        if this.mapping_is_away.load(Ordering::SeqCst) {
            return Err(weir_rpc::unavailable("the database"));
        }
        let alerts = message.alerts.into_iter();
        let alerts = alerts.map(|alert| (message.account_id.clone(), alert));
        this.alerts.lock().unwrap().extend(alerts);
        Ok(mapping::RaiseAlertsResponse::default())
    }
} never {
    list_alerts(ListAlertsRequest) -> ListAlertsResponse
    resolve_alert(ResolveAlertRequest) -> ResolveAlertResponse
    list_deliveries(ListDeliveriesRequest) -> ListDeliveriesResponse
    get_mail_status(GetMailStatusRequest) -> GetMailStatusResponse
    send_test_mail(SendTestMailRequest) -> SendTestMailResponse
});

serve!(LogService of mapping {
    list_spending(ListSpendingRequest) -> ListSpendingResponse = |this, message| {
        if this.mapping_is_away.load(Ordering::SeqCst) {
            return Err(weir_rpc::unavailable("the database"));
        }
        let windows = this.windows.lock().unwrap().clone().into_iter();
        let windows = windows.filter(|one| one.window >= message.first_window);
        Ok(mapping::ListSpendingResponse {
            windows: windows.collect(),
            ..Default::default()
        })
    }
} never {
    add_counts(AddCountsRequest) -> AddCountsResponse
    summarize_log(SummarizeLogRequest) -> SummarizeLogResponse
});
