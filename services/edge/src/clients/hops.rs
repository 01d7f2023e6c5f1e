//! Each hop: one call for the whole batch.

use bytes::Bytes;
use bytestring::ByteString;
use tonic::Code;
use weir_proto::activity::v1 as activity;
use weir_proto::audience::v1 as audience;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as mapping;
use weir_proto::quota::v1 as quota;
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_rpc::wire::timestamp_of;

use super::convert::{self, *};
use super::events;
use super::failure::call;
use super::types::*;
use super::wire::Wire;
use super::{Called, Clients, Failure};
use crate::domain::envelope::Nobody;
use crate::domain::log::{Line, Origin};
use crate::domain::stages::{
    ActivitySaid, AudienceSaid, IgnoredKind, IgnoredValues, MappingSaid, UpdateSaid,
};

/// What mapping made of a batch.
pub struct MapAnswer {
    pub settings: ContactSettings,
    pub entitlement: Entitlement,
    /// In input order; none where it said nothing. With the values that it ignored.
    pub results: Vec<(Option<MappingSaid>, Vec<IgnoredValues>)>,
    /// What these values speak of.
    pub ignored_kinds: Vec<IgnoredKind>,
}

/// What quota books in one call.
pub const MAX_SETTLEMENTS: usize = 100;
/// About what is sent of an event beside its payload, in bytes.
const BESIDE: usize = 256;

/// Sends one message through a client of its own: clients are cheap to clone, and a call
/// needs one to itself. Behind `or` stand the codes that are answers, too.
macro_rules! hop {
    ($client:expr, $method:ident, $deadline:expr, $message:expr $(, or $code:ident)*) => {
        call(stringify!($method), $deadline, &[$(Code::$code),*], $message, |request| {
            let mut client = $client.clone();
            async move { client.$method(request).await }
        })
        .await
    };
}

/// Sends what was encoded before.
macro_rules! encoded_hop {
    ($channel:expr, $method:ident, $path:literal, $deadline:expr, $message:expr) => {
        call(
            stringify!($method),
            $deadline,
            &[],
            || $message.clone(),
            |request| weir_rpc::call(&$channel, $path, request),
        )
        .await
    };
}

impl Clients {
    /// Whose key it is, or why it is no good.
    pub async fn authenticate(
        &self,
        key: &str,
        deadline: Deadline,
    ) -> Result<Result<Caller, KeyRefused>, Failure> {
        let message = || mapping::AuthenticateRequest {
            key: key.to_owned(),
        };
        match hop!(self.mapping, authenticate, deadline, message, or Unauthenticated) {
            Ok(called) => caller(called.answer).map(Ok),
            Err(failure) => match failure.reason {
                Some(Reason::KeyExpired) => Ok(Err(KeyRefused::Expired)),
                Some(Reason::KeyUnknown) => Ok(Err(KeyRefused::Unknown)),
                // It may be us whom mapping does not know.
                _ => Err(failure),
            },
        }
    }

    /// Which ids mean nobody to an account, as it says now (semantics 3.1).
    pub async fn nobody(&self, account_id: &str, deadline: Deadline) -> Result<Nobody, Failure> {
        let message = || mapping::GetAccountRequest {
            account_id: account_id.to_owned(),
            name: String::new(),
        };
        let answer = hop!(self.mapping, get_account, deadline, message)?.answer;
        let lists = answer.account.and_then(|account| account.blocked_values);
        nobody(lists.unwrap_or_default()).ok_or_else(|| Failure::unexpected("get_account"))
    }

    pub async fn check_audiences(
        &self,
        account_id: &str,
        audience_ids: &[ByteString],
        deadline: Deadline,
    ) -> Result<Vec<AudienceSaid>, Failure> {
        let message = || audience::CheckAudiencesRequest {
            account_id: account_id.to_owned(),
            audience_ids: audience_ids.iter().map(ToString::to_string).collect(),
        };
        let checks = hop!(self.audience, check_audiences, deadline, message)?
            .answer
            .checks;
        let checks = same_length("check_audiences", audience_ids.len(), checks)?;
        Ok(checks.into_iter().map(checked).collect())
    }

