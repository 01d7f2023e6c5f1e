//! What the running system has, as the model tells it.

use std::collections::BTreeSet;

use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_proto::settings::v1 as settings;
use weir_tests::model::{Id, KEYS, Rules, Seen, Sight, Strategy};
use weir_tests::{Account, Plan, Weir};

/// An account with these rules.
pub async fn account(weir: &'static Weir, rules: Rules) -> Account {
    let plan = Plan {
        contacts: 1_000_000,
        activity_slots: 5,
    };
    let account = Account::unmapped(weir, plan).await;
    let key_strategy = match rules.next_if_empty {
        true => settings::KeyStrategy::NextIfEmpty,
        false => settings::KeyStrategy::Any,
    };
    let mut client = weir.mapping();
    client
        .put_account(mapping::PutAccountRequest {
            name: account.name.clone(),
            unique_identifiers: Some(mapping::UniqueIdentifiers {
                field_ids: KEYS.map(str::to_owned).into(),
            }),
            key_strategy: key_strategy.into(),
            keep_user_ids_apart: Some(rules.keep_user_ids_apart),
            ..Default::default()
        })
        .await
        .unwrap();
    let merge_strategy = match rules.strategy {
        Strategy::Overwrite => settings::MergeStrategy::Overwrite,
        Strategy::Append => settings::MergeStrategy::Append,
        Strategy::Ignore => settings::MergeStrategy::Ignore,
    };
    client
        .put_source(mapping::PutSourceRequest {
            account_id: account.account_id.clone(),
            kind: mapping::SourceKind::SegmentActions.into(),
            name: "Segment".into(),
            merge_strategy: merge_strategy.into(),
            ..Default::default()
        })
        .await
        .unwrap();
    account.map_contacts().await;
    account.map_activity("Sign-in button clicked", 730).await;
    account
}

/// All that can be seen.
pub async fn sight(account: &Account, base: i64) -> Sight {
    let contacts = account.contacts().await;
    let deeds = contacts.iter().map(async |contact| {
        let done = account.activities(&contact.contact_id, 1_000).await;
        let mut messages: Vec<String> = done.into_iter().map(|one| one.message_id).collect();
        messages.sort();
        messages
    });
    let deeds = futures_util::future::join_all(deeds).await;
    let seen = contacts.iter().zip(deeds).map(|(contact, deeds)| Seen {
        ids: ids_of(contact),
        fields: contact.fields.iter().map(|one| field(one, base)).collect(),
        merged: contact.merged_contact_ids.len(),
        deeds,
    });
    Sight {
        contacts: seen.collect(),
        waiting: account.backlog().await,
    }
}

pub fn ids_of(contact: &contact::Contact) -> BTreeSet<Id> {
    let users = contact.user_ids.iter().cloned().map(Id::User);
    let visitors = contact.anonymous_ids.iter().cloned().map(Id::Visitor);
    users.chain(visitors).collect()
}

fn field(field: &contact::ContactField, base: i64) -> (String, (String, i64)) {
    let value = field.value.clone().unwrap().kind.unwrap();
    let contact::value::Kind::Text(value) = value else {
        panic!("{field:?}");
    };
    let second = field.event_time.unwrap().seconds - base;
    (field.field_id.clone(), (value, second))
}

/// Whether whatever was stored was told to whom it concerns.
pub async fn is_told(account: &Account) -> bool {
    account.weir.outbox_rows_of(&account.account_id).await == 0
}

/// Ids of contacts, by age.
pub struct Ids {
    pub living: Vec<String>,
    /// With those that were merged into them.
    pub all: Vec<String>,
}

pub async fn ids(account: &Account) -> Ids {
    let contacts = account.contacts().await;
    let merged = contacts
        .iter()
        .flat_map(|one| one.merged_contact_ids.clone());
    let mut all: Vec<String> = merged.collect();
    let living: Vec<String> = contacts.iter().map(|one| one.contact_id.clone()).collect();
    all.extend(living.iter().cloned());
    all.sort();
    Ids { living, all }
}

/// The merge that stands of two.
pub async fn merge_of(account: &Account, merged: &str, survivor: &str) -> Option<String> {
    let request = contact::ListMergesRequest {
        account_id: account.account_id.clone(),
        contact_id: survivor.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let merges = account.weir.people().list_merges(request).await.unwrap();
    let merges = merges.into_inner().merges.into_iter();
    let mut standing = merges.filter(|merge| merge.split_time.is_none());
    let found = standing.find(|merge| {
        (&*merge.merged_contact_id, &*merge.survivor_contact_id) == (merged, survivor)
    });
    Some(found?.merge_id)
}
