//! New unique identifiers for contacts that are there (semantics 3.2).

use std::sync::Arc;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;
use weir_proto::contact::v1::{
    ContactEvent, GetReindexRequest, GetUniqueIdentifiersRequest, PreviewReindexRequest,
    PreviewReindexResponse, Reindex, ReindexState, StartReindexRequest, UpsertContactsRequest,
    VersionedIdentifiers,
};
use weir_proto::mapping::v1::{Account, Field, ValueType};
use weir_proto::settings::v1::{BlockedValue, BlockedValues, KeyStrategy};
use weir_reasons::Reason;
use weir_rpc::reason_of;
use weir_testkit::eventually;

use crate::harness::*;

fn phone(number: usize) -> String {
    format!(r#"{{"phn::phone":"+614000{number:05}"}}"#)
}

impl Service {
    /// As mapping has the account.
    pub fn set_up(&self) {
        let blocked = BlockedValue {
            pattern: "+61400099999".to_owned(),
            kind: "phn::phone".to_owned(),
        };
        let account = Account {
            name: "Demo".to_owned(),
            unique_identifiers: vec!["str::email".to_owned()],
            key_strategy: KeyStrategy::Any.into(),
            blocked_values: Some(BlockedValues {
                blocked: vec![blocked],
                allowed_defaults: Vec::new(),
            }),
            ..Account::default()
        };
        let field = |id: &str, value_type: ValueType| Field {
            field_id: id.to_owned(),
            r#type: value_type.into(),
            ..Field::default()
        };
        let fields = vec![
            field("str::email", ValueType::Email),
            field("phn::phone", ValueType::Phone),
            field("str::ei", ValueType::Text),
            field("dtz::b", ValueType::Date),
        ];
        self.others.set_up(self.account, account, fields);
    }

    pub async fn preview(&self, fields: &[&str]) -> Result<PreviewReindexResponse, Status> {
        let request = PreviewReindexRequest {
            account_id: self.account.to_string(),
            unique_identifiers: fields.iter().map(|field| (*field).to_owned()).collect(),
            key_strategy: KeyStrategy::Any.into(),
        };
        let answer = self.identity.clone().preview_reindex(request).await?;
        Ok(answer.into_inner())
    }

    pub async fn reindex(&self, fields: &[&str]) -> Result<Reindex, Status> {
        self.reindex_as("", fields).await
    }

    async fn reindex_as(&self, request_id: &str, fields: &[&str]) -> Result<Reindex, Status> {
        let request = StartReindexRequest {
            account_id: self.account.to_string(),
            unique_identifiers: fields.iter().map(|field| (*field).to_owned()).collect(),
            key_strategy: KeyStrategy::Any.into(),
            request_id: request_id.to_owned(),
        };
        let answer = self.identity.clone().start_reindex(request).await?;
        Ok(answer.into_inner().reindex.unwrap())
    }

    async fn last_run(&self) -> Result<Reindex, Status> {
        let account_id = self.account.to_string();
        let request = GetReindexRequest { account_id };
        let answer = self.identity.clone().get_reindex(request).await?;
        Ok(answer.into_inner().reindex.unwrap())
    }

    pub async fn done(&self) -> Reindex {
        eventually("the run is done", async || {
            let run = self.last_run().await.unwrap();
            (run.state() == ReindexState::Done).then_some(run)
        })
        .await
    }

    async fn identifiers(&self) -> VersionedIdentifiers {
        let account_id = self.account.to_string();
        let request = GetUniqueIdentifiersRequest { account_id };
        let answer = self.client.clone().get_unique_identifiers(request).await;
        answer.unwrap().into_inner().identifiers.unwrap()
    }

    /// As it is mapped by what stands.
    fn under(
        &self,
        stand: &VersionedIdentifiers,
        events: Vec<ContactEvent>,
    ) -> UpsertContactsRequest {
        let mut fields = stand.unique_identifiers.clone();
        fields.extend(stand.next_unique_identifiers.iter().cloned());
        fields.dedup();
        UpsertContactsRequest {
            unique_identifiers: fields,
            identifiers_version: stand.version,
            ..self.batch(events)
        }
    }

    /// Each live contact's phone, but for a blocked one, has its row, and each row such a contact.
    async fn check_phones(&self) {
        let without = "
            SELECT count(*) FROM contacts c WHERE account_id = $1 AND redirect_to IS NULL
              AND fields->>'phn::phone' <> '+61400099999' AND NOT EXISTS (
                SELECT FROM identifiers i WHERE i.account_id = $1 AND i.kind = 'phn::phone'
                  AND i.value = c.fields->>'phn::phone' AND i.contact_id = c.contact_id)";
        assert_eq!(self.count(without).await, 0, "values without their row");
        let astray = "
            SELECT count(*) FROM identifiers i WHERE account_id = $1 AND NOT EXISTS (
                SELECT FROM contacts c WHERE c.account_id = $1 AND c.contact_id = i.contact_id
                  AND c.redirect_to IS NULL
                  AND (i.kind IN ('u', 'a') OR c.fields->>i.kind = i.value))";
        assert_eq!(
            self.count(astray).await,
            0,
            "rows that lead to nobody who bears them out"
        );
        assert_eq!(
            self.count("SELECT count(*) FROM reindex_again WHERE account_id = $1")
                .await,
            0
        );
    }
}

/// Who is who by the new ones, once they stand.
async fn check_contacts(service: &Service, stands: &VersionedIdentifiers, first: &str) {
    let contact = service.user("u1").await;
    assert_eq!(
        (contact.anonymous_ids, contact.merged_contact_ids.len()),
        (vec!["a1".to_owned()], 1)
    );
    assert_eq!(fields(&service.user("u2").await), []);
    let of_email = "SELECT count(*) FROM identifiers WHERE account_id = $1 AND kind = 'str::email'";
    assert_eq!(service.count(of_email).await, 0);
    service.check_phones().await;
    let found = service
        .send(service.under(stands, vec![identify(9, ("-", "a9"), &phone(1))]))
        .await
        .unwrap();
    assert_eq!(contact_id(&found, 0), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_that_share_a_value_become_one_and_the_new_identifiers_stand() {
    let service = Service::start().await;
    service.set_up();
    let none = service.last_run().await.unwrap_err();
    assert_eq!(reason_of(&none), Some(Reason::ReindexUnknown));
    let person = r#"{"phn::phone":"+61400000001","str::email":"lana@x.org"}"#;
    let before = service
        .upsert(vec![
            identify(0, ("u1", "-"), person),
            identify(1, ("-", "a1"), &phone(1)),
            identify(2, ("u2", "-"), &phone(1)),
            identify(3, ("-", "a3"), &phone(99_999)),
            identify(4, ("-", "a4"), &phone(99_999)),
        ])
        .await;
    let preview = service.preview(&["phn::phone"]).await.unwrap();
    assert!(preview.complete);
    let told = (
        preview.contacts,
        preview.merged_contacts,
        preview.lost_values,
    );
    assert_eq!((told, preview.blocked_values), ((5, 1, 1), 2));
    let group = &preview.groups[0];
    let ids: Vec<String> = (0..3).map(|at| contact_id(&before, at)).collect();
    assert_eq!(
        (&*group.field_id, group.contacts, group.lost_values),
        ("phn::phone", 3, 1)
    );
    assert_eq!(group.contact_ids, ids);
    assert_eq!(service.units().await, 5);

    let started = service.reindex(&["phn::phone"]).await.unwrap();
    assert_eq!(
        (started.contacts, &*started.old_unique_identifiers),
        (5, &["str::email".to_owned()][..])
    );
    // What was mapped before stores nothing.
    let late = service
        .send(service.batch(vec![identify(5, ("u9", "-"), "")]))
        .await;
    assert_eq!(
        reason_of(&late.unwrap_err()),
        Some(Reason::IdentifiersChanged)
    );
    let done = service.done().await;
    assert_eq!(
        (done.seen_contacts, done.merged_contacts, done.lost_values),
        (5, 1, 1)
    );
    assert_eq!(done.lost_value_contact_ids, [ids[2].clone()]);
    assert!(done.finish_time.is_some());
    let stands = service.identifiers().await;
    assert_eq!(
        (
            stands.unique_identifiers.clone(),
            stands.next_unique_identifiers.len()
        ),
        (vec!["phn::phone".to_owned()], 0)
    );

    check_contacts(&service, &stands, &ids[0]).await;
    // Mapping asks for what stands as soon as it is told.
    let put = service.others.put_accounts().pop().unwrap();
    assert_eq!(
        (put.name, put.unique_identifiers.unwrap().field_ids),
        ("Demo".to_owned(), vec!["phn::phone".to_owned()])
    );
    // A merge is told and undone as any other.
    let merges = "SELECT count(*) FROM merges WHERE account_id = $1 AND identifiers IS NOT NULL";
    assert_eq!(service.count(merges).await, 1);
    // The same once more is the run that was.
    let again = service.reindex(&["phn::phone"]).await.unwrap();
    assert_eq!(
        (again.state(), again.reindex_id),
        (ReindexState::Done, started.reindex_id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_is_wrong_is_refused_in_all_its_fields_and_one_run_is_under_way_at_a_time() {
    let service = Service::start().await;
    service.set_up();
    service
        .upsert(vec![identify(0, ("u1", "-"), &phone(1))])
        .await;
    let wrong = ["dtz::b", "str:cm:nope", "str::ei"];
    for refused in [
        service.preview(&wrong).await.unwrap_err(),
        service.reindex(&wrong).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = refused.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let named: Vec<&str> = violations.iter().map(|one| &*one.field).collect();
        assert_eq!(
            named,
            [
                "unique_identifiers",
                "unique_identifiers[0]",
                "unique_identifiers[1]"
            ]
        );
    }
    let started = service.reindex(&["phn::phone", "str::ei"]).await.unwrap();
    let again = service.reindex(&["phn::phone", "str::ei"]).await.unwrap();
    assert_eq!(again.reindex_id, started.reindex_id);
    if again.state() != ReindexState::Done {
        match service.reindex(&["str::ei"]).await {
            Err(other) => assert_eq!(reason_of(&other), Some(Reason::ReindexUnderWay)),
            // It was done meanwhile.
            Ok(run) => assert_ne!(run.reindex_id, started.reindex_id),
        }
    }
    service.others.set_away(true);
    let away = service.reindex(&["str::ei"]).await.unwrap_err();
    assert_eq!(away.code(), Code::Unavailable);
    service.others.set_away(false);
    service.others.set_account(service.account, false);
    let unknown = service.preview(&["str::ei"]).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(Reason::AccountUnknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_began_a_run_begins_none_to_others() {
    let service = Service::start().await;
    service.set_up();
    let person = identify(0, ("u1", "-"), &phone(1));
    service.upsert(vec![person]).await;
    let id = Uuid::now_v7().to_string();
    let started = service.reindex_as(&id, &["phn::phone"]).await.unwrap();
    for _ in 0..2 {
        let again = service.reindex_as(&id, &["phn::phone"]).await.unwrap();
        assert_eq!(again.reindex_id, started.reindex_id);
        let other = service.reindex_as(&id, &["str::ei"]).await.unwrap_err();
        assert_eq!(other.code(), Code::AlreadyExists);
        assert_eq!(reason_of(&other), Some(Reason::RequestIdTaken));
        // Also of a run that is done.
        service.done().await;
    }
    assert_eq!(
        service.last_run().await.unwrap().reindex_id,
        started.reindex_id
    );
}

/// Contacts that share phones in pairs, on two replicas: events come meanwhile, and the replica
/// that does it ends in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_elsewhere_and_events_match_by_old_and_new_meanwhile() {
    let mut service = Service::start().await;
    service.set_up();
    for batch in 0..6 {
        let visitor = |at: usize| {
            let fields = format!(
                r#"{{"phn::phone":"+614000{:05}","str::email":"v{at}@x.org"}}"#,
                at % 1_500
            );
            identify(at as i64, ("-", &format!("a{at}")), &fields)
        };
        let events = (batch * 500..(batch + 1) * 500).map(visitor).collect();
        service.upsert(events).await;
    }
    let other = Arc::new(service.replica().await);
    other.set_up();
    let started = service.reindex(&["phn::phone"]).await.unwrap();
    assert_eq!(started.contacts, 3_000);
    let meanwhile = tokio::spawn({
        let other = other.clone();
        async move {
            for second in 0..40_usize {
                let at = second * 37;
                let by_phone = identify(
                    10_000 + second as i64,
                    (&format!("u{second}"), "-"),
                    &phone(at % 1_500),
                );
                let by_email = identify(
                    20_000 + second as i64,
                    ("-", &format!("b{second}")),
                    &format!(
                        r#"{{"str::email":"v{at}@x.org","phn::phone":"+614000{:05}"}}"#,
                        (at + 1) % 1_500
                    ),
                );
                // As the edge does: what was mapped before is mapped anew.
                loop {
                    let stands = other.identifiers().await;
                    let batch = other.under(&stands, vec![by_phone.clone(), by_email.clone()]);
                    match other.send(batch).await {
                        Ok(answer) => {
                            assert_eq!(statuses(&answer)[0], Stored);
                            break;
                        }
                        Err(status) => {
                            let reason = reason_of(&status);
                            assert_eq!(reason, Some(Reason::IdentifiersChanged), "{status:?}");
                        }
                    }
                }
            }
        }
    });
    eventually("it has begun", async || {
        (service.last_run().await.unwrap().seen_contacts > 0).then_some(())
    })
    .await;
    service.begin_stop();
    meanwhile.await.unwrap();
    let done = other.done().await;
    assert!(done.merged_contacts >= 1_400, "{done:?}");
    other.check_phones().await;
    let live = "SELECT count(*) FROM contacts WHERE account_id = $1 AND redirect_to IS NULL";
    let phones = "SELECT count(*) FROM identifiers WHERE account_id = $1 AND kind = 'phn::phone'";
    assert!(other.count(phones).await <= 1_500 && other.count(live).await >= 1_450);
    assert_eq!(other.units().await, 3_080);
}

/// Of 3 MB each: 2,000 of them would take longer than a statement may, and more memory than there
/// is.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_looks_at_contacts_of_any_size() {
    let service = Service::start().await;
    service.set_up();
    let events = (0..100).map(|n| identify(n as i64, (&format!("u{n}"), "-"), &phone(n / 99)));
    service.upsert(events.collect()).await;
    let behind = service.database.behind("contact");
    let behind = weir_servers::postgres::connect(&behind).await.unwrap();
    let widen = "UPDATE contacts SET fields = (fields::jsonb || (SELECT jsonb_object_agg(
             'str:cm:f' || n, repeat('x', 14900)) FROM generate_series(1, 200) n))::json
         WHERE account_id = $1";
    behind.execute(widen, &[&service.account]).await.unwrap();
    let preview = service.preview(&["phn::phone"]).await.unwrap();
    assert_eq!((preview.complete, preview.contacts), (true, 100));
}
