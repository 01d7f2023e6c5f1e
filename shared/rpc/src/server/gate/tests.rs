use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use chrono::DateTime;
use http::header::AUTHORIZATION;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use tower::ServiceExt;
use uuid::Uuid;
use weir_access::{HashKey, LiveToken, Role, Who, token};
use weir_ids::AccountId;
use weir_proto::contact::v1::GetContactRequest;
use weir_proto::mapping::v1::{ListAccountsRequest, PutAccountRequest};

use super::*;
use crate::Secret;

const SERVICE: &str = "the-secret-of-the-services-of-a-test";

/// What came through the gate: by whom, and its message.
type Seen = Arc<Mutex<Vec<(Option<Arc<Caller>>, Bytes)>>>;

#[derive(Clone, Default)]
struct Behind(Seen);

impl Service<Request<Body>> for Behind {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let seen = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let message = body.collect().await.unwrap().to_bytes();
            let caller = head.extensions.get::<Arc<Caller>>().cloned();
            seen.lock().unwrap().push((caller, message));
            Ok(Status::ok("").into_http())
        })
    }
}

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

/// Tokens of these roles, each for accounts 1 and 2 alone, and for all.
fn text(role: Role, everywhere: bool) -> String {
    token([role as u8 + 10 * u8::from(everywhere); 32])
}

fn access() -> Access {
    let secret = Secret::new(SERVICE).unwrap();
    let access = Access::by_token(vec![secret], None, || DateTime::UNIX_EPOCH);
    let key = HashKey::new(b"key");
    let mut live = Vec::new();
    for role in Role::ALL {
        for everywhere in [false, true] {
            live.push(LiveToken {
                hash: key.hash(&text(role, everywhere)),
                id: Uuid::from_u128(role as u128),
                name: role.name().into(),
                role,
                accounts: match everywhere {
                    true => Accounts::All,
                    false => Accounts::only([account(1), account(2)]),
                },
                expire_time: None,
            });
        }
    }
    let tokens = access.live_tokens();
    tokens.replace(key, live, DateTime::UNIX_EPOCH).unwrap();
    access
}

fn framed(message: &impl Message) -> Bytes {
    prefixed(&message.encode_to_vec())
}

/// As it is on the wire.
fn prefixed(message: &[u8]) -> Bytes {
    let length = (message.len() as u32).to_be_bytes();
    [&[0][..], &length, message].concat().into()
}

/// The reason of the refusal, or what came through.
async fn call(
    path: &str,
    shown: Option<&str>,
    frames: Vec<Bytes>,
) -> Result<(Option<Arc<Caller>>, Bytes), Option<Reason>> {
    let behind = Behind::default();
    let seen = Arc::clone(&behind.0);
    let gate = Gate {
        inner: behind,
        access: access(),
    };
    let frames = frames
        .into_iter()
        .map(|data| Ok::<_, Status>(Frame::data(data)));
    let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
    let mut request = Request::new(body);
    *request.uri_mut() = path.parse().unwrap();
    if let Some(shown) = shown {
        let shown = format!("Bearer {shown}").parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, shown);
    }
    let answer = gate.oneshot(request).await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    match seen.lock().unwrap().pop() {
        Some(seen) => Ok(seen),
        None => Err(crate::reason_of(&status)),
    }
}

const GET: &str = "/weir.contact.v1.ContactService/GetContact";
const LIST: &str = "/weir.mapping.v1.MappingService/ListAccounts";
const PUT: &str = "/weir.mapping.v1.MappingService/PutAccount";

fn get(account_id: &str) -> Vec<Bytes> {
    vec![framed(&GetContactRequest {
        account_id: account_id.to_owned(),
        ..Default::default()
    })]
}

