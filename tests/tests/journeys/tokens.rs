//! A token of a team (semantics 9.2) and the record of what was done with it (9.5), through the
//! processes that run.

use std::collections::BTreeMap;

use tonic::{Code, Status};
use weir_proto::access::v1::change_service_client::ChangeServiceClient;
use weir_proto::access::v1::{ChangedThing, ListChangesRequest};
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::contact::v1::contact_service_client::ContactServiceClient;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::quota::v1::quota_service_client::QuotaServiceClient;
use weir_proto::{activity, audience, contact, mapping, quota};
use weir_stack::{Channel, Service, Shown};
use weir_tests::front_door::{run, said};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone};

fn showing(weir: &Weir, service: Service, token: &str) -> Channel {
    let channel = tonic::transport::Endpoint::from_shared(weir.stack.url(service));
    Shown::token(token)
        .unwrap()
        .by(channel.unwrap().connect_lazy())
}

/// What each service says to whoever looks at an account.
async fn looks(weir: &Weir, token: &str, account_id: &str) -> BTreeMap<&'static str, Code> {
    let by = |service| showing(weir, service, token);
    let account_id = || account_id.to_owned();
    let code = |answer: Result<(), Status>| answer.err().map_or(Code::Ok, |status| status.code());
    let sources = mapping::v1::ListSourcesRequest {
        account_id: account_id(),
        ..Default::default()
    };
    let contacts = contact::v1::ListContactsRequest {
        account_id: account_id(),
        ..Default::default()
    };
    let activities = activity::v1::ListActivitiesRequest {
        account_id: account_id(),
        contact_id: uuid::Uuid::from_u128(1).to_string(),
        ..Default::default()
    };
    let audiences = audience::v1::ListAudiencesRequest {
        account_id: account_id(),
        ..Default::default()
    };
    let usage = quota::v1::GetUsageRequest {
        account_id: account_id(),
        ..Default::default()
    };
    let (mut mapping, mut contact) = (
        MappingServiceClient::new(by(Service::Mapping)),
        ContactServiceClient::new(by(Service::ContactUpsert)),
    );
    let mut activity = ActivityServiceClient::new(by(Service::Activity));
    let mut audience = AudienceServiceClient::new(by(Service::Audience));
    let mut quota = QuotaServiceClient::new(by(Service::Quota));
    BTreeMap::from([
        (
            "mapping",
            code(mapping.list_sources(sources).await.map(drop)),
        ),
        (
            "contact",
            code(contact.list_contacts(contacts).await.map(drop)),
        ),
        (
            "activity",
            code(activity.list_activities(activities).await.map(drop)),
        ),
        (
            "audience",
            code(audience.list_audiences(audiences).await.map(drop)),
        ),
        ("quota", code(quota.get_usage(usage).await.map(drop))),
    ])
}

/// Of services that let whoever calls in; that what is asked for is not there is an answer.
fn let_in(codes: &BTreeMap<&str, Code>) -> usize {
    let refused = [
        Code::Unauthenticated,
        Code::PermissionDenied,
        Code::Unavailable,
    ];
    codes
        .values()
        .filter(|code| !refused.contains(code))
        .count()
}

fn refused(codes: &BTreeMap<&str, Code>, with: Code) -> usize {
    codes.values().filter(|code| **code == with).count()
}

#[test]
fn a_token_is_made_used_and_revoked_and_what_was_done_with_it_is_written_down() {
    journey_alone(async |weir| {
        let ours = Account::create(weir, Plan::default()).await;
        let theirs = Account::create(weir, Plan::default()).await;
        let create = [
            "token",
            "create",
            "reports",
            "--role",
            "read",
            "--account",
            &ours.name,
            "--expires",
            "90d",
        ];
        let made = run(weir, &create).await;
        assert!(made.status.success(), "{}", said(&made));
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        assert!(token.starts_with("weir_") && token.len() == 48, "one line");

        eventually("every service lets it in", async || {
            (let_in(&looks(weir, &token, &ours.account_id).await) == 5).then_some(())
        })
        .await;
        let foreign = looks(weir, &token, &theirs.account_id).await;
        assert_eq!(refused(&foreign, Code::PermissionDenied), 5, "{foreign:?}");
        let rename = mapping::v1::RenameSourceRequest {
            account_id: ours.account_id.clone(),
            source_id: ours.source_id.clone(),
            name: "Other".to_owned(),
        };
        let channel = showing(weir, Service::Mapping, &token);
        let mut configuration =
            mapping::v1::configuration_service_client::ConfigurationServiceClient::new(channel);
        let written = configuration.rename_source(rename).await.unwrap_err();
        assert_eq!(written.code(), Code::PermissionDenied);

        // Without mapping the others go by what they know.
        weir.stack.stop_process("mapping").await.unwrap();
        let alone = looks(weir, &token, &ours.account_id).await;
        assert_eq!(refused(&alone, Code::Unauthenticated), 0, "{alone:?}");
        weir.stack.start_process("mapping").await.unwrap();
        eventually("mapping is back", async || {
            (let_in(&looks(weir, &token, &ours.account_id).await) == 5).then_some(())
        })
        .await;

        let listed = run(weir, &["token", "list"]).await;
        assert!(said(&listed).contains("reports"), "{}", said(&listed));
        assert!(!said(&listed).contains(&token));
        let revoked = run(weir, &["token", "revoke", "reports"]).await;
        assert!(revoked.status.success(), "{}", said(&revoked));
        eventually("every service refuses it", async || {
            let codes = looks(weir, &token, &ours.account_id).await;
            (refused(&codes, Code::Unauthenticated) == 5).then_some(())
        })
        .await;
        let again = run(weir, &["token", "revoke", "reports"]).await;
        assert_eq!(again.status.code(), Some(2), "{}", said(&again));
        its_record_is_there(weir, &ours).await;
        who_leaves_has_nothing_left(weir).await;
    });
}

