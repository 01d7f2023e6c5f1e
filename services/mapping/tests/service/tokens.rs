//! Tokens of internal teams (semantics 9.2).

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use weir_access::HashKey;
use weir_proto::access::v1::token_service_client::TokenServiceClient;
use weir_proto::access::v1::*;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::mapping::v1::{ListSourcesRequest, PutSourceRequest, PutSourceResponse};
use weir_reasons::Reason;
use weir_rpc::reason_of;
use weir_testkit::eventually;

use crate::call;
use crate::changes::changes;
use crate::harness::{Service, Tenant, tenant, time};

const DAY: Duration = Duration::from_secs(86_400);

/// Shows a token with every call.
#[derive(Clone)]
pub struct Shows(MetadataValue<Ascii>);

impl tonic::service::Interceptor for Shows {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.0.clone());
        Ok(request)
    }
}

pub type Shown = InterceptedService<Channel, Shows>;

/// The first instance, called with a token.
pub fn showing(service: &Service, token: &str) -> Shown {
    let channel = Endpoint::from_shared(service.url()).unwrap().connect_lazy();
    let shows = Shows(format!("Bearer {token}").parse().unwrap());
    InterceptedService::new(channel, shows)
}

pub fn tokens(service: &Service) -> TokenServiceClient<weir_rpc::Channel> {
    TokenServiceClient::new(service.channel())
}

pub fn wish(name: &str, role: Role, accounts: &[&Tenant]) -> CreateTokenRequest {
    CreateTokenRequest {
        name: name.to_owned(),
        role: role.into(),
        all_accounts: accounts.is_empty(),
        account_ids: accounts.iter().map(|one| one.account_id.clone()).collect(),
        ..Default::default()
    }
}

pub async fn sources(channel: Shown, tenant: &Tenant) -> Result<usize, Status> {
    let request = ListSourcesRequest {
        account_id: tenant.account_id.clone(),
        ..Default::default()
    };
    let listed = MappingServiceClient::new(channel)
        .list_sources(request)
        .await?;
    Ok(listed.into_inner().sources.len())
}

async fn rename(channel: Shown, tenant: &Tenant) -> Result<PutSourceResponse, Status> {
    let request = PutSourceRequest {
        account_id: tenant.account_id.clone(),
        kind: weir_proto::mapping::v1::SourceKind::SegmentActions.into(),
        name: "Website".to_owned(),
        existing_only: Some(true),
        ..Default::default()
    };
    let put = MappingServiceClient::new(channel)
        .put_source(request)
        .await?;
    Ok(put.into_inner())
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, Option<Reason>) {
    let status = answer.unwrap_err();
    (status.code(), reason_of(&status))
}