// Semantics 9.2.
#[tokio::test]
async fn a_token_reaches_its_accounts_and_no_others() {
    let reader = text(Role::Read, false);
    let own = get(&account(1).to_string());
    let (caller, message) = call(GET, Some(&reader), own.clone()).await.unwrap();
    assert_eq!(message, own[0], "the very same bytes");
    assert!(matches!(&caller.unwrap().who, Who::Token { name, .. } if &**name == "read"));
    for refused in [&*account(3).to_string(), "no id", ""] {
        let refused = call(GET, Some(&reader), get(refused)).await;
        assert_eq!(refused.unwrap_err(), Some(Reason::AccountForbidden));
    }
    let everywhere = text(Role::Read, true);
    for any in [&*account(3).to_string(), ""] {
        assert!(call(GET, Some(&everywhere), get(any)).await.is_ok());
    }
}

#[tokio::test]
async fn the_account_that_counts_is_the_one_that_is_decoded() {
    let reader = text(Role::Read, false);
    let both = |first: u128, last: u128| {
        let part = |number| GetContactRequest {
            account_id: account(number).to_string(),
            ..Default::default()
        };
        prefixed(&[part(first).encode_to_vec(), part(last).encode_to_vec()].concat())
    };
    let refused = call(GET, Some(&reader), vec![both(1, 3)]).await;
    assert_eq!(refused.unwrap_err(), Some(Reason::AccountForbidden));
    // And in whatever pieces it comes.
    let mut whole = both(3, 1);
    let sent = whole.clone();
    let (start, middle) = (whole.split_to(3), whole.split_to(9));
    let seen = call(GET, Some(&reader), vec![start, middle, whole]).await;
    assert_eq!(seen.unwrap().1, sent);
}

#[tokio::test]
async fn a_message_that_can_not_be_read_is_not_handed_on() {
    let reader = text(Role::Read, false);
    let own = get(&account(1).to_string()).remove(0);
    let mut compressed = own.to_vec();
    compressed[0] = 1;
    let mut short = own.to_vec();
    short.truncate(own.len() - 1);
    let garbled = Bytes::from_static(&[0, 0, 0, 0, 2, 0xff, 0xff]);
    for frames in [
        vec![],
        vec![compressed.into()],
        vec![short.into()],
        vec![garbled],
        vec![own.clone(), own],
    ] {
        assert_eq!(call(GET, Some(&reader), frames).await.unwrap_err(), None);
    }
}

#[tokio::test]
async fn a_list_is_of_what_its_caller_may_touch() {
    let reader = text(Role::Read, false);
    let list = |only: &[u128]| {
        let only = only.iter().map(|number| account(*number).to_string());
        ListAccountsRequest {
            page_size: 7,
            only_accounts: only.collect(),
            ..Default::default()
        }
    };
    for (asked, got) in [(&[][..], &[1, 2][..]), (&[2], &[2])] {
        let seen = call(LIST, Some(&reader), vec![framed(&list(asked))]).await;
        let message = seen.unwrap().1;
        let request = ListAccountsRequest::decode(&message[5..]).unwrap();
        assert_eq!(request, list(got));
        let length = u32::from_be_bytes(message[1..5].try_into().unwrap());
        assert_eq!(length as usize, message.len() - 5);
    }
    let refused = call(LIST, Some(&reader), vec![framed(&list(&[2, 3]))]).await;
    assert_eq!(refused.unwrap_err(), Some(Reason::AccountForbidden));
    let everywhere = text(Role::Read, true);
    let seen = call(LIST, Some(&everywhere), vec![framed(&list(&[]))]).await;
    assert_eq!(seen.unwrap().1, framed(&list(&[])));
}

#[tokio::test]
async fn to_make_an_account_takes_more_than_to_change_one() {
    let put = |account_id: &str| {
        vec![framed(&PutAccountRequest {
            account_id: account_id.to_owned(),
            name: "an account".to_owned(),
            ..Default::default()
        })]
    };
    let own = account(1).to_string();
    let writer = text(Role::Write, true);
    assert!(call(PUT, Some(&writer), put(&own)).await.is_ok());
    let refused = call(PUT, Some(&writer), put("")).await;
    assert_eq!(refused.unwrap_err(), Some(Reason::RoleTooLow));
    assert!(
        call(PUT, Some(&text(Role::Admin, true)), put(""))
            .await
            .is_ok()
    );
    let refused = call(PUT, Some(&text(Role::Admin, false)), put("")).await;
    assert_eq!(refused.unwrap_err(), Some(Reason::AccountForbidden));
    let refused = call(PUT, Some(&text(Role::Read, true)), put(&own)).await;
    assert_eq!(refused.unwrap_err(), Some(Reason::RoleTooLow));
}

