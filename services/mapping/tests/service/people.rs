//! Who has tokens, folded by name, and the end of all that somebody has (semantics 9.2).

use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use weir_proto::access::v1::token_service_client::TokenServiceClient;
use weir_proto::access::v1::*;
use weir_reasons::Reason;
use weir_rpc::reason_of;
use weir_testkit::eventually;

use crate::call;
use crate::changes::changes;
use crate::harness::{Service, tenant, time};
use crate::tokens::{is_good, showing, sources, tokens, wish};

const HOUR: Duration = Duration::from_secs(3_600);
const REVOKE: &str = "weir.access.v1.TokenService/RevokeTokensByName";

fn of_name(name: &str) -> RevokeTokensByNameRequest {
    RevokeTokensByNameRequest {
        name: name.to_owned(),
        ..Default::default()
    }
}

/// As who signs in by an issuer is given one.
fn for_twelve_hours(service: &Service, wish: CreateTokenRequest) -> CreateTokenRequest {
    CreateTokenRequest {
        expire_time: Some(time((service.now() + 12 * HOUR).timestamp())),
        ..wish
    }
}

async fn people(service: &Service) -> Vec<Person> {
    let tokens = tokens(service);
    let listed = call!(tokens, list_people, ListPeopleRequest::default());
    listed.unwrap().people
}

async fn listed(service: &Service, only_good: bool) -> Vec<Token> {
    let request = ListTokensRequest {
        only_good,
        ..Default::default()
    };
    let tokens = tokens(service);
    call!(tokens, list_tokens, request).unwrap().tokens
}

#[tokio::test]
async fn tokens_of_one_name_are_one_person_with_what_is_good_of_them() {
    let (service, client) = Service::start().await;
    let (ours, theirs) = (
        tenant(&client, "Ours").await,
        tenant(&client, "Theirs").await,
    );
    let tokens = tokens(&service);
    let first = service.now().timestamp();
    let lana = "lana@example.org";
    // An administrator once: what they may now is what counts.
    let admin = for_twelve_hours(&service, wish(lana, Role::Admin, &[]));
    call!(tokens, create_token, admin).unwrap();
    call!(tokens, create_token, wish("gone", Role::Write, &[])).unwrap();
    call!(tokens, revoke_tokens_by_name, of_name("gone")).unwrap();
    service.forward(24 * HOUR);
    let write = for_twelve_hours(&service, wish(lana, Role::Write, &[&ours]));
    let made = call!(tokens, create_token, write).unwrap().token.unwrap();
    service.forward(HOUR);
    let last = service.now().timestamp();
    let read = for_twelve_hours(&service, wish(lana, Role::Read, &[&ours, &theirs]));
    call!(tokens, create_token, read).unwrap();
    call!(tokens, create_token, wish("Reports", Role::Read, &[])).unwrap();
    let used = TokenUse {
        token_id: made.token_id,
        use_time: Some(time(last)),
        ..Default::default()
    };
    let uses = NoteTokenUsesRequest { uses: vec![used] };
    call!(tokens, note_token_uses, uses).unwrap();

    let people = people(&service).await;
    let names: Vec<_> = people.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["Reports", "gone", lana]);
    let [reports, gone, person] = people.as_slice() else {
        panic!("{people:?}")
    };
    assert_eq!((reports.role(), reports.all_accounts), (Role::Read, true));
    assert_eq!((reports.account_count, reports.last_use_time), (0, None));
    assert_eq!(
        (gone.role(), gone.all_accounts, gone.good_token_count),
        (Role::Unspecified, false, 0)
    );
    let mut both = vec![ours.account_id.clone(), theirs.account_id];
    both.sort_unstable();
    assert_eq!((person.role(), person.all_accounts), (Role::Write, false));
    assert_eq!((&person.account_ids, person.account_count), (&both, 2));
    assert_eq!(person.good_token_count, 2, "the third is past its end");
    let seconds = |at: &Option<prost_types::Timestamp>| at.map(|at| at.seconds);
    assert_eq!(seconds(&person.first_create_time), Some(first));
    assert_eq!(seconds(&person.last_create_time), Some(last));
    assert_eq!(seconds(&person.last_use_time), Some(last));

    let good = listed(&service, true).await;
    let names: Vec<_> = good.iter().map(|one| &*one.name).collect();
    assert_eq!(names, [lana, lana, "Reports"]);
    assert_eq!(listed(&service, false).await.len(), 5);
}

