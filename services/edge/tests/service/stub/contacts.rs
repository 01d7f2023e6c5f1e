//! contact-upsert: everybody is his user id.

use tonic::{Code, Request, Response, Status};
use weir_proto::contact::v1::contact_service_server::ContactService;
use weir_proto::contact::v1::{
    ChangeUniqueIdentifiersRequest, ChangeUniqueIdentifiersResponse, ContactEvent,
    GetContactRequest, GetContactResponse, GetUniqueIdentifiersRequest,
    GetUniqueIdentifiersResponse, IgnoredField, ListContactsRequest, ListContactsResponse,
    MembershipMode, UpsertContactsRequest, UpsertContactsResponse, UpsertMode, UpsertResult,
    UpsertStatus,
};
use weir_reasons::Reason;

use super::{State, Stub, utf8};

impl State {
    fn upsert(&mut self, event: ContactEvent) -> UpsertResult {
        let user = utf8(&event.user_id).to_owned();
        let known = self.contacts.iter().any(|one| one.user_id == event.user_id);
        let removes = event
            .membership_update
            .as_ref()
            .is_some_and(|update| update.mode() == MembershipMode::Remove);
        let mut result = UpsertResult::default();
        let status = if event.correction {
            self.contacts_corrected.push(event);
            match known {
                true => UpsertStatus::Repeated,
                false => UpsertStatus::NotFound,
            }
        } else if let Some(first) = self.receipts.get(&event.event_key[..]) {
            result.first_time = first.filter(|_| event.undated);
            UpsertStatus::Repeated
        } else if let Some(verdict) = self.verdicts.get(&user) {
            *verdict
        } else if !known && removes && event.no_values {
            self.receipts.insert(event.event_key.to_vec(), None);
            UpsertStatus::Kept
        } else if !known && event.never_creates {
            UpsertStatus::NotFound
        } else if !known && event.no_values && event.mode() == UpsertMode::Track {
            match event.membership_update {
                Some(_) => self.store(event),
                None => UpsertStatus::NotFound,
            }
        } else {
            self.store(event)
        };
        result.set_status(status);
        let has_contact = match status {
            UpsertStatus::Stored => true,
            UpsertStatus::Repeated => self.contacts.iter().any(|one| utf8(&one.user_id) == user),
            _ => false,
        };
        if has_contact {
            result.contact_id = format!("contact of {user}").into();
        }
        if user == "key-taken" {
            result.ignored_fields.push(IgnoredField {
                field_id: "str::email".into(),
                reason: "belongs to another contact".into(),
                code: "IDENTIFIER_TAKEN".into(),
                value: "a@b.example".into(),
            });
        }
        result
    }

    fn store(&mut self, event: ContactEvent) -> UpsertStatus {
        if !event.funded {
            return UpsertStatus::NotFunded;
        }
        let key = event.event_key.to_vec();
        self.receipts.insert(key, event.event_time);
        self.contacts.push(event);
        UpsertStatus::Stored
    }
}

#[tonic::async_trait]
impl ContactService for Stub {
    async fn upsert_contacts(
        &self,
        request: Request<UpsertContactsRequest>,
    ) -> Result<Response<UpsertContactsResponse>, Status> {
        self.answer("upsert_contacts", |state| {
            let request = request.into_inner();
            assert_eq!(request.caseless_identifiers, ["str:cm:mail"]);
            let kept_removes = state.profile_limit / 10 * 10;
            assert_eq!(request.kept_removes_limit, Some(kept_removes));
            if request.identifiers_version != state.identifiers_versions.0 {
                let (code, reason) = (Code::Aborted, Reason::IdentifiersChanged);
                return Err(weir_rpc::refused(code, reason, "map the events anew"));
            }
            let mut answer = UpsertContactsResponse::default();
            for event in request.events {
                let result = state.upsert(event);
                answer.units += i64::from(result.status() == UpsertStatus::Stored);
                answer.results.push(result);
            }
            Ok(answer)
        })
        .await
    }

    unused! {
        get_contact(GetContactRequest) -> GetContactResponse;
        list_contacts(ListContactsRequest) -> ListContactsResponse;
        get_unique_identifiers(GetUniqueIdentifiersRequest) -> GetUniqueIdentifiersResponse;
        change_unique_identifiers(ChangeUniqueIdentifiersRequest) -> ChangeUniqueIdentifiersResponse;
    }
}