/// A message in whose field on this path stands an account.
fn naming(path: &[u32], account: AccountId) -> Vec<u8> {
    let mut message = Vec::new();
    let (last, around) = path.split_last().unwrap();
    prost::encoding::string::encode(*last, &account.to_string(), &mut message);
    for field in around.iter().rev() {
        let inner = std::mem::take(&mut message);
        prost::encoding::bytes::encode(*field, &inner, &mut message);
    }
    message
}

/// What comes of a call that names nothing, an account of the token, or one of others.
fn expected(need: Need, role: Role, everywhere: bool, named: Option<u128>) -> Option<Reason> {
    let (least, on) = match need {
        Need::Services => return Some(Reason::ServicesOnly),
        Need::Caller { role, on } => (role, on),
    };
    let least = match (on, named) {
        (On::Account { without, .. }, None) if everywhere => least.max(without),
        _ => least,
    };
    let is_theirs = match (on, named) {
        (On::All, _) | (On::Account { .. }, None) => everywhere,
        (On::Accounts { .. }, None) => true,
        (_, Some(named)) => everywhere || named == 1,
    };
    if role < least {
        Some(Reason::RoleTooLow)
    } else {
        (!is_theirs).then_some(Reason::AccountForbidden)
    }
}

// Semantics 9.2: every RPC that is declared, by everybody, for an account of theirs, for one that
// is not, and for none.
#[tokio::test]
async fn every_rpc_answers_as_it_declares() {
    for (path, need) in weir_proto::NEEDS {
        let empty = || vec![framed(&())];
        for (shown, reason) in [
            (None, Reason::TokenMissing),
            (Some("nonsense"), Reason::TokenUnknown),
            (Some(&*token([99; 32])), Reason::TokenUnknown),
        ] {
            let refused = call(path, shown, empty()).await;
            assert_eq!(refused.unwrap_err(), Some(reason), "{path}");
        }
        let seen = call(path, Some(SERVICE), empty()).await.unwrap();
        assert_eq!(seen.0.unwrap().who, Who::Service, "{path}");
        for named in [None, Some(1), Some(3)] {
            let field = match need {
                Need::Caller { on, .. } => match on {
                    On::Account { field, .. } => *field,
                    On::Accounts { field } => &[*field][..],
                    On::All => &[1],
                },
                Need::Services => &[1],
            };
            let message = named.map_or_else(Vec::new, |named| naming(field, account(named)));
            for role in Role::ALL {
                for everywhere in [false, true] {
                    let frames = vec![prefixed(&message)];
                    let answer = call(path, Some(&text(role, everywhere)), frames).await;
                    assert_eq!(
                        answer.err().map(Option::unwrap),
                        expected(*need, role, everywhere, named),
                        "{path}, {role}, {everywhere}, {named:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn health_is_for_everybody_and_reflection_for_any_caller() {
    let health = "/grpc.health.v1.Health/Check";
    assert!(call(health, None, vec![]).await.unwrap().0.is_none());
    let reader = text(Role::Read, false);
    for version in ["v1", "v1alpha"] {
        let reflection =
            format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        assert!(call(&reflection, Some(&reader), vec![]).await.is_ok());
        let refused = call(&reflection, None, vec![]).await;
        assert_eq!(refused.unwrap_err(), Some(Reason::TokenMissing));
    }
    for undeclared in [
        "/",
        "/weir.contact.v1.ContactService/Nothing",
        "/any.Service/Call",
    ] {
        let refused = call(undeclared, None, vec![]).await;
        assert_eq!(refused.unwrap_err(), Some(Reason::TokenMissing));
        let refused = call(undeclared, Some(SERVICE), vec![]).await;
        assert_eq!(refused.unwrap_err(), Some(Reason::CallUnsupported));
    }
}
