//! All services behind the console, at one address: each method answers what its test says, else
//! a message in which every field has something, so that pages show all they have.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor, Value,
};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::NamedService;
use uuid::Uuid;
use weir_access::{Accounts, HashKey, LiveToken, Role};
use weir_ids::AccountId;
use weir_proto::access::v1 as access;
use weir_rpc::Server;

/// Every text of an answer, where a test says nothing else.
pub const HOSTILE: &str = "<script>alert(1)</script>\"onmouseover=\"x' \u{202e}gnp &lt;b&gt;";
pub const ACCOUNT: Uuid = Uuid::from_u128(0xa1);
pub const OTHER: Uuid = Uuid::from_u128(0xa2);

/// How deep messages within messages go.
const DEPTH: usize = 5;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap());

/// What was asked, and what is answered.
#[derive(Clone, Default)]
pub struct Stub(Arc<State>);

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<&'static str, Bytes>>,
    away: Mutex<HashSet<&'static str>>,
    refused: Mutex<HashMap<&'static str, tonic::Status>>,
    /// Of one call alone, first those that were said first.
    refused_once: Mutex<Vec<(&'static str, tonic::Status)>>,
    /// What another method answers once this one was called.
    behind: Mutex<HashMap<&'static str, Vec<(&'static str, Bytes)>>>,
    /// What was asked, by method.
    sent: Mutex<Vec<(String, Bytes)>>,
    calls: Mutex<Vec<(String, String)>>,
    /// What calls carried as the id of their request.
    ids: Mutex<Vec<String>>,
    /// In the place of [`HOSTILE`].
    text: Mutex<Option<String>>,
}

/// A token of each role, for the account of the tests alone; and one for another account.
pub const READ: [u8; 32] = [1; 32];
pub const WRITE: [u8; 32] = [2; 32];
pub const OF_OTHER: [u8; 32] = [3; 32];

const HASH_KEY: &[u8] = b"what tokens are hashed with";

impl Stub {
    /// Serves until the test ends; answers where.
    pub async fn start() -> (Self, String) {
        let stub = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let access = weir_testkit::access();
        let live = access.live_tokens();
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let alive = tokens()
            .into_iter()
            .map(|(bytes, role, account)| LiveToken {
                hash: HashKey::new(HASH_KEY).hash(&weir_access::token(bytes)),
                id: Uuid::from_u128(u128::from(bytes[0])),
                name: "a team".into(),
                role,
                accounts: Accounts::only([AccountId(account)]),
                expire_time: None,
            });
        live.replace(HashKey::new(HASH_KEY), alive.collect(), now)
            .unwrap();
        stub.answer(
            "/weir.access.v1.TokenService/ListLiveTokens",
            &access::ListLiveTokensResponse {
                version: 1,
                unchanged: false,
                hash_key: HASH_KEY.to_vec().into(),
                tokens: tokens().into_iter().map(wire_token).collect(),
                older_hash_keys: Vec::new(),
            },
        );
        let mut server = Server::new("weir.mapping.v1.MappingService").access(access);
        macro_rules! serve {
            ($($name:ident $service:literal)*) => {$(
                server = server.service($name(Answering { stub: stub.clone() }));
            )*};
        }
        all_services!(serve);
        tokio::spawn(server.serve(listener, std::future::pending()));
        (stub, url)
    }

    /// What a method answers from now on.
    pub fn answer(&self, path: &'static str, message: &impl Message) {
        let bytes = Bytes::from(message.encode_to_vec());
        self.0.answers.lock().unwrap().insert(path, bytes);
    }

    /// What a method fails with from now on.
    pub fn refuse(&self, path: &'static str, status: tonic::Status) {
        self.0.refused.lock().unwrap().insert(path, status);
    }

    /// What the next call of a method fails with; behind what was said before.
    pub fn refuse_once(&self, path: &'static str, status: tonic::Status) {
        self.0.refused_once.lock().unwrap().push((path, status));
    }

    /// What a method answers as soon as another one was called.
    pub fn answer_behind(&self, path: &'static str, then: &'static str, message: &impl Message) {
        let bytes = Bytes::from(message.encode_to_vec());
        let mut behind = self.0.behind.lock().unwrap();
        behind.entry(path).or_default().push((then, bytes));
    }