    pub async fn map_events(
        &self,
        caller: &Caller,
        request: &MapRequest<'_>,
        events: &[EventToMap<'_>],
        deadline: Deadline,
    ) -> Result<MapAnswer, Failure> {
        let head = mapping::MapEventsRequest {
            account_id: caller.account_id.clone(),
            source_id: caller.source_id.clone(),
            requests: request.requests.iter().map(request_to_map).collect(),
            events: Vec::new(),
            body: Bytes::new(),
            refused_identifiers_version: request.refused_identifiers_version,
            replayed: request.replayed,
        };
        let mut wire = Wire::after(&head, events.len() * BESIDE);
        for event in events {
            // Without the event itself it is short: one byte takes its length, most often.
            wire.message(4, |wire| events::event(wire, request.kind, event));
        }
        let message = wire.finish_with(5, request.body.clone());
        let answer: mapping::MapEventsResponse = encoded_hop!(
            self.mapping_events,
            map_events,
            "/weir.mapping.v1.MappingService/MapEvents",
            deadline,
            message
        )
        .inspect_err(|failure| caller.hear_failure(failure))?
        .answer;
        let results = same_length("map_events", events.len(), answer.results)?;
        let settings = answer.contact_settings.unwrap_or_default();
        caller.hear(settings.blocked_values_version);
        Ok(MapAnswer {
            settings: ContactSettings(settings),
            entitlement: Entitlement(answer.entitlement.unwrap_or_default()),
            results: results.into_iter().map(mapped).collect(),
            ignored_kinds: answer.ignored_kinds.into_iter().map(ignored_kind).collect(),
        })
    }

    pub async fn append_log(
        &self,
        caller: &Caller,
        lines: &[(Origin, Line)],
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let message = || mapping::AppendLogRequest {
            account_id: caller.account_id.clone(),
            source_id: caller.source_id.clone(),
            entries: lines
                .iter()
                .map(|(origin, line)| log_entry(origin, line))
                .collect(),
        };
        hop!(self.mapping, append_log, deadline, message).map(|_| ())
    }

    /// The settlements, [`MAX_SETTLEMENTS`] at most, are booked before.
    pub async fn reserve(
        &self,
        account_id: &str,
        ask: &Ask<'_>,
        settlements: &[Settlement],
        deadline: Deadline,
    ) -> Result<Reservation, Failure> {
        let message = || quota::ReserveRequest {
            account_id: account_id.to_owned(),
            batch_id: ask.batch_id.to_owned(),
            profile_units: ask.profile,
            activity_units: ask.activity,
            entitlement: Some(ask.entitlement.0),
            settlements: convert::settlements(settlements),
            ledger_epoch: ask.ledger_epoch,
        };
        let answer = hop!(self.quota, reserve, deadline, message)?.answer;
        reservation(ask, answer).ok_or_else(|| Failure::unexpected("reserve"))
    }

    /// What is left of the account's units, where none are to be reserved.
    pub async fn usage(
        &self,
        account_id: &str,
        entitlement: Option<Entitlement>,
        deadline: Deadline,
    ) -> Result<WindowUsage, Failure> {
        let message = || quota::GetUsageRequest {
            account_id: account_id.to_owned(),
            entitlement: entitlement.map(|known| known.0),
        };
        let answer = hop!(self.quota, get_usage, deadline, message)?.answer;
        window_usage(answer).ok_or_else(|| Failure::unexpected("get_usage"))
    }

    /// [`MAX_SETTLEMENTS`] at most.
    pub async fn settle(
        &self,
        account_id: &str,
        settlements: &[Settlement],
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let message = || quota::SettleRequest {
            account_id: account_id.to_owned(),
            settlements: convert::settlements(settlements),
        };
        hop!(self.quota, settle, deadline, message).map(|_| ())
    }

    /// Answers with the profile units that were charged.
    pub async fn upsert_contacts(
        &self,
        caller: &Caller,
        reservation: &Reservation,
        (settings, entitlement): (&ContactSettings, Entitlement),
        events: &[ContactToUpsert<'_>],
        deadline: Deadline,
    ) -> Result<Called<(Vec<UpsertedContact>, i64)>, Failure> {
        let head = contact::UpsertContactsRequest {
            account_id: caller.account_id.clone(),
            batch_id: reservation.batch_id.clone(),
            window: reservation.window.clone(),
            epoch: reservation.epoch,
            source_id: caller.source_id.clone(),
            unique_identifiers: settings.0.unique_identifiers.clone(),
            key_strategy: settings.0.key_strategy,
            merge_strategy: settings.0.merge_strategy,
            existing_only: settings.0.existing_only,
            identifiers_version: settings.0.identifiers_version,
            caseless_identifiers: settings.0.caseless_identifiers.clone(),
            kept_removes_limit: Some(entitlement.kept_removes()),
            keep_user_ids_apart: settings.0.keep_user_ids_apart,
            events: Vec::new(),
        };
        let payloads: usize = events.iter().map(|event| event.fields_json.len()).sum();
        let mut wire = Wire::after(&head, payloads + events.len() * BESIDE);
        for event in events {
            let guess = event.fields_json.len() + BESIDE;
            wire.message_of_about(10, guess, |wire| events::contact_event(wire, event));
        }
        let message = wire.finish();
        let called: Called<contact::UpsertContactsResponse> = encoded_hop!(
            self.contact_events,
            upsert_contacts,
            "/weir.contact.v1.ContactService/UpsertContacts",
            deadline,
            message
        )?;
        let results = same_length("upsert_contacts", events.len(), called.answer.results)?;
        Ok(Called {
            answer: (
                results.into_iter().map(upserted).collect(),
                called.answer.units,
            ),
            certain: called.certain,
        })
    }

    /// Answers with the activity units that were charged. `probe` stores nothing.
    pub async fn record_activities(
        &self,
        caller: &Caller,
        reservation: &Reservation,
        events: &[ActivityToRecord<'_>],
        probe: bool,
        deadline: Deadline,
    ) -> Result<Called<(Vec<ActivitySaid>, i64)>, Failure> {
        let arrival = events.first().map_or(0, |event| event.arrival);
        let head = activity::RecordActivitiesRequest {
            account_id: caller.account_id.clone(),
            source_id: caller.source_id.clone(),
            batch_id: reservation.batch_id.clone(),
            window: reservation.window.clone(),
            epoch: reservation.epoch,
            receive_time: Some(timestamp_of(arrival)),
            events: Vec::new(),
            probe_only: probe,
        };
        let payload = |event: &ActivityToRecord<'_>| event.activity.attributes_json.len();
        let payloads: usize = events.iter().map(payload).sum();
        let mut wire = Wire::after(&head, payloads + events.len() * BESIDE);
        for event in events {
            let guess = payload(event) + BESIDE;
            wire.message_of_about(6, guess, |wire| {
                events::activity_event(wire, arrival, event)
            });
        }
        let message = wire.finish();
        let called: Called<activity::RecordActivitiesResponse> = encoded_hop!(
            self.activity_events,
            record_activities,
            "/weir.activity.v1.ActivityService/RecordActivities",
            deadline,
            message
        )?;
        let results = same_length("record_activities", events.len(), called.answer.results)?;
        Ok(Called {
            answer: (
                results.into_iter().map(recorded).collect(),
                called.answer.units,
            ),
            certain: called.certain,
        })
    }

    pub async fn apply_membership_updates(
        &self,
        account_id: &str,
        updates: &[UpdateToApply<'_>],
        deadline: Deadline,
    ) -> Result<Vec<UpdateSaid>, Failure> {
        let head = audience::ApplyMembershipUpdatesRequest {
            account_id: account_id.to_owned(),
            updates: Vec::new(),
        };
        let mut wire = Wire::after(&head, updates.len() * BESIDE);
        for update in updates {
            wire.message(2, |wire| events::update(wire, update));
        }
        let message = wire.finish();
        let called: Called<audience::ApplyMembershipUpdatesResponse> = encoded_hop!(
            self.audience_events,
            apply_membership_updates,
            "/weir.audience.v1.AudienceService/ApplyMembershipUpdates",
            deadline,
            message
        )?;
        let results = called.answer.results;
        let results = same_length("apply_membership_updates", updates.len(), results)?;
        Ok(results.into_iter().map(applied).collect())
    }

    pub async fn create_audience(
        &self,
        account_id: &str,
        name: &str,
        deadline: Deadline,
    ) -> Result<Audience, AudienceRefused> {
        let message = || audience::CreateAudienceRequest {
            account_id: account_id.to_owned(),
            name: name.to_owned(),
            origin: audience::Origin::SegmentActions.into(),
            request_id: String::new(),
        };
        let called = hop!(
            self.audience, create_audience, deadline, message,
            or InvalidArgument, or FailedPrecondition
        );
        found(
            "create_audience",
            called.map(|called| called.answer.audience),
        )
    }

    pub async fn get_audience(
        &self,
        account_id: &str,
        audience_id: &str,
        deadline: Deadline,
    ) -> Result<Audience, AudienceRefused> {
        let message = || audience::GetAudienceRequest {
            account_id: account_id.to_owned(),
            audience_id: audience_id.to_owned(),
        };
        let called = hop!(
            self.audience, get_audience, deadline, message,
            or NotFound, or InvalidArgument
        );
        match found("get_audience", called.map(|called| called.answer.audience)) {
            // What is no id is the id of nothing.
            Err(AudienceRefused::Name) => Err(AudienceRefused::Unknown),
            other => other,
        }
    }
}

/// Results belong to events by their index; with another number of them they belong to none.
fn same_length<T>(hop: &'static str, sent: usize, results: Vec<T>) -> Result<Vec<T>, Failure> {
    if results.len() == sent {
        Ok(results)
    } else {
        Err(Failure::unexpected(hop))
    }
}
