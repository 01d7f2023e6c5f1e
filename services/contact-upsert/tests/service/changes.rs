//! The record of changes (semantics 9.5): ids and counts, never values.

use tonic::Request;
use uuid::Uuid;
use weir_access::{Need, Role};
use weir_proto::access::v1::change_log_service_client::ChangeLogServiceClient;
use weir_proto::access::v1::{ActorKind, Change, ChangedThing, ReadChangesRequest};
use weir_proto::contact::v1::identity_service_client::IdentityServiceClient;
use weir_proto::contact::v1::*;
use weir_proto::settings::v1::KeyStrategy;

use crate::harness::*;

const SECRET: &str = "lana@example.org";

impl Service {
    pub async fn changes(&self) -> Vec<Change> {
        let channel = weir_rpc::connect(&self.url()).unwrap();
        let request = ReadChangesRequest {
            account_id: self.account.to_string(),
            limit: 1_000,
            ..Default::default()
        };
        let mut client = ChangeLogServiceClient::new(channel);
        let read = client.read_changes(Request::new(request));
        read.await.unwrap().into_inner().changes
    }

    /// The call changes something, and by the same again nothing.
    async fn leaves<T, E: std::fmt::Debug>(
        &self,
        method: &'static str,
        thing: ChangedThing,
        call: impl AsyncFn() -> Result<T, E>,
    ) -> &'static str {
        let before = self.changes().await.len();
        call().await.unwrap();
        let behind = self.changes().await;
        assert_eq!(behind.len(), before + 1, "{method}");
        assert_eq!(behind[0].method, method);
        assert_eq!(behind[0].thing(), thing);
        let actor = behind[0].actor.as_ref().unwrap();
        assert_eq!(actor.kind(), ActorKind::Service);
        let _ = call().await;
        assert_eq!(self.changes().await, behind, "{method} changed nothing");
        method
    }
}

fn declared() -> Vec<&'static str> {
    let changes = |need: &Need| matches!(need, Need::Caller { role, .. } if *role >= Role::Write);
    let all = weir_proto::NEEDS.iter();
    let all = all.filter(|(path, need)| path.starts_with("/weir.contact.v1.") && changes(need));
    let mut all: Vec<&str> = all.map(|(path, _)| &path[1..]).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn whatever_may_change_something_leaves_its_mark_when_it_does_and_only_then() {
    let service = Service::start().await;
    service.set_up();
    let account_id = service.account.to_string();
    let email = format!(r#"{{"str::email":"{SECRET}"}}"#);
    let stored = service
        .upsert(vec![
            identify(1, ("one", ""), &email),
            identify(2, ("", "two"), "{}"),
        ])
        .await;
    assert!(service.changes().await.is_empty(), "events are no changes");
    let (one, two) = (contact_id(&stored, 0), contact_id(&stored, 1));
    let request_id = Uuid::now_v7().to_string();
    let mut methods = Vec::new();

    let merge = MergeContactsRequest {
        account_id: account_id.clone(),
        request_id: request_id.clone(),
        contact_id: one.clone(),
        other_contact_id: two,
        allow_two_user_ids: false,
    };
    let method = "weir.contact.v1.PeopleService/MergeContacts";
    let merging = service.leaves(method, ChangedThing::Merge, async || {
        service.people.clone().merge_contacts(merge.clone()).await
    });
    methods.push(merging.await);
    let split = SplitContactRequest {
        account_id: account_id.clone(),
        merge_id: request_id,
    };
    let method = "weir.contact.v1.PeopleService/SplitContact";
    let splitting = service.leaves(method, ChangedThing::Merge, async || {
        service.people.clone().split_contact(split.clone()).await
    });
    methods.push(splitting.await);

    let rows = service.rows(
        1,
        &["user_id", "str::first"],
        &[&["new", "Ann"], &["one", "Bob"]],
    );
    let method = "weir.contact.v1.TransferService/ImportContacts";
    let importing = service.leaves(method, ChangedThing::Import, async || {
        service
            .transfers
            .clone()
            .import_contacts(rows.clone())
            .await
    });
    methods.push(importing.await);
    let more = service.rows(3, &["user_id", "str::first"], &[&["newer", "Cid"]]);
    service
        .transfers
        .clone()
        .import_contacts(more)
        .await
        .unwrap();
    let all = service.changes().await;
    assert_eq!(all.len(), 3, "an import is one change: {all:?}");
    assert_eq!(all[0].fields[0].after_json.as_deref(), Some("3"));

    let channel = weir_rpc::connect(&service.url()).unwrap();
    let reindex = StartReindexRequest {
        account_id: account_id.clone(),
        unique_identifiers: vec!["phn::phone".to_owned()],
        key_strategy: KeyStrategy::Any.into(),
        request_id: Uuid::now_v7().to_string(),
    };
    let method = "weir.contact.v1.IdentityService/StartReindex";
    let reindexing = service.leaves(method, ChangedThing::Reindex, async || {
        let mut identity = IdentityServiceClient::new(channel.clone());
        identity.start_reindex(reindex.clone()).await
    });
    methods.push(reindexing.await);

    let delete = DeleteContactRequest {
        account_id,
        request_id: Uuid::now_v7().to_string(),
        key: Some(delete_contact_request::Key::ContactId(one.clone())),
    };
    let method = "weir.contact.v1.PeopleService/DeleteContact";
    let deleting = service.leaves(method, ChangedThing::Contact, async || {
        service.people.clone().delete_contact(delete.clone()).await
    });
    methods.push(deleting.await);
    let all = service.changes().await;
    assert_eq!(all[0].thing_id, one);
    let told = format!("{all:?}");
    for value in [SECRET, "Ann", "Bob"] {
        assert!(!told.contains(value), "no values: {told}");
    }
    methods.sort_unstable();
    assert_eq!(methods, declared());
}
