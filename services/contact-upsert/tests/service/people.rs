//! What a person does to contacts: where values came from, merging, splitting, deleting.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::people_service_server::PeopleServiceServer as ActivityPeople;
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::people_service_server::PeopleServiceServer as AudiencePeople;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::*;
use weir_proto::settings::v1::ErasedRows;
use weir_reasons::Reason;
use weir_servers::TestServers;
use weir_testkit::eventually;

use crate::harness::*;

impl Service {
    async fn join(&self, one: &str, other: &str, two: bool) -> Result<String, Status> {
        self.join_as(Uuid::now_v7(), one, other, two).await
    }

    async fn join_as(
        &self,
        request: Uuid,
        one: &str,
        other: &str,
        allow_two_user_ids: bool,
    ) -> Result<String, Status> {
        let request = MergeContactsRequest {
            account_id: self.account.to_string(),
            request_id: request.to_string(),
            contact_id: one.to_owned(),
            other_contact_id: other.to_owned(),
            allow_two_user_ids,
        };
        let answer = self.people.clone().merge_contacts(request).await?;
        Ok(answer.into_inner().merge_id)
    }

    async fn split(&self, merge: &str) -> Result<SplitContactResponse, Status> {
        let request = SplitContactRequest {
            account_id: self.account.to_string(),
            merge_id: merge.to_owned(),
        };
        Ok(self
            .people
            .clone()
            .split_contact(request)
            .await?
            .into_inner())
    }

    async fn merges(&self, contact: &str) -> Vec<Merge> {
        let request = ListMergesRequest {
            account_id: self.account.to_string(),
            contact_id: contact.to_owned(),
            ..ListMergesRequest::default()
        };
        self.people
            .clone()
            .list_merges(request)
            .await
            .unwrap()
            .into_inner()
            .merges
    }

    async fn delete(
        &self,
        request: Uuid,
        key: delete_contact_request::Key,
    ) -> Result<Deletion, Status> {
        let request = DeleteContactRequest {
            account_id: self.account.to_string(),
            request_id: request.to_string(),
            key: Some(key),
        };
        let answer = self.people.clone().delete_contact(request).await?;
        Ok(answer.into_inner().deletion.unwrap())
    }

    async fn deletion(&self, deletion: Uuid) -> Deletion {
        let request = GetDeletionRequest {
            account_id: self.account.to_string(),
            deletion_id: deletion.to_string(),
        };
        let answer = self.people.clone().get_deletion(request).await.unwrap();
        answer.into_inner().deletion.unwrap()
    }

    async fn id(&self, key: Key) -> String {
        self.find(key).await.unwrap().contact_id
    }
}

fn user(id: &str) -> Key {
    Key::UserId(id.to_owned())
}

fn visitor(id: &str) -> Key {
    Key::AnonymousId(id.to_owned())
}

