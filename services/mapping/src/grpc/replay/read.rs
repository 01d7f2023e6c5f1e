//! What requests say, checked once; of a filter all that is wrong at once.

use tonic::Status;
use uuid::Uuid;
use weir_ids::TimedKey;
use weir_proto::mapping::v1 as pb;
use weir_reasons::Reason;
use weir_rpc::wire::{id, time};
use weir_rpc::{Faults, invalid};

use crate::domain::kept::{Filter, ToKeep, Whole};
use crate::domain::replay::{Claim, Outcome};
use crate::grpc::convert::event_kind;
use crate::grpc::log::read_moment;

/// As the contract says.
const MAX_CODES: usize = 100;
const MAX_NAMES: usize = 100;
const MAX_IDS: usize = 1_000;
/// Of codes and words that the edge gives, which are its own.
const MAX_TEXT: usize = 2_000;

/// A filter that is right in all its parts.
pub fn filter(message: Option<pb::KeptEventFilter>) -> Result<Filter, Status> {
    let mut faults = Faults::default();
    let filter = read_filter(message, &mut faults);
    faults.told().map(|()| filter)
}

/// As [`filter`], told into `faults`.
pub fn read_filter(message: Option<pb::KeptEventFilter>, faults: &mut Faults) -> Filter {
    let message = message.unwrap_or_default();
    for (index, code) in message.codes.iter().enumerate() {
        if Reason::of_code(code).is_none() {
            let what = "is no reason code; docs/reasons.md lists them";
            faults.add(format!("filter.codes[{index}]"), what);
        }
    }
    let bounds = [
        ("filter.codes", message.codes.len(), MAX_CODES),
        ("filter.event_names", message.event_names.len(), MAX_NAMES),
        (
            "filter.kept_event_ids",
            message.kept_event_ids.len(),
            MAX_IDS,
        ),
    ];
    for (field, count, most) in bounds {
        if count > most {
            faults.add(field, format!("at most {most}"));
        }
    }
    let texts = message.event_names.iter().chain([&message.message_id]);
    if texts.into_iter().any(|text| text.contains('\0')) {
        faults.add("filter", "no text may hold a NUL character");
    }
    let from_time = read_moment(faults, "filter.from_time", message.from_time);
    let to_time = read_moment(faults, "filter.to_time", message.to_time);
    if from_time.zip(to_time).is_some_and(|(from, to)| from >= to) {
        faults.add("filter.to_time", "must be later than from_time");
    }
    let mut keys = Vec::with_capacity(message.kept_event_ids.len());
    for (index, text) in message.kept_event_ids.iter().enumerate() {
        keys.extend(faults.id::<Uuid>(&format!("filter.kept_event_ids[{index}]"), text));
    }
    let said = |all: Vec<String>| (!all.is_empty()).then_some(all);
    Filter {
        codes: said(message.codes),
        event_names: said(message.event_names),
        from_time,
        to_time,
        message_id: Some(message.message_id).filter(|id| !id.is_empty()),
        keys: (!keys.is_empty()).then_some(keys),
        include_done: message.include_done,
    }
}

/// Events of the edge.
pub fn to_keep(events: Vec<pb::EventToKeep>) -> Result<Vec<ToKeep>, Status> {
    events.into_iter().map(read_event).collect()
}

fn read_event(message: pb::EventToKeep) -> Result<ToKeep, Status> {
    let whole = message
        .event
        .ok_or_else(|| invalid("events.event", "must be given"))?;
    let event_time = match message.event_time {
        None => None,
        its => Some(time("events.event_time", its)?),
    };
    Ok(ToKeep {
        whole: Whole {
            kind: event_kind(whole.kind)
                .ok_or_else(|| invalid("events.event.kind", "must be given"))?,
            key: key("events.event.event_key", &whole.event_key)?,
            raw: whole.raw,
            message_id: storable("events.event.message_id", whole.message_id)?,
            nameless: whole.nameless,
            receive_time: time("events.event.receive_time", whole.receive_time)?,
            index: whole.index,
        },
        user_id: storable("events.user_id", message.user_id)?,
        anonymous_id: storable("events.anonymous_id", message.anonymous_id)?,
        event_name: storable("events.event_name", message.event_name)?,
        event_time,
        status: status("events.status", message.status)?,
        code: storable("events.code", message.code)?,
        message: storable("events.message", message.message)?,
        stored: message.stored,
    })
}

/// What a text column takes.
fn storable(field: &str, text: String) -> Result<String, Status> {
    if text.contains('\0') || text.len() > MAX_TEXT {
        return Err(invalid(field, "at most 2,000 bytes, and no NUL character"));
    }
    Ok(text)
}

fn status(field: &str, status: u32) -> Result<u16, Status> {
    u16::try_from(status)
        .ok()
        .filter(|status| (200..600).contains(status))
        .ok_or_else(|| invalid(field, "must be a status from 200 to 599"))
}

fn key(field: &str, bytes: &[u8]) -> Result<TimedKey, Status> {
    let key = Uuid::from_slice(bytes);
    key.map(TimedKey)
        .map_err(|_| invalid(field, "must be 16 bytes"))
}

pub fn keys(field: &str, all: &[bytes::Bytes]) -> Result<Vec<Uuid>, Status> {
    all.iter()
        .map(|bytes| key(field, bytes).map(|key| key.0))
        .collect()
}

pub fn claim(request: &pb::ReportWorkRequest) -> Result<Claim, Status> {
    Ok(Claim {
        account_id: id("account_id", &request.account_id)?,
        source_id: id("source_id", &request.source_id)?,
        work_id: id("work_id", &request.work_id)?,
        is_repair: request.repair,
        token: id("lease_token", &request.lease_token)?,
    })
}

pub fn outcomes(outcomes: Vec<pb::ReplayOutcome>) -> Result<Vec<Outcome>, Status> {
    let read = |message: pb::ReplayOutcome| {
        Ok(Outcome {
            key: key("outcomes.event_key", &message.event_key)?,
            status: status("outcomes.status", message.status)?,
            code: storable("outcomes.code", message.code)?,
            message: storable("outcomes.message", message.message)?,
            ignored_code: storable("outcomes.ignored_code", message.ignored_code)?,
        })
    };
    outcomes.into_iter().map(read).collect()
}
