//! All five services in one server: honest in small, and scripted to fail.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use prost_types::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_server::ActivityServiceServer;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_server::AudienceServiceServer;
use weir_proto::contact::v1::contact_service_server::ContactServiceServer;
use weir_proto::contact::v1::{ContactEvent, UpsertStatus};
use weir_proto::mapping::v1::log_service_server::LogServiceServer;
use weir_proto::mapping::v1::mapping_service_server::MappingServiceServer;
use weir_proto::mapping::v1::replay_service_server::ReplayServiceServer;
use weir_proto::mapping::v1::story_service_server::StoryServiceServer;
use weir_proto::mapping::v1::{
    Event, EventToKeep, LogEntry, MapEventsRequest, NoteEventsRequest, ReplayWork,
    ReportWorkRequest,
};
use weir_proto::quota::v1::ReserveRequest;
use weir_proto::quota::v1::quota_service_server::QuotaServiceServer;
use weir_proto::settings::v1::BlockedValues;
use weir_reasons::Reason;
use weir_testkit::SERVICE_TOKEN;

pub const KEY: &str = "pau-key";
/// Of another account.
pub const OTHER_KEY: &str = "pau-other";
pub const AUDIENCE: &str = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00";
pub const FOREIGN_AUDIENCE: &str = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f01";

/// How a call that is scripted ends.
pub enum Fault {
    Say(Status),
    /// Does its work, then says this.
    WorkAndSay(Status),
    /// Never answers.
    Hang,
    /// Does its work once it is told to.
    Hold(Arc<Notify>),
    /// Does its work: it is a later call that ends otherwise.
    None,
}

#[derive(Clone)]
pub struct Stub {
    state: Arc<Mutex<State>>,
    pub health: HealthReporter,
}