/// Waits until the token is known here.
pub async fn is_good(service: &Service, token: &str, tenant: &Tenant) {
    eventually("the token is good", async || {
        sources(showing(service, token), tenant).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_token_may_what_it_says_until_it_is_revoked() {
    let (service, client) = Service::start().await;
    let (ours, theirs) = (
        tenant(&client, "Ours").await,
        tenant(&client, "Theirs").await,
    );
    let tokens = tokens(&service);
    let made = call!(tokens, create_token, wish("reports", Role::Read, &[&ours])).unwrap();
    assert!(made.secret.starts_with("weir_"), "{}", made.secret.len());
    let token = made.token.unwrap();
    assert!(
        made.secret
            .starts_with(token.hint.split('…').next().unwrap())
    );
    is_good(&service, &made.secret, &ours).await;

    let by = || showing(&service, &made.secret);
    assert_eq!(sources(by(), &ours).await.unwrap(), 1);
    let foreign = refused(sources(by(), &theirs).await);
    assert_eq!(
        foreign,
        (Code::PermissionDenied, Some(Reason::AccountForbidden))
    );
    let written = refused(rename(by(), &ours).await);
    assert_eq!(written, (Code::PermissionDenied, Some(Reason::RoleTooLow)));
    let by_it = TokenServiceClient::new(by());
    let listed = call!(by_it, list_tokens, ListTokensRequest::default());
    assert_eq!(refused(listed).0, Code::PermissionDenied);
    let live = call!(by_it, list_live_tokens, ListLiveTokensRequest::default());
    assert_eq!(refused(live).1, Some(Reason::ServicesOnly));

    let request = RevokeTokenRequest {
        token_id: token.token_id.clone(),
        ..Default::default()
    };
    let revoked = call!(tokens, revoke_token, request.clone())
        .unwrap()
        .token
        .unwrap();
    let again = call!(tokens, revoke_token, request).unwrap().token.unwrap();
    assert!(revoked.revoke_time.is_some());
    assert_eq!(again, revoked, "it keeps its time");
    eventually("it is refused", async || {
        let answer = sources(by(), &ours).await;
        answer
            .is_err()
            .then(|| assert_eq!(refused(answer).1, Some(Reason::TokenUnknown)))
    })
    .await;
    let listed = call!(tokens, list_tokens, ListTokensRequest::default()).unwrap();
    assert_eq!(listed.tokens, [revoked]);
}

#[tokio::test]
async fn a_token_ends_by_itself_and_is_listed_for_three_months() {
    let (mut service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let end = service.now() + DAY;
    let request = CreateTokenRequest {
        expire_time: Some(time(end.timestamp())),
        ..wish("reports", Role::Read, &[])
    };
    let made = call!(tokens(&service), create_token, request).unwrap();
    is_good(&service, &made.secret, &ours).await;
    service.forward(DAY);
    // The list that is as old as that is asked for anew at once.
    eventually("it is past its end", async || {
        let answer = sources(showing(&service, &made.secret), &ours).await;
        answer.err().filter(|status| {
            let reason = reason_of(status);
            [Some(Reason::TokenExpired), Some(Reason::TokenUnknown)].contains(&reason)
        })
    })
    .await;
    let list = async |service: &Service| {
        let listed = call!(tokens(service), list_tokens, ListTokensRequest::default());
        listed.unwrap().tokens.len()
    };
    service.forward(DAY * 89);
    assert_eq!(list(&service).await, 1);
    service.forward(DAY * 2);
    // Whoever starts keeps house at once.
    service.stop().await;
    service.another().await;
    eventually("it is forgotten", async || {
        (list(&service).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_same_request_makes_one_token_and_shows_it_once() {
    let (service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let tokens = tokens(&service);
    let request = CreateTokenRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..wish("reports", Role::Write, &[&ours])
    };
    let made = call!(tokens, create_token, request.clone()).unwrap();
    let again = call!(tokens, create_token, request.clone()).unwrap();
    assert_eq!(made.token, again.token);
    assert_eq!(again.secret, "");
    let other = CreateTokenRequest {
        role: Role::Admin.into(),
        ..request
    };
    let refused = refused(call!(tokens, create_token, other));
    assert_eq!(refused, (Code::AlreadyExists, Some(Reason::RequestIdTaken)));
}

#[tokio::test]
async fn an_administrator_of_some_accounts_makes_and_sees_tokens_of_these_alone() {
    let (service, client) = Service::start().await;
    let (ours, theirs) = (
        tenant(&client, "Ours").await,
        tenant(&client, "Theirs").await,
    );
    let all = tokens(&service);
    let mine = call!(all, create_token, wish("mine", Role::Admin, &[&ours])).unwrap();
    let foreign = call!(all, create_token, wish("foreign", Role::Read, &[&theirs])).unwrap();
    let both = call!(
        all,
        create_token,
        wish("both", Role::Read, &[&ours, &theirs])
    )
    .unwrap();
    is_good(&service, &mine.secret, &ours).await;
    let by_me = TokenServiceClient::new(showing(&service, &mine.secret));

    for (wanted, reason) in [
        (wish("all", Role::Read, &[]), Reason::TokenBeyondCaller),
        (
            wish("theirs", Role::Read, &[&theirs]),
            Reason::AccountForbidden,
        ),
        (
            wish("both", Role::Read, &[&ours, &theirs]),
            Reason::AccountForbidden,
        ),
    ] {
        let refused = refused(call!(by_me, create_token, wanted));
        assert_eq!(refused, (Code::PermissionDenied, Some(reason)));
    }
    let unsaid = CreateTokenRequest {
        all_accounts: false,
        ..wish("unsaid", Role::Write, &[])
    };
    let made = call!(by_me, create_token, unsaid).unwrap().token.unwrap();
    assert_eq!(made.account_ids, std::slice::from_ref(&ours.account_id));
    assert_eq!(made.created_by, "mine");

    let listed = call!(by_me, list_tokens, ListTokensRequest::default()).unwrap();
    let names: Vec<&str> = listed.tokens.iter().map(|token| &*token.name).collect();
    assert_eq!(names, ["mine", "unsaid"]);
    for unseen in [foreign, both] {
        let request = RevokeTokenRequest {
            token_id: unseen.token.unwrap().token_id,
            ..Default::default()
        };
        let refused = refused(call!(by_me, revoke_token, request));
        assert_eq!(refused, (Code::NotFound, Some(Reason::TokenNotFound)));
    }
}

#[tokio::test]
async fn what_a_token_may_not_be_is_said_at_once() {
    let (service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let tokens = tokens(&service);
    let nobody = Tenant {
        account_id: uuid::Uuid::new_v4().to_string(),
        source_id: String::new(),
    };
    for wrong in [
        wish("", Role::Read, &[]),
        wish("a", Role::Service, &[]),
        wish("a", Role::Unspecified, &[]),
        wish("a", Role::Read, &[&nobody]),
        CreateTokenRequest {
            all_accounts: false,
            ..wish("a", Role::Read, &[])
        },
        CreateTokenRequest {
            account_ids: vec!["x".to_owned()],
            all_accounts: false,
            ..wish("a", Role::Read, &[])
        },
        CreateTokenRequest {
            expire_time: Some(time(0)),
            ..wish("a", Role::Read, &[&ours])
        },
        CreateTokenRequest {
            request_id: " ".to_owned(),
            ..wish("a", Role::Read, &[&ours])
        },
    ] {
        let code = refused(call!(tokens, create_token, wrong.clone())).0;
        assert_eq!(code, Code::InvalidArgument, "{wrong:?}");
    }
    assert!(
        call!(tokens, list_tokens, ListTokensRequest::default())
            .unwrap()
            .tokens
            .is_empty()
    );
}

#[tokio::test]
async fn services_hear_of_a_change_and_of_nothing_else() {
    let (service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let tokens = tokens(&service);
    let ask = async |known_version| {
        call!(
            tokens,
            list_live_tokens,
            ListLiveTokensRequest { known_version }
        )
        .unwrap()
    };
    let first = ask(0).await;
    assert!(!first.unchanged && first.tokens.is_empty());
    assert!(ask(first.version).await.unchanged);
    let made = call!(tokens, create_token, wish("reports", Role::Read, &[&ours])).unwrap();
    let id = made.token.unwrap().token_id;
    let second = ask(first.version).await;
    assert!(second.version > first.version);
    let [live] = second.tokens.as_slice() else {
        panic!("{second:?}")
    };
    assert_eq!((&live.token_id, &*live.name), (&id, "reports"));
    let key = HashKey::new(&second.hash_key);
    assert_eq!(&live.hash[..], key.hash(&made.secret));
    assert_eq!(live.account_ids, std::slice::from_ref(&ours.account_id));

    let used = service.now();
    for seconds in [0, -5] {
        let uses = vec![TokenUse {
            token_id: id.clone(),
            use_time: Some(time(used.timestamp() + seconds)),
            ..Default::default()
        }];
        call!(tokens, note_token_uses, NoteTokenUsesRequest { uses }).unwrap();
    }
    let listed = call!(tokens, list_tokens, ListTokensRequest::default()).unwrap();
    assert_eq!(listed.tokens[0].last_use_time, Some(time(used.timestamp())));
    assert!(ask(second.version).await.unchanged, "a use is no change");
}

#[tokio::test]
async fn ten_thousand_tokens_are_good_at_once_and_no_more() {
    let (service, client) = Service::start().await;
    // Once it answers its tables are there.
    tenant(&client, "Demo").await;
    let rows = "INSERT INTO mapping.tokens (token_id, token_hash, name, hint, role, create_time,
            created_by, revoked_by)
        SELECT gen_random_uuid(), sha256(n::text::bytea), 'many', '', 1, now(), '', ''
        FROM generate_series(1, 10000) n";
    let tokens = tokens(&service);
    // It has made its tables when it answers.
    call!(tokens, list_tokens, ListTokensRequest::default()).unwrap();
    service.sql(rows).await;
    let refused = refused(call!(tokens, create_token, wish("more", Role::Read, &[])));
    assert_eq!(refused, (Code::ResourceExhausted, Some(Reason::TokenLimit)));
    let tokens = tokens.max_decoding_message_size(weir_rpc::MAX_MESSAGE);
    let listed = call!(tokens, list_live_tokens, ListLiveTokensRequest::default());
    assert_eq!(listed.unwrap().tokens.len(), 10_000);
}

#[tokio::test]
async fn an_account_that_ends_is_in_no_token_any_more() {
    let (service, client) = Service::start().await;
    let (ours, theirs) = (
        tenant(&client, "Ours").await,
        tenant(&client, "Theirs").await,
    );
    let tokens = tokens(&service);
    for accounts in [&[&ours][..], &[&ours, &theirs], &[]] {
        call!(tokens, create_token, wish("a", Role::Read, accounts)).unwrap();
    }
    let request = weir_proto::mapping::v1::DeleteAccountRequest {
        account_id: ours.account_id.clone(),
        name: "Ours".to_owned(),
        ..Default::default()
    };
    call!(service.configuration(), delete_account, request).unwrap();
    let listed = call!(tokens, list_tokens, ListTokensRequest::default()).unwrap();
    let told = listed.tokens.iter();
    let told: Vec<_> = told
        .map(|one| {
            (
                one.all_accounts,
                one.account_ids.len(),
                one.revoke_time.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [(false, 0, true), (false, 1, false), (true, 0, false)]
    );
    assert_eq!(listed.tokens[0].revoked_by, listed.tokens[0].created_by);
    let recorded = changes(&service, "").await;
    let ended = recorded[0].fields.iter();
    let mut ended = ended.filter(|field| field.field == "tokens_ended");
    let ended = ended.next().and_then(|field| field.after_json.clone());
    let id = &listed.tokens[0].token_id;
    assert_eq!(ended, Some(format!("[\"{id}\"]")));
}
