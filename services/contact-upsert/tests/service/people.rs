//! What a person does to contacts: where values came from, merging, splitting, deleting.

mod corrections;
mod deletion;

use tonic::{Code, Status};
use uuid::Uuid;
use weir_proto::contact::v1::get_contact_request::Key;
use weir_proto::contact::v1::*;
use weir_reasons::Reason;

use crate::harness::*;

impl Service {
    pub async fn join(&self, one: &str, other: &str, two: bool) -> Result<String, Status> {
        self.join_as(Uuid::now_v7(), one, other, two).await
    }

    async fn join_as(
        &self,
        request: impl ToString,
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

    pub async fn preview_merge(&self, one: &str, other: &str) -> PreviewMergeResponse {
        let request = PreviewMergeRequest {
            account_id: self.account.to_string(),
            contact_id: one.to_owned(),
            other_contact_id: other.to_owned(),
        };
        let answer = self.people.clone().preview_merge(request).await;
        answer.unwrap().into_inner()
    }

    pub async fn split(&self, merge: &str) -> Result<SplitContactResponse, Status> {
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

    pub async fn merges(&self, contact: &str) -> Vec<Merge> {
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

    pub async fn delete(
        &self,
        request: impl ToString,
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

    pub async fn deletion(&self, deletion: Uuid) -> Deletion {
        let request = GetDeletionRequest {
            account_id: self.account.to_string(),
            deletion_id: deletion.to_string(),
        };
        let answer = self.people.clone().get_deletion(request).await.unwrap();
        answer.into_inner().deletion.unwrap()
    }

    pub async fn id(&self, key: Key) -> String {
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

async fn check_preview(service: &Service, one: &str, two: &str) {
    let preview = service.preview_merge(two, one).await;
    assert_eq!(
        (&*preview.survivor_contact_id, &*preview.merged_contact_id),
        (one, two)
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
}

async fn check_history(service: &Service, one: &str) {
    let listed = service.merges(one).await;
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
    check_preview(&service, &one, &two).await;
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

    check_history(&service, &one).await;
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
    let taken: Uuid = third.parse().unwrap();
    let refused = service.join_as(taken, &ids[0], &ids[1], false).await;
    assert_eq!(reason(&refused.unwrap_err()), Some(Reason::RequestIdTaken));
    let again = service.join_as(taken, &ids[3], &ids[2], false).await;
    assert_eq!(again.unwrap(), third);
    let second = service.join(&ids[1], &ids[2], false).await.unwrap();
    let first = service.join(&ids[0], &ids[1], false).await.unwrap();
    assert_eq!(service.merges(&ids[0]).await.len(), 3);
    for (merge, in_the_way) in [(&third, &second), (&second, &first)] {
        let refused = service.split(merge).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), Some(Reason::MergeInTheWay));
        assert!(refused.message().contains(in_the_way), "{refused}");
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

/// Semantics 9.5.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_and_a_deletion_are_known_again_by_any_text() {
    let service = Service::start().await;
    let events = (1..=2).map(|n| identify(n, ("-", &format!("a{n}")), r#"{"str::first":"V"}"#));
    let made = service.upsert(events.collect()).await;
    let (one, other) = (contact_id(&made, 0), contact_id(&made, 1));
    let merge = service
        .join_as("ours-1", &one, &other, false)
        .await
        .unwrap();
    let again = service.join_as("ours-1", &other, &one, false).await;
    assert_eq!(again.unwrap(), merge);
    let key = || delete_contact_request::Key::AnonymousId("a1".into());
    let deletion = service.delete("case 17", key()).await.unwrap();
    let again = service.delete("case 17", key()).await.unwrap();
    assert_eq!(again.deletion_id, deletion.deletion_id);
    for bad in ["", " ", &"x".repeat(101)] {
        let refused = service.delete(bad, key()).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad:?}");
    }
}