pub struct State {
    faults: HashMap<&'static str, VecDeque<Fault>>,
    pub calls: HashMap<&'static str, usize>,
    /// By API key.
    pub accounts: HashMap<String, &'static str>,
    pub profile_limit: i64,
    pub activity_limit: i64,
    pub used: (i64, i64),
    /// batch id → granted.
    pub reservations: HashMap<String, (i64, i64)>,
    pub settled: Vec<(i64, i64)>,
    /// By event key: when the event was first received.
    pub receipts: HashMap<Vec<u8>, Option<Timestamp>>,
    pub contacts: Vec<ContactEvent>,
    pub activities: Vec<activity::ActivityEvent>,
    /// What came for something that was stored.
    pub contacts_corrected: Vec<ContactEvent>,
    pub activities_corrected: Vec<activity::ActivityEvent>,
    pub updates: Vec<audience::MembershipUpdate>,
    pub mapped: Vec<Event>,
    /// The requests that mapping and quota got.
    pub map_requests: Vec<MapEventsRequest>,
    /// How many events, and bytes of the body, mapping got with them.
    pub map_sizes: Vec<(usize, usize)>,
    /// How long the values of an event are, and its attributes: 0 where that does not matter.
    pub value_length: usize,
    pub reserve_requests: Vec<ReserveRequest>,
    pub log: Vec<LogEntry>,
    /// How many lines each call of the log had.
    pub log_calls: Vec<usize>,
    /// What was counted, by status, code and subject.
    pub counts: HashMap<(u32, String, String), i64>,
    /// What was charged and rejected, by kind and subject.
    pub units: HashMap<(&'static str, String), i64>,
    /// The process and the sequence of each flush that was counted.
    pub flushes: Vec<(String, i64)>,
    /// Of the unique identifiers: what contact-upsert holds, and what mapping believes.
    pub identifiers_versions: (i64, i64),
    /// Values that mean nobody, under their version.
    pub blocked_values: (BlockedValues, i64),
    /// Units that batches under way hold, elsewhere: as many reservations find them.
    pub held_elsewhere: (i64, i64),
    pub held_for: usize,
    /// Whether its sources are paused.
    pub is_paused: bool,
    /// Whether [`AUDIENCE`] was deleted.
    pub is_audience_deleted: bool,
    /// What contact-upsert says to an event of this user.
    pub verdicts: HashMap<String, UpsertStatus>,
    /// What the services had to do for it, in order.
    pub order: Vec<&'static str>,
    /// What mapping was told to keep, or to keep apart; of the latter it takes so many.
    pub kept: Vec<EventToKeep>,
    pub done: Vec<bytes::Bytes>,
    pub deferred: Vec<EventToKeep>,
    pub room_to_defer: usize,
    /// What it gives out, and what it was told of that.
    pub work: VecDeque<ReplayWork>,
    pub reports: Vec<ReportWorkRequest>,
    /// What it was told of recent events.
    pub noted: Vec<NoteEventsRequest>,
}

impl Stub {
    pub fn new() -> Self {
        let state = Arc::new(Mutex::new(State {
            faults: HashMap::new(),
            calls: HashMap::new(),
            accounts: [
                (KEY, "account"),
                ("classic-key", "account"),
                (OTHER_KEY, "other"),
            ]
            .map(|(key, account)| (key.to_owned(), account))
            .into(),
            profile_limit: 1_000_000,
            activity_limit: 1_000_000,
            used: (0, 0),
            reservations: HashMap::new(),
            settled: Vec::new(),
            receipts: HashMap::new(),
            contacts: Vec::new(),
            activities: Vec::new(),
            contacts_corrected: Vec::new(),
            activities_corrected: Vec::new(),
            updates: Vec::new(),
            mapped: Vec::new(),
            map_requests: Vec::new(),
            map_sizes: Vec::new(),
            value_length: 0,
            reserve_requests: Vec::new(),
            log: Vec::new(),
            log_calls: Vec::new(),
            counts: HashMap::new(),
            units: HashMap::new(),
            flushes: Vec::new(),
            identifiers_versions: (0, 0),
            blocked_values: (BlockedValues::default(), 1),
            held_elsewhere: (0, 0),
            held_for: 0,
            is_paused: false,
            is_audience_deleted: false,
            verdicts: HashMap::new(),
            order: Vec::new(),
            kept: Vec::new(),
            done: Vec::new(),
            deferred: Vec::new(),
            room_to_defer: 1_000,
            work: VecDeque::new(),
            reports: Vec::new(),
            noted: Vec::new(),
        }));
        Self {
            state,
            health: HealthReporter::new(),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The next calls of `hop` end like this.
    pub fn script(&self, hop: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.entry(hop).or_default().extend(faults);
    }

    pub fn count(&self, hop: &str) -> usize {
        self.state().calls.get(hop).copied().unwrap_or(0)
    }

    pub async fn serve(self, listener: TcpListener) {
        const MAX: usize = weir_rpc::MAX_MESSAGE;
        let health = HealthService::from_health_reporter(self.health.clone());
        let state = self.clone();
        let health = HealthServer::with_interceptor(health, move |request| {
            *state.state().calls.entry("health").or_default() += 1;
            Ok(request)
        });
        tonic::transport::Server::builder()
            .add_service(health)
            .add_service(MappingServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(LogServiceServer::new(self.clone()))
            .add_service(ReplayServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(StoryServiceServer::new(self.clone()))
            .add_service(ContactServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(ActivityServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(AudienceServiceServer::new(self.clone()))
            .add_service(QuotaServiceServer::with_interceptor(self, services_only))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await
            .unwrap();
    }

    async fn answer<T>(
        &self,
        hop: &'static str,
        work: impl FnOnce(&mut State) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let fault = {
            let mut state = self.state();
            *state.calls.entry(hop).or_default() += 1;
            state.order.push(hop);
            state.faults.get_mut(hop).and_then(VecDeque::pop_front)
        };
        match fault {
            None | Some(Fault::None) => work(&mut self.state()).map(Response::new),
            Some(Fault::Say(status)) => Err(status),
            Some(Fault::WorkAndSay(status)) => {
                work(&mut self.state())?;
                Err(status)
            }
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Hold(told)) => {
                told.notified().await;
                work(&mut self.state()).map(Response::new)
            }
        }
    }
}

macro_rules! unused {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        $(
            #[doc(hidden)]
            fn $method<'life0, 'async_trait>(
                &'life0 self,
                _: tonic::Request<$request>,
            ) -> std::pin::Pin<Box<
                dyn Future<Output = Result<tonic::Response<$response>, tonic::Status>> + Send + 'async_trait,
            >>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async { Err(tonic::Status::internal("the edge has no business here")) })
            }
        )*
    };
}

pub fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap()
}

mod activities;
mod audiences;
mod contacts;
mod counts;
mod mappings;
mod replays;
mod stories;
mod units;

/// As every service: whoever calls shows that it is one (semantics 9.3).
fn services_only(request: Request<()>) -> Result<Request<()>, Status> {
    let shown = request.metadata().get("authorization");
    let own = format!("Bearer {SERVICE_TOKEN}");
    match shown {
        Some(shown) if *shown == *own => Ok(request),
        _ => Err(weir_rpc::refused(
            Code::Unauthenticated,
            Reason::TokenMissing,
            "no token of services",
        )),
    }
}