#[tokio::test]
async fn people_are_read_page_by_page_and_one_by_name() {
    let (service, client) = Service::start().await;
    tenant(&client, "Demo").await;
    let tokens = tokens(&service);
    // Signs that mean something in a pattern, capitals, what is no ASCII.
    let names = ["%", "Zoë", "_a", "a", "a b", "ä@example.org"];
    for name in names.iter().chain(&names[..2]) {
        call!(tokens, create_token, wish(name, Role::Read, &[])).unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListPeopleRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = call!(tokens, list_people, request).unwrap();
        assert!(page.people.len() <= 2);
        seen.extend(page.people);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let told: Vec<_> = seen
        .iter()
        .map(|one| (&*one.name, one.good_token_count))
        .collect();
    let expected = [("%", 2), ("Zoë", 2), ("_a", 1), ("a", 1), ("a b", 1)];
    assert_eq!(told[..5], expected);
    assert_eq!(told[5..], [("ä@example.org", 1)]);
    let named = |name: &str| ListPeopleRequest {
        name: name.to_owned(),
        ..Default::default()
    };
    let one = call!(tokens, list_people, named("%")).unwrap().people;
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].name, "%");
    let none = call!(tokens, list_people, named("b")).unwrap();
    assert_eq!(none, ListPeopleResponse::default());
    for wrong in ["\0", "a\nb", &"x".repeat(151)] {
        let refused = call!(tokens, list_people, named(wrong)).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong:?}");
        let refused = call!(tokens, revoke_tokens_by_name, of_name(wrong)).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong:?}");
    }
    let refused = call!(tokens, revoke_tokens_by_name, of_name(" ")).unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn who_leaves_is_refused_everywhere_and_the_record_names_each_token() {
    let (service, client) = Service::start().await;
    let ours = tenant(&client, "Ours").await;
    let tokens = tokens(&service);
    let mut secrets = Vec::new();
    for accounts in [&[&ours][..], &[]] {
        let made = call!(tokens, create_token, wish("lana", Role::Write, accounts)).unwrap();
        secrets.push(made.secret);
    }
    let stays = call!(tokens, create_token, wish("lana2", Role::Read, &[])).unwrap();
    for secret in secrets.iter().chain([&stays.secret]) {
        is_good(&service, secret, &ours).await;
    }
    let ended = call!(tokens, revoke_tokens_by_name, of_name(" lana ")).unwrap();
    assert_eq!(ended.revoked_count, 2);
    for secret in &secrets {
        eventually("it is refused", async || {
            let status = sources(showing(&service, secret), &ours).await.err()?;
            (reason_of(&status) == Some(Reason::TokenUnknown)).then_some(())
        })
        .await;
    }
    is_good(&service, &stays.secret, &ours).await;
    let before = listed(&service, false).await;
    let again = call!(tokens, revoke_tokens_by_name, of_name("lana")).unwrap();
    assert_eq!(again.revoked_count, 0);
    assert_eq!(
        listed(&service, false).await,
        before,
        "they keep their time"
    );
    let unknown = call!(tokens, revoke_tokens_by_name, of_name("nobody")).unwrap();
    assert_eq!(unknown.revoked_count, 0);

    for (account, token) in [(&*ours.account_id, &before[0]), ("", &before[1])] {
        let recorded = changes(&service, account).await;
        let ends: Vec<_> = recorded.iter().filter(|one| one.method == REVOKE).collect();
        assert_eq!(ends.len(), 1, "{account}: {recorded:?}");
        assert_eq!(ends[0].thing_id, token.token_id);
        assert_eq!(ends[0].fields[0].field, "revoke_time");
        assert_eq!(token.revoked_by, ends[0].actor.as_ref().unwrap().name);
    }
}

