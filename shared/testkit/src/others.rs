//! Mapping and contact-upsert, as far as other services ask them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_proto::contact::v1::{
    Contact, GetContactRequest, GetContactResponse, get_contact_request,
};
use weir_proto::mapping::v1::row_service_server::RowServiceServer;
use weir_proto::mapping::v1::*;
use weir_proto::settings::v1::ErasedRows;
use weir_reasons::Reason;
use weir_rpc::{Server, Unary};

use crate::rows::AsTheyAre;

/// Both at one address. They know every account and every contact but those that a test takes
/// away.
pub struct Others {
    /// `http://host:port`.
    pub url: String,
    no_accounts: Mutex<HashSet<Uuid>>,
    no_contacts: Mutex<HashSet<(Uuid, Uuid)>>,
    set_up: Mutex<HashMap<Uuid, (Account, Vec<Field>)>>,
    put: Mutex<Vec<PutAccountRequest>>,
    alerts: Mutex<Vec<(String, NewAlert)>>,
    are_away: AtomicBool,
    asked: AtomicU32,
    erased: Mutex<Vec<String>>,
    lines: Mutex<Vec<LogEntry>>,
    counts: Mutex<Vec<ReasonCount>>,
}

impl Others {
    /// Serves them until the test ends.
    ///
    /// # Panics
    /// There is no port.
    pub async fn start() -> Arc<Self> {
        crate::callers::call_as_service();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let others = Arc::new(Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            no_accounts: Mutex::default(),
            no_contacts: Mutex::default(),
            set_up: Mutex::default(),
            put: Mutex::default(),
            alerts: Mutex::default(),
            are_away: AtomicBool::new(false),
            asked: AtomicU32::new(0),
            erased: Mutex::default(),
            lines: Mutex::default(),
            counts: Mutex::default(),
        });
        let account = |others: Arc<Self>, request| ready(others.account(request));
        let person = |others: Arc<Self>, request| ready(others.person(request));
        let contact = |others: Arc<Self>, request| ready(others.contact(request));
        let fields = |others: Arc<Self>, request| ready(others.fields(request));
        let put = |others: Arc<Self>, request| ready(others.put(request));
        let raise = |others: Arc<Self>, request| ready(others.raise(request));
        let append = |others: Arc<Self>, request| ready(others.append(request));
        let add = |others: Arc<Self>, request| ready(others.add(request));
        let mapping = Unary::new(Mapping, &others, "GetAccount", account);
        let mapping = Unary::new(mapping, &others, "ListFields", fields);
        let mapping = Unary::new(mapping, &others, "PutAccount", put);
        let server = Server::new("weir.mapping.v1.MappingService")
            .access(crate::access())
            .service(Unary::new(MappingPeople, &others, "ErasePerson", person))
            .service(RowServiceServer::new(AsTheyAre))
            .service(Unary::new(mapping, &others, "AppendLog", append))
            .service(Unary::new(Logs, &others, "AddCounts", add))
            .service(Unary::new(Alerts, &others, "RaiseAlerts", raise))
            .service(Unary::new(ContactUpsert, &others, "GetContact", contact));
        tokio::spawn(server.serve(listener, std::future::pending()));
        others
    }

    /// Whether there is such an account, from now on.
    ///
    /// # Panics
    /// A test panicked while it changed them.
    pub fn set_account(&self, account: Uuid, is_there: bool) {
        let mut unknown = self.no_accounts.lock().unwrap();
        if is_there {
            unknown.remove(&account);
        } else {
            unknown.insert(account);
        }
    }

    /// From now on the account has no such contacts.
    ///
    /// # Panics
    /// A test panicked while it changed them.
    pub fn take_contacts(&self, account: Uuid, contacts: &[Uuid]) {
        let taken = contacts.iter().map(|contact| (account, *contact));
        self.no_contacts.lock().unwrap().extend(taken);
    }

    /// Whether they answer nothing but UNAVAILABLE, from now on.
    pub fn set_away(&self, are_away: bool) {
        self.are_away.store(are_away, Ordering::SeqCst);
    }

    /// What an account has set up, from now on.
    ///
    /// # Panics
    /// A test panicked while it changed them.
    pub fn set_up(&self, account: Uuid, set_up: Account, fields: Vec<Field>) {
        self.set_up
            .lock()
            .unwrap()
            .insert(account, (set_up, fields));
    }

    /// What mapping was told of accounts.
    ///
    /// # Panics
    /// A test panicked while it changed them.
    pub fn put_accounts(&self) -> Vec<PutAccountRequest> {
        self.put.lock().unwrap().clone()
    }

    /// Alerts that were raised, each with its account.
    ///
    /// # Panics
    /// A test panicked while it changed them.
    pub fn alerts(&self) -> Vec<(String, NewAlert)> {
        self.alerts.lock().unwrap().clone()
    }

    /// The lines that sources' logs were told.
    ///
    /// # Panics
    /// A test panicked while it looked at them.
    pub fn lines(&self) -> Vec<LogEntry> {
        self.lines.lock().unwrap().clone()
    }

    /// What was counted.
    ///
    /// # Panics
    /// A test panicked while it looked at them.
    pub fn counts(&self) -> Vec<ReasonCount> {
        self.counts.lock().unwrap().clone()
    }

    /// How often they were asked.
    pub fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    /// By what people were known whom mapping was told to forget.
    ///
    /// # Panics
    /// A test panicked while it changed them.
    pub fn erased(&self) -> Vec<String> {
        self.erased.lock().unwrap().clone()
    }

    fn person(
        &self,
        request: Request<ErasePersonRequest>,
    ) -> Result<Response<ErasePersonResponse>, Status> {
        self.answer()?;
        let identifiers = request.into_inner().identifiers;
        let samples = ErasedRows {
            what: "samples".to_owned(),
            count: 1,
        };
        self.erased.lock().unwrap().extend(identifiers);
        let rows = vec![samples];
        Ok(Response::new(ErasePersonResponse { rows }))
    }

    fn account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        let id = request.into_inner().account_id;
        self.answer()?;
        let unknown = self.no_accounts.lock().unwrap();
        if unknown.contains(&id.parse().unwrap()) {
            return Err(weir_rpc::not_found(Reason::AccountUnknown, "account"));
        }
        let set_up = self.set_up.lock().unwrap();
        let account = set_up.get(&id.parse().unwrap());
        let account = account.map(|(account, _)| account.clone());
        let account = Some(Account {
            account_id: id,
            ..account.unwrap_or_default()
        });
        Ok(Response::new(GetAccountResponse { account }))
    }

    fn fields(
        &self,
        request: Request<ListFieldsRequest>,
    ) -> Result<Response<ListFieldsResponse>, Status> {
        let id = request.into_inner().account_id;
        self.answer()?;
        let set_up = self.set_up.lock().unwrap();
        let fields = set_up.get(&id.parse().unwrap());
        Ok(Response::new(ListFieldsResponse {
            fields: fields.map(|(_, fields)| fields.clone()).unwrap_or_default(),
            next_page_token: String::new(),
        }))
    }

    fn put(
        &self,
        request: Request<PutAccountRequest>,
    ) -> Result<Response<PutAccountResponse>, Status> {
        self.answer()?;
        self.put.lock().unwrap().push(request.into_inner());
        Ok(Response::new(PutAccountResponse::default()))
    }

    fn raise(
        &self,
        request: Request<RaiseAlertsRequest>,
    ) -> Result<Response<RaiseAlertsResponse>, Status> {
        self.answer()?;
        let request = request.into_inner();
        let alerts = request.alerts.into_iter();
        let alerts = alerts.map(|alert| (request.account_id.clone(), alert));
        self.alerts.lock().unwrap().extend(alerts);
        Ok(Response::new(RaiseAlertsResponse::default()))
    }

    fn append(
        &self,
        request: Request<AppendLogRequest>,
    ) -> Result<Response<AppendLogResponse>, Status> {
        self.answer()?;
        let entries = request.into_inner().entries;
        self.lines.lock().unwrap().extend(entries);
        Ok(Response::new(AppendLogResponse {}))
    }

    fn add(
        &self,
        request: Request<AddCountsRequest>,
    ) -> Result<Response<AddCountsResponse>, Status> {
        self.answer()?;
        let sources = request.into_inner().sources.into_iter();
        let counts = sources.flat_map(|source| source.counts);
        self.counts.lock().unwrap().extend(counts);
        Ok(Response::new(AddCountsResponse {}))
    }

    fn contact(
        &self,
        request: Request<GetContactRequest>,
    ) -> Result<Response<GetContactResponse>, Status> {
        let request = request.into_inner();
        self.answer()?;
        let Some(get_contact_request::Key::ContactId(id)) = request.key else {
            return Err(Status::unimplemented("asked for by its id only"));
        };
        let key = (request.account_id.parse().unwrap(), id.parse().unwrap());
        if self.no_contacts.lock().unwrap().contains(&key) {
            return Err(weir_rpc::not_found(Reason::ContactUnknown, "contact"));
        }
        let contact = Some(Contact {
            contact_id: id,
            ..Contact::default()
        });
        Ok(Response::new(GetContactResponse { contact }))
    }

    fn answer(&self) -> Result<(), Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.are_away.load(Ordering::SeqCst) {
            return Err(weir_rpc::unavailable("something that is needed"));
        }
        Ok(())
    }
}

/// Their other methods.
macro_rules! unasked {
    ($name:ident, $service:literal) => {
        #[derive(Clone)]
        struct $name;

        impl tonic::server::NamedService for $name {
            const NAME: &'static str = $service;
        }

        impl tower::Service<http::Request<Body>> for $name {
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
    };
}

unasked!(Mapping, "weir.mapping.v1.MappingService");
unasked!(Alerts, "weir.mapping.v1.AlertService");
unasked!(MappingPeople, "weir.mapping.v1.PeopleService");
unasked!(Logs, "weir.mapping.v1.LogService");
unasked!(ContactUpsert, "weir.contact.v1.ContactService");
