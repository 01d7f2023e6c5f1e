//! `StoryService`: what became of events, stage by stage.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_proto::mapping::v1::story_service_server::StoryService;
use weir_proto::mapping::v1::*;
use weir_rpc::wire::{id, time, timestamp};
use weir_rpc::{Deadline, Faults, Page, invalid, page_size, page_start};

use super::log::add_all;
use super::{Answer, Service, convert, owner, replay, token};
use crate::domain::counts::read_codes;
use crate::domain::recent::{LeftOut, MAX_VERDICTS, Noted, Recent, RecentFilter, Verdict};
use crate::domain::sample::caseless;

/// As the contract says.
const MAX_EVENTS: usize = 1_000;
/// Those of HTTP that an event may be answered.
const STATUSES: std::ops::Range<u32> = 200..600;
/// Of a message id, in bytes: kept events have none that is longer.
const MAX_MESSAGE_ID: usize = 2_000;

/// The service's own room in the server.
pub struct Story(pub Arc<Service>);

#[tonic::async_trait]
impl StoryService for Story {
    async fn note_events(&self, request: Request<NoteEventsRequest>) -> Answer<NoteEventsResponse> {
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let noted = read_noted(request)?;
        self.0.app.note_events(account, source, noted).await?;
        Ok(Response::new(NoteEventsResponse {}))
    }

    async fn list_recent_events(
        &self,
        request: Request<ListRecentEventsRequest>,
    ) -> Answer<ListRecentEventsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let mut faults = Faults::default();
        let account = faults.id("account_id", &request.account_id);
        let source = faults.id("source_id", &request.source_id);
        for (index, status) in request.statuses.iter().enumerate() {
            if !STATUSES.contains(status) {
                faults.add(
                    format!("statuses[{index}]"),
                    "must be a status from 200 to 599",
                );
            }
        }
        add_all(&mut faults, read_codes(&request.codes, true));
        let size = faults.take(page_size(request.page_size));
        let after = faults.take(page_start::<String>(&request.page_token));
        faults.told()?;
        let (Some(account), Some(source)) = (account, source) else {
            return Err(weir_rpc::internal());
        };
        let filter = RecentFilter {
            statuses: request.statuses,
            codes: request.codes,
            event_name: caseless(request.event_name.trim()),
        };
        let shown = self
            .0
            .run(deadline, move |app| async move {
                app.recent_events(account, source).await
            })
            .await?;
        let (left_out, since) = (shown.left_out, shown.since());
        let mut events = shown.events;
        events.retain(|event| filter.lets_through(event));
        // Those of a batch are answered in one moment: the last of them is the newest.
        let key = |event: &Recent| {
            let newest = token::newest_first(event.answer_time);
            format!("{newest}{} {:010}", event.batch_id, u32::MAX - event.index)
        };
        let after = after.flatten().unwrap_or_default();
        let rest = token::rest(events, &after, key);
        let page = Page::of(rest, size.unwrap_or_default(), recent);
        Ok(Response::new(ListRecentEventsResponse {
            next_page_token: page.next_token(),
            events: page.items,
            left_out,
            since_time: since.map(timestamp),
        }))
    }

    async fn get_event_story(
        &self,
        request: Request<GetEventStoryRequest>,
    ) -> Answer<GetEventStoryResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let mut faults = Faults::default();
        let account = faults.id("account_id", &request.account_id);
        let source = faults.id("source_id", &request.source_id);
        let message_id = request.message_id;
        if message_id.is_empty() {
            faults.add("message_id", "must be given");
        }
        if message_id.len() > MAX_MESSAGE_ID || message_id.contains('\0') {
            faults.add("message_id", "at most 2,000 bytes, and no NUL character");
        }
        faults.told()?;
        let (Some(account), Some(source)) = (account, source) else {
            return Err(weir_rpc::internal());
        };
        let story = self
            .0
            .run(deadline, move |app| {
                let message_id = message_id.clone();
                async move { app.event_story(account, source, &message_id).await }
            })
            .await?;
        let contact_id = story.contact_id();
        Ok(Response::new(GetEventStoryResponse {
            recent: story.recent.into_iter().map(recent).collect(),
            kept: story.kept.into_iter().map(replay::kept).collect(),
            log: story.log.into_iter().map(convert::log_entry).collect(),
            contact_id: contact_id.map_or_else(String::new, |id| id.to_string()),
            partial: story.is_partial,
        }))
    }
}

fn read_noted(request: NoteEventsRequest) -> Result<Noted, Status> {
    if request.events.len() > MAX_EVENTS {
        return Err(invalid("events", "at most 1,000"));
    }
    let left_out = match request.left_out {
        0 => None,
        1.. => Some(LeftOut {
            time: time("left_out_time", request.left_out_time)?,
            count: request.left_out,
        }),
        _ => return Err(invalid("left_out", "must not be negative")),
    };
    let events = request.events.into_iter().map(read_event);
    let mut noted = Noted::default();
    noted.extend(Noted {
        events: events.collect::<Result<_, _>>()?,
        left_out,
    });
    Ok(noted)
}

fn read_event(event: RecentEvent) -> Result<Recent, Status> {
    let event_time = event.event_time;
    let event_time = event_time.map(|its| time("events.event_time", Some(its)));
    let contact_id = Some(event.contact_id).filter(|text| !text.is_empty());
    let contact_id = contact_id.map(|text| id::<Uuid>("events.contact_id", &text));
    if !STATUSES.contains(&event.status) {
        return Err(invalid("events.status", "must be a status from 200 to 599"));
    }
    if event.stages.len() > MAX_VERDICTS {
        return Err(invalid("events.stages", "at most 10"));
    }
    let kind = convert::event_kind(event.kind);
    let verdicts = event.stages.into_iter().map(|verdict| Verdict {
        stage: verdict.stage,
        said: verdict.said,
        code: verdict.code,
    });
    let event = Recent {
        answer_time: time("events.answer_time", event.answer_time)?,
        receive_time: time("events.receive_time", event.receive_time)?,
        batch_id: event.batch_id,
        index: event.index,
        kind: kind.ok_or_else(|| invalid("events.kind", "must be given"))?,
        message_id: event.message_id,
        event_name: event.event_name,
        event_time: event_time.transpose()?,
        status: event.status,
        code: event.code,
        verdicts: verdicts.collect(),
        contact_id: contact_id.transpose()?,
        fields: event.fields,
        attributes: event.attributes,
        ignored: event.ignored,
        replayed: event.replayed,
    };
    Ok(event.bounded())
}

fn recent(event: Recent) -> RecentEvent {
    let verdicts = event.verdicts.into_iter().map(|verdict| StageVerdict {
        stage: verdict.stage,
        said: verdict.said,
        code: verdict.code,
    });
    RecentEvent {
        answer_time: Some(timestamp(event.answer_time)),
        receive_time: Some(timestamp(event.receive_time)),
        batch_id: event.batch_id,
        index: event.index,
        kind: convert::kind(event.kind).into(),
        message_id: event.message_id,
        event_name: event.event_name,
        event_time: event.event_time.map(timestamp),
        status: event.status,
        code: event.code,
        stages: verdicts.collect(),
        contact_id: (event.contact_id).map_or_else(String::new, |id| id.to_string()),
        fields: event.fields,
        attributes: event.attributes,
        ignored: event.ignored,
        replayed: event.replayed,
    }
}