    /// What a method was asked for pages, in order.
    pub fn sent<T: Message + Default>(&self, path: &str) -> Vec<T> {
        let sent = self.0.sent.lock().unwrap();
        let of_path = sent.iter().filter(|(sent, _)| sent == path);
        // Behind what says that it is not compressed, and how long it is.
        of_path
            .map(|(_, body)| T::decode(body.slice(5..)).unwrap())
            .collect()
    }

    /// Every text of an answer is this one from now on.
    pub fn fill_with(&self, text: &str) {
        *self.0.text.lock().unwrap() = Some(text.to_owned());
    }

    /// These services answer UNAVAILABLE from now on (`weir.mapping.v1`).
    pub fn take_away(&self, package: &'static str) {
        self.0.away.lock().unwrap().insert(package);
    }

    /// They are back.
    pub fn bring_back(&self, package: &'static str) {
        self.0.away.lock().unwrap().remove(package);
    }

    /// Methods that were called for pages, each with what it was shown.
    pub fn calls(&self) -> Vec<(String, String)> {
        self.0.calls.lock().unwrap().clone()
    }

    /// The ids of the requests that calls were made for.
    pub fn request_ids(&self) -> Vec<String> {
        self.0.ids.lock().unwrap().clone()
    }

    pub fn forget_calls(&self) {
        self.0.calls.lock().unwrap().clear();
        self.0.sent.lock().unwrap().clear();
    }

    async fn serve(self, request: http::Request<Body>) -> http::Response<Body> {
        let path = request.uri().path().to_owned();
        let shown = request.headers().get("authorization");
        let shown = shown.map_or("", |value| value.to_str().unwrap()).to_owned();
        // What is looked for beside pages is of no request.
        let id = request.headers().get("x-request-id");
        let id = id.map(|id| id.to_str().unwrap().to_owned());
        let id = id.filter(|id| {
            !id.is_empty()
                && !path.ends_with("/ListLiveTokens")
                && !path.ends_with("/NoteTokenUses")
        });
        let is_of_page = id.is_some();
        if let Some(id) = id {
            self.0.calls.lock().unwrap().push((path.clone(), shown));
            self.0.ids.lock().unwrap().push(id);
        }
        // It is read, as a service would.
        let body = request.into_body().collect().await;
        if let (true, Ok(body)) = (is_of_page, body) {
            let sent = (path.clone(), body.to_bytes());
            self.0.sent.lock().unwrap().push(sent);
        }
        let away = self.0.away.lock().unwrap();
        if away.iter().any(|package| path[1..].starts_with(package)) {
            return weir_rpc::unavailable("it").into_http();
        }
        drop(away);
        let mut once = self.0.refused_once.lock().unwrap();
        if let Some(place) = once.iter().position(|(refused, _)| *refused == path) {
            return once.remove(place).1.into_http();
        }
        drop(once);
        if let Some(status) = self.0.refused.lock().unwrap().get(&*path) {
            return status.clone().into_http();
        }
        let behind = self.0.behind.lock().unwrap().remove(&*path);
        let mut answers = self.0.answers.lock().unwrap();
        let answer = answers.get(&*path).cloned();
        answers.extend(behind.into_iter().flatten());
        drop(answers);
        let answer = answer.unwrap_or_else(|| {
            let text = self.0.text.lock().unwrap();
            filled_answer(&path, text.as_deref().unwrap_or(HOSTILE))
        });
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(answer.len()).unwrap());
        framed.extend_from_slice(&answer);
        let trailers = HeaderMap::from_iter([(
            "grpc-status".parse().unwrap(),
            HeaderValue::from_static("0"),
        )]);
        let body = Full::new(framed.freeze());
        let body = body.with_trailers(async move { Some(Ok(trailers)) });
        let mut response = http::Response::new(Body::new(body));
        let grpc = HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", grpc);
        response
    }
}

fn tokens() -> [([u8; 32], Role, Uuid); 3] {
    [
        (READ, Role::Read, ACCOUNT),
        (WRITE, Role::Write, ACCOUNT),
        (OF_OTHER, Role::Write, OTHER),
    ]
}