/// All that somebody has ends at once, and is in the list of those that ended alone.
async fn who_leaves_has_nothing_left(weir: &'static Weir) {
    for role in ["read", "write"] {
        let made = run(weir, &["token", "create", "leaves", "--role", role]).await;
        assert!(made.status.success(), "{}", said(&made));
    }
    let one = run(weir, &["token", "revoke", "leaves"]).await;
    assert_eq!(one.status.code(), Some(2), "{}", said(&one));
    assert!(said(&one).contains("`--all`"), "{}", said(&one));
    let ended = run(weir, &["token", "revoke", "leaves", "--all"]).await;
    let told = said(&ended);
    assert!(told.contains("2 tokens of leaves are revoked."), "{told}");
    let again = run(weir, &["token", "revoke", "leaves", "--all"]).await;
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    let good = run(weir, &["token", "list"]).await;
    assert!(!said(&good).contains("leaves"), "{}", said(&good));
    let all = run(weir, &["token", "list", "--all"]).await;
    assert_eq!(said(&all).matches("leaves").count(), 2, "{}", said(&all));
}

/// A team configures and reads its account by name, with a token for it alone (semantics 9.2).
#[test]
fn a_token_of_one_account_works_by_that_accounts_name() {
    journey_alone(async |weir| {
        let ours = Account::create(weir, Plan::default()).await;
        let theirs = Account::create(weir, Plan::default()).await;
        let (our_name, their_name) = (ours.name.as_str(), theirs.name.as_str());
        let create = ["token", "create", "team", "--role", "write", "--account"];
        let made = run(weir, &[&create[..], &[our_name]].concat()).await;
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let as_team = async |words: &[&str]| {
            let shown = ["--token", token.as_str()];
            run(weir, &[words, &shown[..]].concat()).await
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("weir.yaml").display().to_string();

        let exported = eventually("it is let in", async || {
            let exported = as_team(&["export-config", "--account", our_name]).await;
            exported.status.success().then_some(exported)
        })
        .await;
        let text = String::from_utf8(exported.stdout).unwrap();
        std::fs::write(&file, &text).unwrap();
        let planned = as_team(&["plan", &file]).await;
        assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
        // A new source, with a key that is given, is asked about as well.
        let key = format!("given-key-{}", uuid::Uuid::new_v4().simple());
        let sources = "  sources:\n";
        assert!(text.contains(sources), "{text}");
        let team = format!("  - name: Team\n    kind: segment_classic\n    key: {key}\n");
        let more = text.replacen(sources, &format!("{sources}{team}"), 1);
        std::fs::write(&file, more).unwrap();
        let planned = as_team(&["plan", &file]).await;
        assert_eq!(planned.status.code(), Some(3), "{}", said(&planned));
        let applied = as_team(&["apply", &file]).await;
        assert!(applied.status.success(), "{}", said(&applied));
        let contacts = as_team(&["export", "contacts", "--account", our_name]).await;
        assert!(contacts.status.success(), "{}", said(&contacts));

        let foreign = as_team(&["export", "contacts", "--account", their_name]).await;
        assert_eq!(foreign.status.code(), Some(2), "{}", said(&foreign));
        let named = format!("may not touch the account {their_name:?}");
        assert!(said(&foreign).contains(&named), "{}", said(&foreign));
        let both = text.replacen(our_name, their_name, 1);
        std::fs::write(&file, both).unwrap();
        let planned = as_team(&["plan", &file]).await;
        assert_eq!(planned.status.code(), Some(1), "{}", said(&planned));
        assert!(said(&planned).contains(&named), "{}", said(&planned));
    });
}

async fn its_record_is_there(weir: &Weir, account: &Account) {
    account.audience("Newsletter").await;
    let channel = weir.stack.channel(Service::Mapping);
    let request = ListChangesRequest {
        account_id: account.account_id.clone(),
        page_size: 1_000,
        ..Default::default()
    };
    let listed = ChangeServiceClient::new(channel)
        .list_changes(request)
        .await;
    let changes = listed.unwrap().into_inner().changes;
    assert!(changes.is_sorted_by(|one, other| one.change_id > other.change_id));
    let of = |thing: ChangedThing| changes.iter().filter(move |change| change.thing() == thing);
    assert_eq!(of(ChangedThing::Token).count(), 2, "made and revoked");
    assert_eq!(of(ChangedThing::Audience).count(), 1);
    let revoked = of(ChangedThing::Token).next().unwrap();
    assert_eq!(revoked.method, "weir.access.v1.TokenService/RevokeToken");
    assert_eq!(revoked.actor.as_ref().unwrap().name, "administrator");
}
