//! `MapEvents`: the hot path. Borrows every event from the request.

use bytes::Bytes;
use tonic::Status;
use weir_ids::ActivityId;
use weir_proto::mapping::v1::{self as pb, mapped_event};
use weir_proto::settings::v1::Entitlement;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::convert;
use crate::app::{App, BatchEvent, Error, Leaves};
use crate::domain::event::RawEvent;
use crate::domain::event::Received;
use crate::domain::mapper::{IgnoredKind, NO_MAPPING, Outcome, Traits};
use crate::domain::snapshot::Snapshot;

/// As the contract says.
const MAX_EVENTS: usize = 1_000;

pub async fn map_events(
    app: &App,
    deadline: Deadline,
    request: &pb::MapEventsRequest,
) -> Result<pb::MapEventsResponse, Status> {
    let (account, source) = super::owner(&request.account_id, &request.source_id)?;
    if request.events.len() > MAX_EVENTS {
        return Err(weir_rpc::invalid("events", "at most 1,000"));
    }
    let received = received(request)?;
    let events = request
        .events
        .iter()
        .zip(received)
        .enumerate()
        .map(|(index, (event, received))| read_event(index, event, received, &request.body))
        .collect::<Result<Vec<_>, _>>()?;
    let snapshot = async {
        match request.refused_identifiers_version {
            // Who mends a mapping and has events replayed means the mended one.
            None if request.replayed => app.newest_snapshot(account, source).await,
            None => app.snapshot(account, source).await,
            Some(refused) => {
                app.snapshot_after_refusal(account, source, refused, deadline)
                    .await
            }
        }
    };
    let snapshot = tokio::time::timeout(deadline.remaining(), snapshot)
        .await
        .unwrap_or(Err(Error::Late))?;
    let leaves = match (request.refused_identifiers_version, request.replayed) {
        (Some(_), _) => Leaves::Nothing,
        (None, true) => Leaves::Lines,
        (None, false) => Leaves::All,
    };
    let (outcomes, ignored) = app.map_events(&snapshot, &events, leaves)?;
    let mut ids = IdTexts::default();
    let outcomes = outcomes.into_iter();
    let mut results: Vec<_> = outcomes
        .map(|outcome| mapped_event(outcome, &mut ids))
        .collect();
    for values in &ignored.values {
        results[values.event].ignored.push(pb::IgnoredValues {
            kind: u32::try_from(values.kind).unwrap_or(u32::MAX),
            count: u32::try_from(values.count).unwrap_or(u32::MAX),
        });
    }
    Ok(pb::MapEventsResponse {
        mapping_version: snapshot.source.mapping_version,
        contact_settings: Some(contact_settings(&snapshot)),
        entitlement: Some(entitlement(&snapshot)),
        results,
        ignored_kinds: ignored.kinds.into_iter().map(ignored_kind).collect(),
    })
}

/// What each event came in: together the requests have all of them.
fn received(request: &pb::MapEventsRequest) -> Result<Vec<Received<'_>>, Status> {
    let wrong = || weir_rpc::invalid("requests.event_count", "together as many as the events");
    let mut received = Vec::with_capacity(request.events.len());
    for one in &request.requests {
        let its = Received {
            time: weir_rpc::wire::time("requests.receive_time", one.receive_time)?,
            batch_id: &one.batch_id,
        };
        let count = one.event_count as usize;
        if count > request.events.len() - received.len() {
            return Err(wrong());
        }
        received.extend(std::iter::repeat_n(its, count));
    }
    if received.len() == request.events.len() {
        Ok(received)
    } else {
        Err(wrong())
    }
}

fn read_event<'a>(
    index: usize,
    event: &'a pb::Event,
    received: Received<'a>,
    body: &'a [u8],
) -> Result<BatchEvent<'a>, Status> {
    let wrong =
        |field: &str, what: &str| weir_rpc::invalid(&format!("events[{index}].{field}"), what);
    let raw = match &event.span {
        None => &event.raw[..],
        Some(span) => part_of(body, span)
            .ok_or_else(|| wrong("span", "must lie within the request's body"))?,
    };
    let part = |span: &Option<pb::Span>, field: &str| match span {
        None => Ok(None),
        Some(span) => part_of(raw, span)
            .map(Some)
            .ok_or_else(|| wrong(field, "must lie within the event")),
    };
    let text =
        |bytes, field: &str| std::str::from_utf8(bytes).map_err(|_| wrong(field, "must be UTF-8"));
    let kind = convert::event_kind(event.kind).ok_or_else(|| wrong("kind", "must be given"))?;
    // A refused event's time may be what was wrong with it.
    let event_time = match (&event.refusal, event.event_time) {
        (Some(_), None) => chrono::DateTime::UNIX_EPOCH,
        (_, time) => weir_rpc::wire::time("events.event_time", time)?,
    };
    Ok(BatchEvent {
        event: RawEvent {
            received,
            index: event.index,
            kind,
            traits: part(&event.traits, "traits")?,
            properties: part(&event.properties, "properties")?,
            location: part(&event.location, "location")?,
            ip: &event.ip,
            event_name: text(&event.event_name, "event_name")?,
            event_time,
            message_id: text(&event.message_id, "message_id")?,
        },
        raw,
        refused: event.refusal.is_some(),
    })
}