fn reason(refused: &Status) -> Option<Reason> {
    weir_rpc::reason_of(refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_says_on_request_where_its_values_came_from() {
    let service = Service::start().await;
    let other = "018f3e6a-7c1b-7d2a-9a3e-000000000002";
    service
        .upsert(vec![identify(
            1,
            ("u1", "-"),
            r#"{"str::first":"A","str::last":"X"}"#,
        )])
        .await;
    let mut batch = service.batch(vec![
        identify(2, ("u1", "-"), r#"{"str::first":"B"}"#),
        identify(3, ("u1", "-"), r#"{"str::first":"B","str::last":null}"#),
        identify(4, ("u1", "-"), r#"{"str::last":"Y"}"#),
    ]);
    batch.source_id = other.to_owned();
    service.send(batch).await.unwrap();
    let request = GetContactRequest {
        account_id: service.account.to_string(),
        key: Some(user("u1")),
        show_provenance: true,
    };
    let found = service.client.clone().get_contact(request).await.unwrap();
    let fields = found.into_inner().contact.unwrap().fields;
    let told = fields.into_iter().map(|field| {
        let provenance = field.provenance.unwrap();
        let replaced = provenance.replaced_value.and_then(|value| value.kind);
        let replaced = match replaced {
            Some(value::Kind::Text(text)) => text,
            None => String::new(),
            other => panic!("{other:?}"),
        };
        let cleared = provenance.replaced_clearing;
        (
            field.field_id,
            provenance.message_id,
            provenance.source_id,
            replaced,
            cleared,
        )
    });
    let told: Vec<_> = told.collect();
    let row = |field: &str, message: &str, replaced: &str, cleared| {
        (
            field.into(),
            message.into(),
            other.into(),
            replaced.into(),
            cleared,
        )
    };
    let expected = [
        row("str::first", "m3", "A", false),
        row("str::last", "m4", "", true),
    ];
    assert_eq!(told, expected);
    // Nobody who does not ask is told.
    assert!(
        service
            .user("u1")
            .await
            .fields
            .iter()
            .all(|field| field.provenance.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_contacts_are_merged_by_hand_as_the_preview_said_and_split_again() {
    let service = Service::start().await;
    let made = service
        .upsert(vec![
            identify(
                1,
                ("u1", "a1"),
                r#"{"str::email":"one@x.org","str::first":"A"}"#,
            ),
            identify(
                2,
                ("u2", "a2"),
                r#"{"str::email":"two@x.org","str::last":"Y"}"#,
            ),
        ])
        .await;
    let (one, two) = (contact_id(&made, 0), contact_id(&made, 1));
    let before = [service.user("u1").await, service.user("u2").await];
    let request = PreviewMergeRequest {
        account_id: service.account.to_string(),
        contact_id: two.clone(),
        other_contact_id: one.clone(),
    };
    let preview = service
        .people
        .clone()
        .preview_merge(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (&preview.survivor_contact_id, &preview.merged_contact_id),
        (&one, &two)
    );
    let losing: Vec<&str> = preview
        .fields
        .iter()
        .filter(|field| field.loses)
        .map(|field| &*field.field_id)
        .collect();
    assert_eq!(losing, ["str::email"]);
    assert_eq!(preview.gone[0].value, "one@x.org");
    assert!(preview.both_have_user_ids && !preview.are_kept_apart);
    assert_eq!(
        (preview.fields.len(), preview.moved_identifier_count),
        (3, 3)
    );
    assert_eq!(
        service.user("u1").await,
        before[0],
        "a preview changes nothing"
    );

    let refused = service.join(&one, &two, false).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::BothHaveUserIds));
    let id = Uuid::now_v7();
    let merge = service.join_as(id, &one, &two, true).await.unwrap();
    assert_eq!(
        service.join_as(id, &one, &two, true).await.unwrap(),
        merge,
        "done once"
    );
    let refused = service.join(&one, &two, true).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::ContactsAlreadyOne));
    let joined = service.user("u2").await;
    assert_eq!(joined.contact_id, one);
    let values = |contact: &Contact| {
        fields(contact)
            .into_iter()
            .map(|field| field.1)
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&joined), ["two@x.org", "A", "Y"]);

    let listed = service.merges(&one).await;
    assert_eq!(
        (listed.len(), listed[0].can_split, &listed[0].cause),
        (1, true, &None)
    );
    assert_eq!(
        (
            listed[0].merged_fields.len(),
            listed[0].survivor_fields.len()
        ),
        (2, 2)
    );
    assert_eq!(
        (listed[0].identifier_count, listed[0].identifiers.len()),
        (3, 3)
    );

    for _ in 0..2 {
        let split = service.split(&merge).await.unwrap();
        assert_eq!(
            (split.contact_id, split.left_out_fields.len()),
            (two.clone(), 0)
        );
    }
    for (id, was) in ["u1", "u2"].iter().zip(&before) {
        let now = service.user(id).await;
        assert_eq!(fields(&now), fields(was));
        assert_eq!(
            (now.contact_id, now.user_ids, now.anonymous_ids),
            (
                was.contact_id.clone(),
                was.user_ids.clone(),
                was.anonymous_ids.clone()
            )
        );
        assert!(now.merged_contact_ids.is_empty());
    }
    let emails = ["one@x.org", "two@x.org"].map(|value| {
        Key::Field(FieldKey {
            field_id: "str::email".into(),
            value: value.into(),
        })
    });
    let [first, second] = emails;
    assert_eq!(
        (service.id(first).await, service.id(second).await),
        (one.clone(), two)
    );
    assert!(service.merges(&one).await[0].split_time.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_holds_on_every_replica_and_the_two_never_rejoin_by_themselves() {
    let service = Service::start().await;
    let replica = service.replica().await;
    service
        .upsert(vec![identify(1, ("-", "a1"), r#"{"str::first":"V"}"#)])
        .await;
    service
        .upsert(vec![identify(2, ("u1", "-"), r#"{"str::last":"P"}"#)])
        .await;
    let joined = service.upsert(vec![identify(3, ("u1", "a1"), "")]).await;
    let survivor = contact_id(&joined, 0);
    // Both have in mind whose the ids are.
    for second in 4..6 {
        for one in [&service, &replica] {
            one.upsert(vec![identify(second, ("-", "a1"), r#"{"str::first":"W"}"#)])
                .await;
        }
    }
    let merge = service.merges(&survivor).await.remove(0);
    assert_eq!(merge.cause.as_ref().unwrap().message_id, "m3");
    assert_eq!(merge.cause.as_ref().unwrap().source_id, SOURCE);
    let split = service.split(&merge.merge_id).await.unwrap();
    assert_ne!(split.contact_id, split.survivor_contact_id);
    for (second, one) in [(7, &replica), (8, &service)] {
        let said = one
            .upsert(vec![identify(
                second,
                ("-", "a1"),
                r#"{"str::last":"Late"}"#,
            )])
            .await;
        assert_eq!(contact_id(&said, 0), service.id(visitor("a1")).await);
        let both = one
            .upsert(vec![identify(
                second + 10,
                ("u1", "a1"),
                r#"{"str::first":"P"}"#,
            )])
            .await;
        assert_eq!(contact_id(&both, 0), service.id(user("u1")).await);
    }
    assert_ne!(
        service.id(user("u1")).await,
        service.id(visitor("a1")).await
    );
    // A person may think better of it.
    let (one, other) = (
        service.id(user("u1")).await,
        service.id(visitor("a1")).await,
    );
    service.join(&one, &other, false).await.unwrap();
    assert_eq!(
        service.id(user("u1")).await,
        service.id(visitor("a1")).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_merges_are_undone_newest_first_and_what_is_gone_is_said() {
    let service = Service::start().await;
    let events = (1..=4).map(|n| identify(n, ("-", &format!("a{n}")), r#"{"str::first":"V"}"#));
    let made = service.upsert(events.collect()).await;
    let ids: Vec<String> = (0..4).map(|n| contact_id(&made, n)).collect();
    let third = service.join(&ids[2], &ids[3], false).await.unwrap();
    let second = service.join(&ids[1], &ids[2], false).await.unwrap();
    let first = service.join(&ids[0], &ids[1], false).await.unwrap();
    assert_eq!(service.merges(&ids[0]).await.len(), 3);
    for (merge, in_the_way) in [(&third, &second), (&second, &first)] {
        let refused = service.split(merge).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), Some(Reason::MergeInTheWay));
        assert_eq!(
            weir_rpc::told(&refused, "merge_id").as_ref(),
            Some(in_the_way)
        );
    }
    let refused = service
        .split(&Uuid::now_v7().to_string())
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::MergeUnknown));
    service.split(&first).await.unwrap();
    assert_eq!(service.id(visitor("a4")).await, ids[1]);
    let client = service.sql().await;
    let aged =
        "UPDATE merges SET identifiers = NULL, before = NULL WHERE merge_id = $1::text::uuid";
    client.execute(aged, &[&second]).await.unwrap();
    let refused = service.split(&second).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::MergeTooOld));
}

/// Activity and audience, as far as they are told of people.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    async fn start() -> (Self, String) {
        let recorder = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = weir_rpc::Server::new("weir.activity.v1.ActivityService")
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
