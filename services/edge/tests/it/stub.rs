//! All five services in one server: honest in small, and scripted to fail.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_server::{ActivityService, ActivityServiceServer};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_server::{AudienceService, AudienceServiceServer};
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::contact_service_server::{ContactService, ContactServiceServer};
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_server::{MappingService, MappingServiceServer};
use weir_proto::quota::v1 as quota;
use weir_proto::quota::v1::quota_service_server::{QuotaService, QuotaServiceServer};

pub const KEY: &str = "pau-key";
pub const AUDIENCE: &str = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f00";
pub const FOREIGN_AUDIENCE: &str = "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9f01";

/// How a call that is scripted ends.
pub enum Fault {
    Say(Status),
    /// Does its work, then says this.
    WorkAndSay(Status),
    /// Never answers.
    Hang,
}

#[derive(Clone)]
pub struct Stub {
    state: Arc<Mutex<State>>,
    pub health: HealthReporter,
}

pub struct State {
    faults: HashMap<&'static str, VecDeque<Fault>>,
    pub calls: HashMap<&'static str, usize>,
    pub profile_limit: i64,
    pub activity_limit: i64,
    pub used: (i64, i64),
    /// batch id → granted.
    pub reservations: HashMap<String, (i64, i64)>,
    pub settled: Vec<(i64, i64)>,
    pub receipts: HashSet<Vec<u8>>,
    pub contacts: Vec<ContactEvent>,
    pub activities: Vec<activity::ActivityEvent>,
    pub wishes: Vec<audience::Wish>,
    pub mapped: Vec<Event>,
    pub log: Vec<LogEntry>,
    /// What contact-upsert says to an event of this user.
    pub verdicts: HashMap<String, UpsertStatus>,
    /// What the services had to do for it, in order.
    pub order: Vec<&'static str>,
}