fn part_of<'a>(whole: &'a [u8], span: &pb::Span) -> Option<&'a [u8]> {
    let start = span.start as usize;
    whole.get(start..start.saturating_add(span.length as usize))
}

fn mapped_event(outcome: Outcome<'_>, ids: &mut IdTexts) -> pb::MappedEvent {
    let reject = |reason: Reason, message: String| {
        mapped_event::Outcome::Rejection(pb::Rejection {
            code: reason.code().to_owned(),
            message,
        })
    };
    let outcome = match outcome {
        Outcome::NoMapping => reject(Reason::NoMapping, NO_MAPPING.to_owned()),
        Outcome::PastRetention(message) => reject(Reason::PastRetention, message),
        Outcome::Mapped {
            fields_json,
            traits,
            activity,
        } => mapped_event::Outcome::Mapped(pb::Mapped {
            fields_json: fields_json.into_bytes(),
            activity: activity.map(|mapped| pb::MappedActivity {
                activity_id: ids.of(mapped.activity.activity_id),
                attributes_json: mapped.attributes_json.into_bytes(),
                retention_days: mapped.activity.retention_days,
                earlier_retention_days: mapped.activity.earlier_retention_days.clone(),
            }),
            traits: mapped_traits(traits).into(),
        }),
    };
    pb::MappedEvent {
        outcome: Some(outcome),
        ignored: Vec::new(),
    }
}

fn ignored_kind(kind: IgnoredKind) -> pb::IgnoredKind {
    pb::IgnoredKind {
        code: kind.code.code().to_owned(),
        subject: kind.subject,
    }
}

pub(super) fn mapped_traits(traits: Traits) -> pb::MappedTraits {
    match traits {
        Traits::None => pb::MappedTraits::None,
        Traits::Values => pb::MappedTraits::Values,
        Traits::Clears => pb::MappedTraits::Clears,
        Traits::ClearsRestIgnored => pb::MappedTraits::ClearsRestIgnored,
        Traits::AllIgnored => pb::MappedTraits::AllIgnored,
    }
}

/// Ids as `to_string` writes them. Most tracks of a batch are of few activities, and tracks
/// of one after the other often of the same: its text is written once.
#[derive(Default)]
struct IdTexts {
    last: Option<(ActivityId, Bytes)>,
}

impl IdTexts {
    fn of(&mut self, id: ActivityId) -> Bytes {
        if let Some((last, text)) = &self.last
            && *last == id
        {
            return text.clone();
        }
        let text = Bytes::from(id.to_string());
        self.last = Some((id, text.clone()));
        text
    }
}

pub(super) fn contact_settings(snapshot: &Snapshot) -> pb::ContactSettings {
    let settings = &snapshot.source.settings;
    pb::ContactSettings {
        unique_identifiers: snapshot
            .unique_identifiers
            .iter()
            .map(ToString::to_string)
            .collect(),
        key_strategy: convert::key_strategy(snapshot.key_strategy).into(),
        merge_strategy: convert::merge_strategy(settings.merge_strategy).into(),
        existing_only: settings.existing_only,
        identifiers_version: snapshot.identifiers_version,
        caseless_identifiers: snapshot
            .caseless_identifiers
            .iter()
            .map(ToString::to_string)
            .collect(),
        blocked_values_version: snapshot.blocked_values_version,
        keep_user_ids_apart: snapshot.keep_user_ids_apart,
    }
}

pub(super) fn entitlement(snapshot: &Snapshot) -> Entitlement {
    let plan = &snapshot.plan;
    Entitlement {
        contacts: plan.included_contacts + plan.additional_contacts,
        mapped_activities: snapshot.mapped_activities,
        profile_factor: plan.profile_factor,
        activity_factor: plan.activity_factor,
    }
}
