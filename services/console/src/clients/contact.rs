//! Contacts, their activities and memberships, merges and deletions.

use futures_util::future::join_all;
use weir_proto::activity::v1 as activity;
use weir_proto::audience::v1 as audience;
use weir_proto::contact::v1 as wire;

use super::account::nothing;
use super::convert::{contact_value, members, time, value};
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::Trouble;
use crate::domain::model::{
    Activity, Contact, Counted, Deletion, Found, Gone, Membership, MembershipTurn, Merge,
    MergePreview, Page, PreviewedField,
};

const PAGE: i32 = 50;

impl Calls {
    /// In the order of their age.
    pub async fn contacts(&self, account: &str, page_token: &str) -> Answer<Page<Contact>> {
        let request = wire::ListContactsRequest {
            account_id: account.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("contact-upsert", self.contact, list_contacts, request)?;
        Ok(Page {
            items: answer.contacts.into_iter().map(contact).collect(),
            next: answer.next_page_token,
        })
    }

    /// Those of which something begins so; whether there may be more that can't be found yet.
    pub async fn search(
        &self,
        account: &str,
        query: &str,
        page_token: &str,
    ) -> Answer<(Page<Found>, bool)> {
        let request = wire::SearchContactsRequest {
            account_id: account.to_owned(),
            query: query.to_owned(),
            keys: Vec::new(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("contact-upsert", self.search, search_contacts, request)?;
        let found = answer.matches.into_iter().map(|found| Found {
            key: match found.key() {
                wire::SearchKey::Email => "E-mail",
                wire::SearchKey::Phone => "Phone",
                wire::SearchKey::ExternalId => "External id",
                wire::SearchKey::UserId => "User id",
                wire::SearchKey::AnonymousId => "Anonymous id",
                wire::SearchKey::UniqueIdentifier => "Unique identifier",
                _ => "Name",
            },
            value: found.value,
            contact: contact(found.contact.unwrap_or_default()),
        });
        let page = Page {
            items: found.collect(),
            next: answer.next_page_token,
        };
        Ok((page, answer.partial))
    }

    /// How many have a value of a field, as far as that can be told while somebody waits.
    pub async fn count_values(&self, account: &str, field: &str) -> Answer<Counted> {
        let request = wire::CountFieldValuesRequest {
            account_id: account.to_owned(),
            field_id: field.to_owned(),
        };
        let answer = call!("contact-upsert", self.search, count_field_values, request)?;
        Ok(Counted {
            contacts: answer.contacts,
            seen: answer.seen_contacts,
            complete: answer.complete,
        })
    }

    /// With where each value came from; the one that it was merged into, where it was.
    pub async fn contact(&self, account: &str, id: &str) -> Answer<Contact> {
        let request = wire::GetContactRequest {
            account_id: account.to_owned(),
            key: Some(wire::get_contact_request::Key::ContactId(id.to_owned())),
            show_provenance: true,
        };
        let answer = call!("contact-upsert", self.contact, get_contact, request)?;
        answer.contact.map(contact).ok_or_else(nothing)
    }

    /// Contacts that have exactly this as a user id, an anonymous id, or as one of these unique
    /// identifiers; each once, or several times. An identifier that it can't be is nobody's.
    pub async fn contacts_called(
        &self,
        account: &str,
        who: &str,
        unique: &[String],
    ) -> Answer<Vec<Found>> {
        use wire::get_contact_request::Key;
        let mut keys = vec![
            ("User id", Key::UserId(who.to_owned())),
            ("Anonymous id", Key::AnonymousId(who.to_owned())),
        ];
        keys.extend(unique.iter().map(|field| {
            let key = Key::Field(wire::FieldKey {
                field_id: field.clone(),
                value: who.to_owned(),
            });
            ("Unique identifier", key)
        }));
        let asked = keys.into_iter().map(async |(by, key)| {
            let request = wire::GetContactRequest {
                account_id: account.to_owned(),
                key: Some(key),
                show_provenance: false,
            };
            (
                by,
                call!("contact-upsert", self.contact, get_contact, request),
            )
        });
        let mut found = Vec::new();
        for (by, answer) in join_all(asked).await {
            match answer {
                Ok(answer) => found.extend(answer.contact.map(|one| Found {
                    key: by,
                    value: who.to_owned(),
                    contact: contact(one),
                })),
                Err(Trouble::Missing { .. } | Trouble::Invalid(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(found)
    }

    pub async fn activities(
        &self,
        account: &str,
        contact: &str,
        page_token: &str,
    ) -> Answer<Page<Activity>> {
        let request = activity::ListActivitiesRequest {
            account_id: account.to_owned(),
            contact_id: contact.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("activity", self.activity, list_activities, request)?;
        let items = answer.activities.into_iter().map(|activity| Activity {
            time: time(activity.event_time),
            received: time(activity.receive_time),
            attributes: members(&activity.attributes_json),
            event_name: activity.event_name,
            message_id: activity.message_id,
            expires: activity.expire_day,
        });
        Ok(Page {
            items: items.collect(),
            next: answer.next_page_token,
        })
    }

    /// How many activities wait for an identifier in all of the account.
    pub async fn backlog(&self, account: &str) -> Answer<i64> {
        let request = activity::GetBacklogRequest {
            account_id: account.to_owned(),
            ..Default::default()
        };
        let answer = call!("activity", self.activity, get_backlog, request)?;
        Ok(answer.waiting)
    }

    pub async fn memberships(&self, account: &str, contact: &str) -> Answer<Vec<Membership>> {
        let request = audience::ListMembershipsRequest {
            account_id: account.to_owned(),
            contact_id: contact.to_owned(),
            page_size: 200,
            page_token: String::new(),
        };
        let answer = call!("audience", self.membership, list_memberships, request)?;
        let found = answer.memberships.into_iter().map(|membership| Membership {
            audience_id: membership.audience_id,
            member: membership.member,
            since: time(membership.member_since_time),
            left: time(membership.left_time),
            updated: time(membership.update_time),
            held_back: membership.held_back,
        });
        Ok(found.collect())
    }

    /// What happened to a contact's membership of an audience, the newest first.
    pub async fn membership_history(
        &self,
        account: &str,
        contact: &str,
        audience: &str,
    ) -> Answer<Vec<MembershipTurn>> {
        let request = audience::ListMembershipHistoryRequest {
            account_id: account.to_owned(),
            contact_id: contact.to_owned(),
            audience_id: audience.to_owned(),
            page_size: PAGE,
            page_token: String::new(),
        };
        let answer = call!(
            "audience",
            self.membership,
            list_membership_history,
            request
        )?;
        Ok(answer.changes.into_iter().map(turn).collect())
    }

    pub async fn merges(&self, account: &str, contact: &str) -> Answer<Vec<Merge>> {
        let request = wire::ListMergesRequest {
            account_id: account.to_owned(),
            contact_id: contact.to_owned(),
            page_size: PAGE,
            page_token: String::new(),
        };
        let answer = call!("contact-upsert", self.people, list_merges, request)?;
        Ok(answer.merges.into_iter().map(merge).collect())
    }

    pub async fn preview_merge(
        &self,
        account: &str,
        contact: &str,
        other: &str,
    ) -> Answer<MergePreview> {
        let request = wire::PreviewMergeRequest {
            account_id: account.to_owned(),
            contact_id: contact.to_owned(),
            other_contact_id: other.to_owned(),
        };
        let answer = call!("contact-upsert", self.people, preview_merge, request)?;
        let fields = answer.fields.into_iter().map(|field| PreviewedField {
            field: field.field_id,
            survivor: value(field.survivor_value),
            merged: value(field.merged_value),
            result: value(field.result),
            loses: field.loses,
        });
        Ok(MergePreview {
            survivor: answer.survivor_contact_id,
            merged: answer.merged_contact_id,
            fields: fields.collect(),
            both_have_user_ids: answer.both_have_user_ids,
            are_kept_apart: answer.are_kept_apart,
            moved_identifiers: answer.moved_identifier_count,
        })
    }

    /// The contact that both are now.
    pub async fn merge(
        &self,
        (account, wish): (&str, &str),
        contact: &str,
        other: &str,
        allow_two_user_ids: bool,
    ) -> Answer<String> {
        let request = wire::MergeContactsRequest {
            account_id: account.to_owned(),
            request_id: wish.to_owned(),
            contact_id: contact.to_owned(),
            other_contact_id: other.to_owned(),
            allow_two_user_ids,
        };
        let answer = call!("contact-upsert", self.people, merge_contacts, request)?;
        Ok(answer.survivor_contact_id)
    }

    /// How many values could not come back.
    pub async fn split(&self, account: &str, merge: &str) -> Answer<usize> {
        let request = wire::SplitContactRequest {
            account_id: account.to_owned(),
            merge_id: merge.to_owned(),
        };
        let answer = call!("contact-upsert", self.people, split_contact, request)?;
        Ok(answer.left_out_fields.len())
    }

    pub async fn delete_contact(
        &self,
        account: &str,
        contact: &str,
        wish: &str,
    ) -> Answer<Deletion> {
        let request = wire::DeleteContactRequest {
            account_id: account.to_owned(),
            request_id: wish.to_owned(),
            key: Some(wire::delete_contact_request::Key::ContactId(
                contact.to_owned(),
            )),
        };
        let answer = call!("contact-upsert", self.people, delete_contact, request)?;
        answer.deletion.map(deletion).ok_or_else(nothing)
    }

    pub async fn deletion(&self, account: &str, id: &str) -> Answer<Deletion> {
        let request = wire::GetDeletionRequest {
            account_id: account.to_owned(),
            deletion_id: id.to_owned(),
        };
        let answer = call!("contact-upsert", self.people, get_deletion, request)?;
        answer.deletion.map(deletion).ok_or_else(nothing)
    }
}

fn turn(change: audience::MembershipChange) -> MembershipTurn {
    use audience::{MembershipChangeCause as Cause, MembershipChangeKind as Kind};
    MembershipTurn {
        what: match change.kind() {
            Kind::Joined => "Came in",
            Kind::Left => "Left",
            Kind::HeldBack => "Asked to come back within a minute: held back",
            Kind::Withdrawn => "What was held back was taken back",
            Kind::Unspecified => "Something that this console does not know",
        },
        cause: match change.cause() {
            Cause::Sync => "the daily sync",
            Cause::Merge => "a merge of contacts",
            Cause::Split => "a split of contacts",
            Cause::Event | Cause::Unspecified => "",
        },
        time: time(change.change_time),
        until: time(change.held_until_time),
        event_time: time(change.update_time),
        message_id: change.message_id,
    }
}

fn contact(contact: wire::Contact) -> Contact {
    Contact {
        id: contact.contact_id,
        user_ids: contact.user_ids,
        anonymous_ids: contact.anonymous_ids,
        user_id_count: contact.user_id_count,
        anonymous_id_count: contact.anonymous_id_count,
        fields: contact.fields.into_iter().map(contact_value).collect(),
        left_out_fields: contact.left_out_field_count,
        created: time(contact.create_time),
        updated: time(contact.update_time),
        merged: contact.merged_contact_ids,
        merged_count: contact.merged_contact_count,
    }
}

fn merge(merge: wire::Merge) -> Merge {
    let identifiers = merge.identifiers.into_iter().filter_map(|identifier| {
        use wire::contact_identifier::Kind;
        Some(match identifier.kind? {
            Kind::UserId(id) => ("user id".to_owned(), id),
            Kind::AnonymousId(id) => ("anonymous id".to_owned(), id),
            Kind::Field(key) => (key.field_id, key.value),
        })
    });
    Merge {
        identifiers: identifiers.collect(),
        id: merge.merge_id,
        merged: merge.merged_contact_id,
        survivor: merge.survivor_contact_id,
        time: time(merge.merge_time),
        cause: merge.cause.map(|cause| (cause.message_id, cause.source_id)),
        split: time(merge.split_time),
        merged_fields: merge.merged_fields.into_iter().map(contact_value).collect(),
        survivor_fields: merge
            .survivor_fields
            .into_iter()
            .map(contact_value)
            .collect(),
        can_split: merge.can_split,
    }
}

fn deletion(deletion: wire::Deletion) -> Deletion {
    let rows = deletion.rows.into_iter().map(|rows| {
        let (what, count) = rows
            .rows
            .map_or_else(Default::default, |rows| (rows.what, rows.count));
        Gone {
            service: rows.service,
            what,
            count,
        }
    });
    Deletion {
        rows: rows.collect(),
        id: deletion.deletion_id,
        requested: time(deletion.request_time),
        done: time(deletion.done_time),
    }
}