#[tokio::test]
async fn an_administrator_of_some_accounts_sees_and_ends_what_is_good_for_these_alone() {
    let (service, client) = Service::start().await;
    let (ours, theirs) = (
        tenant(&client, "Ours").await,
        tenant(&client, "Theirs").await,
    );
    let all = tokens(&service);
    let mine = call!(all, create_token, wish("mine", Role::Admin, &[&ours])).unwrap();
    for accounts in [&[&ours][..], &[&theirs], &[&ours, &theirs], &[]] {
        call!(all, create_token, wish("lana", Role::Write, accounts)).unwrap();
    }
    call!(all, create_token, wish("foreign", Role::Read, &[&theirs])).unwrap();
    let reads = call!(all, create_token, wish("reads", Role::Write, &[&ours])).unwrap();
    is_good(&service, &mine.secret, &ours).await;
    let by_me = TokenServiceClient::new(showing(&service, &mine.secret));
    let people = call!(by_me, list_people, ListPeopleRequest::default()).unwrap();
    let told = people.people.iter();
    let told: Vec<_> = told
        .map(|one| (&*one.name, one.good_token_count, &one.account_ids[..]))
        .collect();
    let own = std::slice::from_ref(&ours.account_id);
    assert_eq!(
        told,
        [("lana", 1, own), ("mine", 1, own), ("reads", 1, own)]
    );
    for (name, count) in [("lana", 1), ("foreign", 0)] {
        let ended = call!(by_me, revoke_tokens_by_name, of_name(name)).unwrap();
        assert_eq!(ended.revoked_count, count, "{name}");
    }
    let left = listed(&service, true).await;
    assert_eq!(left.iter().filter(|one| one.name == "lana").count(), 3);
    let beyond = RevokeTokensByNameRequest {
        account_ids: vec![theirs.account_id.clone()],
        ..of_name("lana")
    };
    let refused = call!(by_me, revoke_tokens_by_name, beyond).unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::AccountForbidden));

    is_good(&service, &reads.secret, &ours).await;
    let low = TokenServiceClient::new(showing(&service, &reads.secret));
    let refused = call!(low, revoke_tokens_by_name, of_name("lana")).unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::RoleTooLow));
    let refused = call!(low, list_people, ListPeopleRequest::default()).unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::RoleTooLow));
}

#[tokio::test]
async fn a_token_that_is_made_meanwhile_is_ended_or_made_behind_and_never_half() {
    let (service, client) = Service::start().await;
    tenant(&client, "Demo").await;
    let tokens = tokens(&service);
    for _ in 0..3 {
        call!(tokens, create_token, wish("lana", Role::Read, &[])).unwrap();
    }
    let before = listed(&service, false).await;
    let mut callers = JoinSet::new();
    for number in 0..12 {
        let tokens = tokens.clone();
        callers.spawn(async move {
            if number % 4 > 0 {
                call!(tokens, create_token, wish("lana", Role::Read, &[])).unwrap();
                return 0;
            }
            let ended = call!(tokens, revoke_tokens_by_name, of_name("lana"));
            ended.unwrap().revoked_count
        });
    }
    let mut ended = 0;
    while let Some(done) = callers.join_next().await {
        ended += usize::try_from(done.unwrap()).unwrap();
    }
    let all = listed(&service, false).await;
    assert_eq!(all.len(), 12);
    let revoked: Vec<_> = all.iter().filter(|one| one.revoke_time.is_some()).collect();
    assert_eq!(revoked.len(), ended, "each is counted once");
    for token in before {
        assert!(revoked.iter().any(|one| one.token_id == token.token_id));
    }
    let rest = call!(tokens, revoke_tokens_by_name, of_name("lana")).unwrap();
    assert_eq!(usize::try_from(rest.revoked_count).unwrap(), 12 - ended);
    let recorded = changes(&service, "").await;
    let ends = recorded.iter().filter(|one| one.method == REVOKE);
    assert_eq!(ends.count(), 12);
}

#[tokio::test]
async fn as_many_tokens_as_there_can_be_are_folded_and_ended_at_once() {
    let (service, client) = Service::start().await;
    tenant(&client, "Demo").await;
    let rows = "INSERT INTO mapping.tokens (token_id, token_hash, name, hint, role, account_ids,
            create_time, created_by, revoked_by)
        SELECT gen_random_uuid(), sha256(n::text::bytea), 'many', '', 1 + n % 2,
            CASE WHEN n <= 100 THEN ARRAY[md5(n::text)::uuid] END, now(), '', ''
        FROM generate_series(1, 10000) n";
    service.sql(rows).await;
    let all = people(&service).await;
    let [many] = all.as_slice() else {
        panic!("{all:?}")
    };
    assert_eq!((many.good_token_count, many.role()), (10_000, Role::Write));
    assert!(many.all_accounts && many.account_ids.is_empty());
    let tokens = tokens(&service);
    service
        .sql("UPDATE mapping.tokens SET account_ids = ARRAY[token_id] WHERE account_ids IS NULL")
        .await;
    let some = people(&service).await;
    assert!(!some[0].all_accounts);
    assert_eq!(some[0].account_ids.len(), 64);
    assert_eq!(some[0].account_count, 10_000);
    service
        .sql("UPDATE mapping.tokens SET account_ids = NULL")
        .await;
    let ended = call!(tokens, revoke_tokens_by_name, of_name("many")).unwrap();
    assert_eq!(ended.revoked_count, 10_000);
    let recorded = "SELECT count(*) FROM mapping.changes WHERE method LIKE '%ByName'";
    assert_eq!(service.count(recorded).await, 10_000);
    assert_eq!(people(&service).await[0].good_token_count, 0);
}