impl Stub {
    pub fn new() -> Self {
        let state = Arc::new(Mutex::new(State {
            faults: HashMap::new(),
            calls: HashMap::new(),
            profile_limit: 1_000_000,
            activity_limit: 1_000_000,
            used: (0, 0),
            reservations: HashMap::new(),
            settled: Vec::new(),
            receipts: HashSet::new(),
            contacts: Vec::new(),
            activities: Vec::new(),
            wishes: Vec::new(),
            mapped: Vec::new(),
            log: Vec::new(),
            verdicts: HashMap::new(),
            order: Vec::new(),
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
        const MAX: usize = 64 * 1024 * 1024;
        let health = HealthService::from_health_reporter(self.health.clone());
        let health = HealthServer::new(health);
        tonic::transport::Server::builder()
            .add_service(health)
            .add_service(MappingServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(ContactServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(ActivityServiceServer::new(self.clone()).max_decoding_message_size(MAX))
            .add_service(AudienceServiceServer::new(self.clone()))
            .add_service(QuotaServiceServer::new(self))
            .serve_with_incoming(TcpListenerStream::new(listener))
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
            None => work(&mut self.state()).map(Response::new),
            Some(Fault::Say(status)) => Err(status),
            Some(Fault::WorkAndSay(status)) => {
                work(&mut self.state())?;
                Err(status)
            }
            Some(Fault::Hang) => std::future::pending().await,
        }
    }
}

macro_rules! unused {
    ($($method:ident($request:ident) -> $response:ident;)*) => {
        $(
            #[doc(hidden)]
            fn $method<'life0, 'async_trait>(
                &'life0 self,
                _: Request<$request>,
            ) -> std::pin::Pin<Box<
                dyn Future<Output = Result<Response<$response>, Status>> + Send + 'async_trait,
            >>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async { Err(Status::internal("the edge has no business here")) })
            }
        )*
    };
}

use mapping::*;

#[tonic::async_trait]
impl MappingService for Stub {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        self.answer("authenticate", |_| {
            let kind = match request.get_ref().key.as_str() {
                KEY => SourceKind::SegmentActions,
                "classic-key" => SourceKind::SegmentClassic,
                _ => return Err(Status::unauthenticated("no such key")),
            };
            Ok(AuthenticateResponse {
                account_id: "account".into(),
                source_id: "source".into(),
                source_kind: kind.into(),
            })
        })
        .await
    }

    /// Maps every event; an event named `Unmapped` is rejected.
    async fn map_events(
        &self,
        request: Request<MapEventsRequest>,
    ) -> Result<Response<MapEventsResponse>, Status> {
        self.answer("map_events", |state| {
            let mut request = request.into_inner();
            for event in &mut request.events {
                let place = event.place.take().expect("the edge sends the body whole");
                let start = place.start as usize;
                event.raw = request.body.slice(start..start + place.length as usize);
            }
            let results = request.events.iter().map(|event| {
                let outcome = if event.event_name == "Unmapped" {
                    mapped_event::Outcome::Rejection(Rejection {
                        code: "NO_MAPPING".into(),
                        message: "No mappings configured".into(),
                    })
                } else {
                    mapped_event::Outcome::Mapped(Mapped {
                        fields_json: event
                            .traits
                            .as_ref()
                            .map(|_| r#"{"str::first":"x"}"#.into())
                            .unwrap_or_default(),
                        activity: (!event.event_name.is_empty()).then(|| MappedActivity {
                            activity_id: event.event_name.clone(),
                            attributes_json: "{}".into(),
                            retention_days: 90,
                            earlier_retention_days: vec![],
                        }),
                        traits: match event.traits {
                            Some(_) => MappedTraits::Values,
                            None => MappedTraits::None,
                        }
                        .into(),
                    })
                };
                MappedEvent {
                    outcome: Some(outcome),
                }
            });
            let results = results.collect();
            state.mapped.extend(request.events);
            Ok(MapEventsResponse {
                mapping_version: 1,
                contact_settings: Some(ContactSettings::default()),
                entitlement: Some(Entitlement::default()),
                results,
            })
        })
        .await
    }

    async fn append_log(
        &self,
        request: Request<AppendLogRequest>,
    ) -> Result<Response<AppendLogResponse>, Status> {
        self.answer("append_log", |state| {
            state.log.extend(request.into_inner().entries);
            Ok(AppendLogResponse {})
        })
        .await
    }

    unused! {
        put_account(PutAccountRequest) -> PutAccountResponse;
        get_account(GetAccountRequest) -> GetAccountResponse;
        list_accounts(ListAccountsRequest) -> ListAccountsResponse;
        put_source(PutSourceRequest) -> PutSourceResponse;
        get_source(GetSourceRequest) -> GetSourceResponse;
        list_sources(ListSourcesRequest) -> ListSourcesResponse;
        create_key(CreateKeyRequest) -> CreateKeyResponse;
        list_keys(ListKeysRequest) -> ListKeysResponse;
        revoke_key(RevokeKeyRequest) -> RevokeKeyResponse;
        create_field(CreateFieldRequest) -> CreateFieldResponse;
        list_fields(ListFieldsRequest) -> ListFieldsResponse;
        put_contact_mapping(PutContactMappingRequest) -> PutContactMappingResponse;
        get_contact_mapping(GetContactMappingRequest) -> GetContactMappingResponse;
        put_activity_mapping(PutActivityMappingRequest) -> PutActivityMappingResponse;
        delete_activity_mapping(DeleteActivityMappingRequest) -> DeleteActivityMappingResponse;
        list_activity_mappings(ListActivityMappingsRequest) -> ListActivityMappingsResponse;
        list_samples(ListSamplesRequest) -> ListSamplesResponse;
        list_event_names(ListEventNamesRequest) -> ListEventNamesResponse;
        list_log(ListLogRequest) -> ListLogResponse;
    }
}

use quota::{
    GetUsageRequest, GetUsageResponse, ReserveRequest, ReserveResponse, SettleRequest,
    SettleResponse, Settlement,
};

pub fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap()
}

impl State {
    fn settle(&mut self, settlement: &Settlement) {
        let stored = (settlement.profile_units, settlement.activity_units);
        let granted = self.reservations.remove(&settlement.batch_id).unwrap();
        assert!(
            stored.0 <= granted.0 && stored.1 <= granted.1,
            "{stored:?} of {granted:?}"
        );
        self.used = (self.used.0 + stored.0, self.used.1 + stored.1);
        self.settled.push(stored);
    }
}

#[tonic::async_trait]
impl QuotaService for Stub {
    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<ReserveResponse>, Status> {
        self.answer("reserve", |state| {
            let request = request.into_inner();
            request.settlements.iter().for_each(|one| state.settle(one));
            let held = state.reservations.values();
            let held = held.fold(state.used, |sum, one| (sum.0 + one.0, sum.1 + one.1));
            let profile = request.profile_units.min(state.profile_limit - held.0);
            let activity = request.activity_units.min(state.activity_limit - held.1);
            state
                .reservations
                .insert(request.batch_id, (profile, activity));
            let meter = |granted, limit, held| {
                Some(quota::Meter {
                    granted,
                    limit,
                    remaining: limit - held - granted,
                    used: held,
                })
            };
            let now = chrono::Utc::now().timestamp();
            Ok(ReserveResponse {
                window: "2025-07-10".into(),
                epoch: 1,
                profile: meter(profile, state.profile_limit, held.0),
                activity: meter(activity, state.activity_limit, held.1),
                window_end_time: Some(prost_types::Timestamp {
                    seconds: now + 3_600,
                    nanos: 0,
                }),
                lease_expire_time: None,
            })
        })
        .await
    }

