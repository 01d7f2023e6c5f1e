//! Who is deleted is deleted everywhere, and stays so.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::people_service_server::PeopleServiceServer as ActivityPeople;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::people_service_server::PeopleServiceServer as AudiencePeople;
use weir_proto::contact::v1::*;
use weir_proto::settings::v1::ErasedRows;
use weir_reasons::Reason;
use weir_servers::TestServers;
use weir_testkit::eventually;

use super::*;

/// Activity and audience, as far as they are told of people.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    async fn start() -> (Self, String) {
        let recorder = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = weir_rpc::Server::new("weir.activity.v1.ActivityService")
            .access(weir_testkit::access())
            .service(ActivityPeople::new(recorder.clone()))
            .service(AudiencePeople::new(recorder.clone()));
        tokio::spawn(server.serve(listener, std::future::pending()));
        (recorder, url)
    }

    fn note(&self, what: String) -> Vec<ErasedRows> {
        self.0.lock().unwrap().push(what);
        vec![ErasedRows {
            what: "rows".into(),
            count: 7,
        }]
    }
}

#[tonic::async_trait]
impl activity::people_service_server::PeopleService for Recorder {
    async fn split_contacts(
        &self,
        _: Request<activity::SplitContactsRequest>,
    ) -> Result<Response<activity::SplitContactsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
    async fn erase_contacts(
        &self,
        request: Request<activity::EraseContactsRequest>,
    ) -> Result<Response<activity::EraseContactsResponse>, Status> {
        let request = request.into_inner();
        let mut values: Vec<&str> = request.identifiers.iter().map(|one| &*one.value).collect();
        values.sort_unstable();
        let rows = self.note(format!("activity {} {values:?}", request.contact_ids.len()));
        Ok(Response::new(activity::EraseContactsResponse { rows }))
    }
}

#[tonic::async_trait]
impl audience::people_service_server::PeopleService for Recorder {
    async fn split_contacts(
        &self,
        _: Request<audience::SplitContactsRequest>,
    ) -> Result<Response<audience::SplitContactsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
    async fn erase_contacts(
        &self,
        request: Request<audience::EraseContactsRequest>,
    ) -> Result<Response<audience::EraseContactsResponse>, Status> {
        let request = request.into_inner();
        let rows = self.note(format!("audience {}", request.contact_ids.len()));
        Ok(Response::new(audience::EraseContactsResponse { rows }))
    }
}

