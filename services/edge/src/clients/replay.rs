//! What mapping keeps for replay, and what it gives out of it.

use tonic::Code;
use uuid::Uuid;
use weir_ids::TimedKey;
use weir_proto::mapping::v1 as mapping;
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_rpc::wire::timestamp_of;

use super::convert::{kind, kind_of, micros, source_kind};
use super::failure::call;
use super::types::{Caller, SourceKind};
use super::{Clients, Failure};
use crate::domain::keep::{Replayed, ToKeep, ToReplay};

/// A portion of what is to be taken anew.
#[derive(Debug, Clone)]
pub struct ReplayWork {
    pub account_id: String,
    pub source_id: String,
    pub source_kind: SourceKind,
    work_id: String,
    lease_token: String,
    /// Contacts that could not be reached are made up for (semantics 1.7).
    pub repair: bool,
    /// In the order in which they were received.
    pub events: Vec<ToReplay>,
}

impl Clients {
    /// Keeps events, [1,000 at most](mapping::KeepEventsRequest), and tells which were stored
    /// meanwhile.
    pub async fn keep_events(
        &self,
        caller: &Caller,
        events: &[ToKeep],
        done: &[TimedKey],
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let message = || mapping::KeepEventsRequest {
            account_id: caller.account_id.clone(),
            source_id: caller.source_id.clone(),
            events: events.iter().map(to_keep).collect(),
            done_event_keys: done.iter().map(key_bytes).collect(),
        };
        let send = |request| {
            let mut client = self.replay.clone();
            async move { client.keep_events(request).await }
        };
        call("keep_events", deadline, &[], message, send)
            .await
            .map(|_| ())
    }

    /// Keeps tracks until their contact is made up for; says of each whether it is kept.
    pub async fn defer_contacts(
        &self,
        caller: &Caller,
        events: &[ToKeep],
        deadline: Deadline,
    ) -> Result<Vec<bool>, Failure> {
        let message = || mapping::DeferContactsRequest {
            account_id: caller.account_id.clone(),
            source_id: caller.source_id.clone(),
            events: events.iter().map(to_keep).collect(),
        };
        let send = |request| {
            let mut client = self.replay.clone();
            async move { client.defer_contacts(request).await }
        };
        let called = call("defer_contacts", deadline, &[], message, send).await?;
        Ok(called.answer.kept)
    }

    /// A portion of what is due, if anything is.
    pub async fn claim_work(&self, deadline: Deadline) -> Result<Option<ReplayWork>, Failure> {
        let message = || mapping::ClaimWorkRequest {};
        let send = |request| {
            let mut client = self.replay.clone();
            async move { client.claim_work(request).await }
        };
        // An older mapping has none.
        let answers = [Code::Unimplemented];
        let called = call("claim_work", deadline, &answers, message, send).await?;
        let Some(work) = called.answer.work else {
            return Ok(None);
        };
        // An older mapping does not say it, and knows the one kind alone.
        let source_kind = source_kind(work.source_kind()).unwrap_or_default();
        let events: Option<Vec<ToReplay>> = work.events.into_iter().map(to_replay).collect();
        Ok(Some(ReplayWork {
            account_id: work.account_id,
            source_id: work.source_id,
            source_kind,
            work_id: work.work_id,
            lease_token: work.lease_token,
            repair: work.repair,
            events: events.ok_or_else(|| Failure::unexpected("claim_work"))?,
        }))
    }

    /// Says what became of a portion.
    pub async fn report_work(
        &self,
        work: &ReplayWork,
        outcomes: &[Replayed],
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let message = || mapping::ReportWorkRequest {
            account_id: work.account_id.clone(),
            source_id: work.source_id.clone(),
            work_id: work.work_id.clone(),
            lease_token: work.lease_token.clone(),
            repair: work.repair,
            outcomes: outcomes.iter().map(outcome).collect(),
        };
        let send = |request| {
            let mut client = self.replay.clone();
            async move { client.report_work(request).await }
        };
        call("report_work", deadline, &[], message, send)
            .await
            .map(|_| ())
    }
}

fn key_bytes(key: &TimedKey) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(key.0.as_bytes())
}

fn to_keep(event: &ToKeep) -> mapping::EventToKeep {
    mapping::EventToKeep {
        event: Some(mapping::WholeEvent {
            kind: kind(event.kind).into(),
            event_key: key_bytes(&event.key),
            raw: event.raw.clone(),
            message_id: event.message_id.clone(),
            nameless: event.nameless,
            receive_time: Some(timestamp_of(event.arrival)),
            index: event.index,
        }),
        user_id: event.user_id.clone(),
        anonymous_id: event.anonymous_id.clone(),
        event_name: event.event_name.clone(),
        event_time: event.event_time.map(timestamp_of),
        status: event.status.into(),
        code: event.code.code().to_owned(),
        message: event.message.clone(),
        stored: event.stored,
    }
}

fn to_replay(event: mapping::EventToReplay) -> Option<ToReplay> {
    let whole = event.event?;
    Some(ToReplay {
        kind: kind_of(whole.kind())?,
        key: TimedKey(Uuid::from_slice(&whole.event_key).ok()?),
        raw: whole.raw,
        message_id: whole.message_id,
        arrival: micros(whole.receive_time),
        index: whole.index,
        correction: event.correction,
    })
}

fn outcome(replayed: &Replayed) -> mapping::ReplayOutcome {
    let outcome = &replayed.outcome;
    let code = |code: Option<Reason>| code.map_or_else(String::new, |code| code.code().to_owned());
    let is_stored = outcome.status == 200;
    mapping::ReplayOutcome {
        event_key: key_bytes(&replayed.key),
        status: outcome.status.into(),
        code: code(outcome.code),
        message: outcome.message.to_string(),
        ignored_code: code(replayed.ignored.filter(|_| is_stored)),
    }
}