    async fn settle(
        &self,
        request: Request<SettleRequest>,
    ) -> Result<Response<SettleResponse>, Status> {
        self.answer("settle", |state| {
            let request = request.into_inner();
            request.settlements.iter().for_each(|one| state.settle(one));
            Ok(SettleResponse {})
        })
        .await
    }

    unused! { get_usage(GetUsageRequest) -> GetUsageResponse; }
}

use contact::{
    ChangeUniqueIdentifiersRequest, ChangeUniqueIdentifiersResponse, ContactEvent,
    GetContactRequest, GetContactResponse, GetUniqueIdentifiersRequest,
    GetUniqueIdentifiersResponse, IgnoredField, ListContactsRequest, ListContactsResponse,
    UpsertContactsRequest, UpsertContactsResponse, UpsertMode, UpsertResult, UpsertStatus,
};

impl State {
    fn upsert(&mut self, event: ContactEvent) -> UpsertStatus {
        let known = self.contacts.iter().any(|one| one.user_id == event.user_id);
        if self.receipts.contains(&event.event_key[..]) {
            UpsertStatus::Repeated
        } else if let Some(verdict) = self.verdicts.get(utf8(&event.user_id)) {
            *verdict
        } else if event.mode() == UpsertMode::Find && !known {
            UpsertStatus::NotFound
        } else if !event.funded {
            UpsertStatus::NotFunded
        } else {
            self.receipts.insert(event.event_key.to_vec());
            self.contacts.push(event);
            UpsertStatus::Stored
        }
    }
}

#[tonic::async_trait]
impl ContactService for Stub {
    async fn upsert_contacts(
        &self,
        request: Request<UpsertContactsRequest>,
    ) -> Result<Response<UpsertContactsResponse>, Status> {
        self.answer("upsert_contacts", |state| {
            let mut answer = UpsertContactsResponse::default();
            for event in request.into_inner().events {
                let contact_id = format!("contact of {}", utf8(&event.user_id));
                let taken = event.user_id == "key-taken";
                let status = state.upsert(event);
                answer.units += i64::from(status == UpsertStatus::Stored);
                let mut result = UpsertResult::default();
                result.set_status(status);
                if let UpsertStatus::Stored | UpsertStatus::Repeated = status {
                    result.contact_id = contact_id.into();
                }
                if taken {
                    result.ignored_fields.push(IgnoredField {
                        field_id: "str::email".into(),
                        reason: "belongs to another contact".into(),
                        code: "IDENTIFIER_TAKEN".into(),
                        value: "a@b.example".into(),
                    });
                }
                answer.results.push(result);
            }
            Ok(answer)
        })
        .await
    }

    unused! {
        get_contact(GetContactRequest) -> GetContactResponse;
        list_contacts(ListContactsRequest) -> ListContactsResponse;
        get_unique_identifiers(GetUniqueIdentifiersRequest) -> GetUniqueIdentifiersResponse;
        change_unique_identifiers(ChangeUniqueIdentifiersRequest) -> ChangeUniqueIdentifiersResponse;
    }

    async fn close_batches(
        &self,
        _: Request<contact::CloseBatchesRequest>,
    ) -> Result<Response<contact::CloseBatchesResponse>, Status> {
        Err(Status::internal("the edge has no business here"))
    }

    async fn fence_usage(
        &self,
        _: Request<contact::FenceUsageRequest>,
    ) -> Result<Response<contact::FenceUsageResponse>, Status> {
        Err(Status::internal("the edge has no business here"))
    }
}

use activity::{
    GetBacklogRequest, GetBacklogResponse, LinkIdentifiersRequest, LinkIdentifiersResponse,
    ListActivitiesRequest, ListActivitiesResponse, RecordActivitiesRequest,
    RecordActivitiesResponse, RecordResult, RecordStatus,
};

#[tonic::async_trait]
impl ActivityService for Stub {
    async fn record_activities(
        &self,
        request: Request<RecordActivitiesRequest>,
    ) -> Result<Response<RecordActivitiesResponse>, Status> {
        let hop = if request.get_ref().probe_only {
            "probe"
        } else {
            "record_activities"
        };
        self.answer(hop, |state| {
            let request = request.into_inner();
            let mut answer = RecordActivitiesResponse::default();
            for event in request.events {
                let same = |one: &activity::ActivityEvent| {
                    (&one.activity_id, &one.event_time, &one.message_id)
                        == (&event.activity_id, &event.event_time, &event.message_id)
                };
                let status = if state.activities.iter().any(same) {
                    RecordStatus::Repeated
                } else if !event.funded || request.probe_only {
                    RecordStatus::NotFunded
                } else {
                    answer.units += 1;
                    state.activities.push(event);
                    RecordStatus::Stored
                };
                answer.results.push(RecordResult {
                    status: status.into(),
                });
            }
            Ok(answer)
        })
        .await
    }