fn wire_token((bytes, role, account): ([u8; 32], Role, Uuid)) -> access::LiveToken {
    let hash = HashKey::new(HASH_KEY).hash(&weir_access::token(bytes));
    access::LiveToken {
        token_id: Uuid::from_u128(u128::from(bytes[0])).to_string(),
        hash: hash.to_vec().into(),
        name: "a team".to_owned(),
        role: match role {
            Role::Read => access::Role::Read,
            Role::Write => access::Role::Write,
            Role::Admin => access::Role::Admin,
        }
        .into(),
        all_accounts: false,
        account_ids: vec![account.to_string()],
        expire_time: None,
    }
}

fn method(path: &str) -> MethodDescriptor {
    let (service, method) = path[1..].split_once('/').unwrap();
    let service = POOL.get_service_by_name(service).unwrap();
    service.methods().find(|one| one.name() == method).unwrap()
}

/// Every field that a method's request has, as a service names it that finds it wrong.
pub fn fields_of(path: &str) -> Vec<String> {
    let mut all = Vec::new();
    for field in method(path).input().fields() {
        let name = match field.is_list() {
            true => format!("{}[1]", field.name()),
            false => field.name().to_owned(),
        };
        if let Kind::Message(of) = field.kind() {
            all.extend(of.fields().map(|below| match below.is_list() {
                true => format!("{name}.{}[1]", below.name()),
                false => format!("{name}.{}", below.name()),
            }));
        }
        all.push(name);
    }
    all
}

fn filled_answer(path: &str, text: &str) -> Bytes {
    Bytes::from(filled(&method(path).output(), DEPTH, text).encode_to_vec())
}

/// Each text is this one, each list has one entry, each time is one.
fn filled(of: &MessageDescriptor, depth: usize, text: &str) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    if of.full_name() == "google.protobuf.Timestamp" {
        message.set_field_by_name("seconds", Value::I64(1_764_000_000));
        return message;
    }
    for field in of.fields() {
        // No list goes on.
        if field.name() == "next_page_token" || field.is_map() {
            continue;
        }
        let value = match field.kind() {
            Kind::String if field.name() == "account_id" => Value::String(ACCOUNT.to_string()),
            Kind::String => Value::String(text.to_owned()),
            Kind::Bytes => Value::Bytes(Bytes::from_static(b"x")),
            Kind::Bool => Value::Bool(true),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(3),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(3),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(200),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(3),
            Kind::Float => Value::F32(1.0),
            Kind::Double => Value::F64(1.0),
            Kind::Enum(of) => Value::EnumNumber(of.values().nth(1).unwrap().number()),
            Kind::Message(_) if depth == 0 => continue,
            Kind::Message(of) => Value::Message(filled(&of, depth - 1, text)),
        };
        let value = match field.is_list() {
            true => Value::List(vec![value]),
            false => value,
        };
        message.set_field(&field, value);
    }
    message
}

#[derive(Clone)]
struct Answering {
    stub: Stub,
}

macro_rules! all_services {
    ($with:ident) => {
        $with! {
            Mapping "weir.mapping.v1.MappingService"
            Configuration "weir.mapping.v1.ConfigurationService"
            Preview "weir.mapping.v1.PreviewService"
            Log "weir.mapping.v1.LogService"
            Replay "weir.mapping.v1.ReplayService"
            Story "weir.mapping.v1.StoryService"
            Alert "weir.mapping.v1.AlertService"
            Token "weir.access.v1.TokenService"
            Change "weir.access.v1.ChangeService"
            Contact "weir.contact.v1.ContactService"
            Search "weir.contact.v1.SearchService"
            People "weir.contact.v1.PeopleService"
            Identity "weir.contact.v1.IdentityService"
            Activity "weir.activity.v1.ActivityService"
            Audience "weir.audience.v1.AudienceService"
            Curation "weir.audience.v1.CurationService"
            Membership "weir.audience.v1.MembershipService"
            Quota "weir.quota.v1.QuotaService"
        }
    };
}
use all_services;

macro_rules! named {
    ($($name:ident $service:literal)*) => {$(
        #[derive(Clone)]
        struct $name(Answering);

        impl NamedService for $name {
            const NAME: &'static str = $service;
        }

        impl tower::Service<http::Request<Body>> for $name {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let stub = self.0.stub.clone();
                Box::pin(async move { Ok(stub.serve(request).await) })
            }
        }
    )*};
}
all_services!(named);