const TABLES: [&str; 7] = [
    "contacts",
    "identifiers",
    "receipts",
    "kept_removes",
    "merges",
    "deletions",
    "erasures",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_deleted_here_at_once_and_late_retries_do_not_bring_him_back() {
    let service = Service::start().await;
    let events = || {
        vec![
            identify(1, ("-", "gone-a"), r#"{"str::email":"gone1@x.org"}"#),
            identify(2, ("gone-u", "-"), r#"{"str::email":"gone2@x.org"}"#),
            identify(
                3,
                ("gone-u", "gone-b"),
                r#"{"str::email":"gone1@x.org","str::first":"Gone"}"#,
            ),
            track(4, ("gone-u", "-"), r#"{"str::first":"Goner"}"#),
            undated(5, ("gone-u", "-"), r#"{"str::first":"Gonest"}"#),
            identify(6, ("stays", "-"), r#"{"str::first":"Stays"}"#),
        ]
    };
    service.upsert(events()).await;
    let id = Uuid::now_v7();
    let key = || delete_contact_request::Key::UserId("gone-u".into());
    let deletion = service.delete(id, key()).await.unwrap();
    let count = |what: &str| {
        let rows = deletion.rows.iter().filter_map(|row| row.rows.as_ref());
        rows.filter(|row| row.what == what)
            .map(|row| row.count)
            .sum::<i64>()
    };
    assert_eq!((count("contacts"), count("merges")), (2, 1));
    assert_eq!(
        service.delete(id, key()).await.unwrap(),
        deletion,
        "the same request"
    );
    let other = delete_contact_request::Key::UserId("stays".into());
    let refused = service.delete(id, other).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(reason(&refused), Some(Reason::RequestIdTaken));
    assert!(
        deletion.done_time.is_none(),
        "nobody else could be told yet"
    );
    let client = service.sql().await;
    for table in TABLES.iter().filter(|table| **table != "erasures") {
        let query = format!("SELECT row_to_json(t)::text FROM {table} AS t");
        for row in client.query(&query, &[]).await.unwrap() {
            let text: String = row.get(0);
            assert!(
                !text.contains("gone") && !text.contains("Gone"),
                "{table}: {text}"
            );
        }
    }

    let late = service.upsert(events()).await;
    let deleted = UpsertStatus::Deleted;
    // The last one's repeat is one, and the undated one was received before.
    assert_eq!(
        statuses(&late),
        [deleted, deleted, deleted, deleted, deleted, Repeated]
    );
    assert_eq!(late.units, 0);
    assert_eq!(
        service.find(user("gone-u")).await.unwrap_err().code(),
        Code::NotFound
    );
    // What happened later is of somebody new.
    let ahead = chrono::Utc::now().timestamp() - FIRST_SECOND + 60;
    let later = service
        .upsert(vec![identify(
            ahead,
            ("gone-u", "-"),
            r#"{"str::first":"New"}"#,
        )])
        .await;
    assert_eq!(statuses(&later), [Stored]);
    assert_ne!(contact_id(&later, 0), deletion.contact_id);
    let late = service
        .upsert(vec![identify(7, ("gone-u", "-"), r#"{"str::last":"Old"}"#)])
        .await;
    assert_eq!(statuses(&late), [deleted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_asked_for_again_is_the_one_that_was_done_and_no_other() {
    use delete_contact_request::Key;
    let service = Service::start().await;
    let email = r#"{"str::email":"again@x.org"}"#;
    let person = || identify(1, ("again-u", "again-a"), email);
    let visitor = identify(1, ("-", "again-b"), "{}");
    let made = service.upsert(vec![person(), visitor]).await;
    let [contact, merged] = [0, 1].map(|at| contact_id(&made, at));
    service.join(&contact, &merged, false).await.unwrap();
    let id = Uuid::now_v7();
    let deletion = service.delete(id, Key::UserId("again-u".into())).await;
    let deletion = deletion.unwrap();
    // Its answer is lost, and the person is heard of again before it is asked for once more.
    let ahead = chrono::Utc::now().timestamp() - FIRST_SECOND + 60;
    let later = identify(ahead, ("again-u", "again-a"), email);
    let later = service.upsert(vec![later]).await;
    assert_eq!(statuses(&later), [Stored]);
    let field = |value: &str| FieldKey {
        field_id: "str::email".into(),
        value: value.into(),
    };
    for same in [
        Key::UserId("again-u".into()),
        Key::AnonymousId("again-b".into()),
        Key::Field(field("AGAIN@x.org")),
        Key::ContactId(contact.clone()),
        Key::ContactId(merged.clone()),
    ] {
        assert_eq!(service.delete(id, same).await.unwrap(), deletion);
    }
    let stays = service.user("again-u").await.contact_id;
    assert_eq!(stays, contact_id(&later, 0));
    for other in [
        Key::UserId("nobody".into()),
        Key::AnonymousId("again-u".into()),
        Key::Field(field("nobody@x.org")),
        Key::ContactId(Uuid::now_v7().to_string()),
        Key::ContactId(stays.clone()),
    ] {
        let refused = service.delete(id, other.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), Some(Reason::RequestIdTaken), "{other:?}");
    }

    // When nothing says any more by what the person was known, only who is there is another.
    let client = service.sql().await;
    for forget in [
        "DELETE FROM deletions WHERE account_id = $1",
        "UPDATE erasures SET request_time = request_time - interval '30 days'
         WHERE account_id = $1",
    ] {
        client.execute(forget, &[&service.account]).await.unwrap();
    }
    let refused = service.delete(id, Key::UserId("again-u".into())).await;
    assert_eq!(reason(&refused.unwrap_err()), Some(Reason::RequestIdTaken));
    let gone = Key::AnonymousId("again-b".into());
    let receipt = service.delete(id, gone).await.unwrap();
    assert_eq!(receipt.deletion_id, deletion.deletion_id);
}

/// Activity may hear of the new one before it has heard of the deletion, and takes the newest.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_known_after_a_deletion_outranks_those_who_were_deleted() {
    let service = Service::start().await;
    let mut versions = Vec::new();
    for life in 0..4 {
        let ahead = chrono::Utc::now().timestamp() - FIRST_SECOND + 60 + life;
        let email = r#"{"str::email":"again@x.org"}"#;
        let both = vec![
            identify(ahead, ("again-u", "-"), email),
            identify(ahead, ("-", "again-a"), "{}"),
        ];
        // The merge moves the id once more.
        let merge = vec![identify(ahead + 1, ("again-u", "again-a"), email)];
        for events in [both, merge] {
            service.upsert(events).await;
            let known = "SELECT version FROM identifiers
                         WHERE account_id = $1 AND value = 'again-a'";
            versions.push(service.count(known).await);
        }
        let key = delete_contact_request::Key::UserId("again-u".into());
        service.delete(Uuid::now_v7(), key).await.unwrap();
    }
    assert!(
        versions.is_sorted_by(|one, next| one < next),
        "{versions:?}"
    );
    // Events of the next seconds need not be compared with what was deleted.
    let ahead = "SELECT count(*) FROM accounts WHERE account_id = $1 AND last_delete_time > now()";
    assert_eq!(service.count(ahead).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_told_until_all_have_done_it_and_then_names_nobody() {
    let database = TestServers::shared().await.fresh_database().await;
    let nobody = "http://127.0.0.1:1";
    let mut service = Service::start_in(database.clone(), nobody, nobody).await;
    service
        .upsert(vec![identify(
            1,
            ("u1", "a1"),
            r#"{"str::email":"gone@x.org"}"#,
        )])
        .await;
    let id = Uuid::now_v7();
    let key = delete_contact_request::Key::AnonymousId("a1".into());
    service.delete(id, key).await.unwrap();
    // Whoever was to tell it ends before anybody was told.
    service.begin_stop();
    let (recorder, url) = Recorder::start().await;
    let mut next = Service::start_in(database, &url, &url).await;
    next.account = service.account;
    // What was to be told of it before can't be: its receiver is none.
    let client = next.sql().await;
    client
        .execute("DELETE FROM outbox WHERE account_id = $1", &[&next.account])
        .await
        .unwrap();
    eventually("the deletion is done", async || {
        let deletion = next.deletion(id).await;
        deletion.done_time.is_some().then_some(deletion)
    })
    .await;
    let told = recorder.0.lock().unwrap().clone();
    let expected = [r#"activity 1 ["a1", "u1"]"#, "audience 1"];
    assert_eq!(
        told,
        [expected, expected].concat(),
        "twice: what was under way as well"
    );
    let mut forgotten = next.others.erased();
    forgotten.sort();
    assert_eq!(
        forgotten,
        ["a1", "a1", "gone@x.org", "gone@x.org", "u1", "u1"]
    );
    let deletion = next.deletion(id).await;
    let counts: Vec<(String, String, i64)> = deletion
        .rows
        .into_iter()
        .map(|row| {
            (
                row.service,
                row.rows.clone().unwrap().what,
                row.rows.unwrap().count,
            )
        })
        .filter(|row| row.0 != "contact")
        .collect();
    let row = |service: &str, what: &str, count| (service.into(), what.into(), count);
    let expected = [
        row("activity", "rows", 7),
        row("audience", "rows", 7),
        row("mapping", "samples", 2),
    ];
    assert_eq!(counts, expected);
    let kept = "SELECT count(*) FROM erasures WHERE account_id = $1 AND payload IS NULL";
    assert_eq!(next.count(kept).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_knows_is_deleted_by_an_id_and_by_nothing_else() {
    use delete_contact_request::Key;
    let service = Service::start().await;
    service.upsert(vec![find(1, ("unknown", "-"))]).await;
    let deletion = service
        .delete(Uuid::now_v7(), Key::UserId("unknown".into()))
        .await
        .unwrap();
    assert!(deletion.contact_id.is_empty());
    for table in ["kept_removes", "identifiers"] {
        let rows = format!("SELECT count(*) FROM {table} WHERE account_id = $1");
        assert_eq!(service.count(&rows).await, 0, "{table}");
    }
    for key in [
        Key::ContactId(Uuid::now_v7().to_string()),
        Key::Field(FieldKey {
            field_id: "str::email".into(),
            value: "nobody@x.org".into(),
        }),
    ] {
        let refused = service.delete(Uuid::now_v7(), key).await.unwrap_err();
        assert_eq!(reason(&refused), Some(Reason::ContactUnknown));
    }
    let request = GetDeletionRequest {
        account_id: service.account.to_string(),
        deletion_id: Uuid::now_v7().to_string(),
    };
    let refused = service
        .people
        .clone()
        .get_deletion(request)
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::DeletionUnknown));
}