    unused! {
        link_identifiers(LinkIdentifiersRequest) -> LinkIdentifiersResponse;
        list_activities(ListActivitiesRequest) -> ListActivitiesResponse;
        get_backlog(GetBacklogRequest) -> GetBacklogResponse;
    }

    async fn close_batches(
        &self,
        _: Request<activity::CloseBatchesRequest>,
    ) -> Result<Response<activity::CloseBatchesResponse>, Status> {
        Err(Status::internal("the edge has no business here"))
    }

    async fn fence_usage(
        &self,
        _: Request<activity::FenceUsageRequest>,
    ) -> Result<Response<activity::FenceUsageResponse>, Status> {
        Err(Status::internal("the edge has no business here"))
    }
}

use audience::{
    ApplyWishesRequest, ApplyWishesResponse, Audience, AudienceCheck, CheckAudiencesRequest,
    CheckAudiencesResponse, CreateAudienceRequest, CreateAudienceResponse, GetAudienceRequest,
    GetAudienceResponse, JoinContactsRequest, JoinContactsResponse, ListAudiencesRequest,
    ListAudiencesResponse, ListMembersRequest, ListMembersResponse, WishResult, WishStatus,
};

#[tonic::async_trait]
impl AudienceService for Stub {
    async fn create_audience(
        &self,
        request: Request<CreateAudienceRequest>,
    ) -> Result<Response<CreateAudienceResponse>, Status> {
        self.answer("create_audience", |_| {
            let name = request.into_inner().name;
            match name.as_str() {
                "" => Err(Status::invalid_argument("name")),
                "By hand" => Err(Status::failed_precondition("made by hand")),
                _ => Ok(CreateAudienceResponse {
                    audience: Some(Audience {
                        audience_id: AUDIENCE.into(),
                        name,
                        ..Default::default()
                    }),
                    created: true,
                }),
            }
        })
        .await
    }

    async fn get_audience(
        &self,
        request: Request<GetAudienceRequest>,
    ) -> Result<Response<GetAudienceResponse>, Status> {
        self.answer("get_audience", |_| {
            match request.into_inner().audience_id.as_str() {
                AUDIENCE => Ok(GetAudienceResponse {
                    audience: Some(Audience {
                        audience_id: AUDIENCE.into(),
                        name: "Newsletter".into(),
                        ..Default::default()
                    }),
                }),
                "no-id" => Err(Status::invalid_argument("audience_id")),
                _ => Err(Status::not_found("no such audience")),
            }
        })
        .await
    }

    async fn check_audiences(
        &self,
        request: Request<CheckAudiencesRequest>,
    ) -> Result<Response<CheckAudiencesResponse>, Status> {
        self.answer("check_audiences", |_| {
            let ids = request.into_inner().audience_ids;
            let check = |id: &String| match id.as_str() {
                AUDIENCE => AudienceCheck::Usable.into(),
                FOREIGN_AUDIENCE => AudienceCheck::OtherOrigin.into(),
                _ => AudienceCheck::Unknown.into(),
            };
            Ok(CheckAudiencesResponse {
                checks: ids.iter().map(check).collect(),
            })
        })
        .await
    }

    async fn apply_wishes(
        &self,
        request: Request<ApplyWishesRequest>,
    ) -> Result<Response<ApplyWishesResponse>, Status> {
        self.answer("apply_wishes", |state| {
            let wishes = request.into_inner().wishes;
            let applied = WishResult {
                status: WishStatus::Applied.into(),
            };
            let results = vec![applied; wishes.len()];
            state.wishes.extend(wishes);
            Ok(ApplyWishesResponse { results })
        })
        .await
    }

    unused! {
        list_audiences(ListAudiencesRequest) -> ListAudiencesResponse;
        join_contacts(JoinContactsRequest) -> JoinContactsResponse;
        list_members(ListMembersRequest) -> ListMembersResponse;
    }
}
