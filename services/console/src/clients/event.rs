//! The log, kept events, replays, recent events.

use weir_proto::mapping::v1 as wire;

use super::account::nothing;
use super::convert::{kind, log_entry, stamp, time, tried};
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::Time;
use crate::domain::model::{
    Kept, KeptCount, KeptFilter, LogEntry, LogFilter, Outcome, Page, Previewed, Recent, Replay,
    ReplayPreview, Stage, Story, Summary, Tried,
};

/// What a page of a list holds.
const PAGE: i32 = 50;

impl Calls {
    /// What became of a source's events since then, by reason or by reason and subject.
    pub async fn summary(
        &self,
        (account, source): (&str, &str),
        since: Time,
        by_subject: bool,
    ) -> Answer<Outcome> {
        let mut outcome = Outcome::default();
        let mut page_token = String::new();
        loop {
            let request = wire::SummarizeLogRequest {
                account_id: account.to_owned(),
                source_id: source.to_owned(),
                start_time: Some(stamp(since)),
                by_subject,
                page_size: 200,
                page_token,
                ..Default::default()
            };
            let answer = call!("mapping", self.log, summarize_log, request)?;
            outcome.answered = answer.answered_events;
            outcome.taken = answer.taken_events;
            outcome
                .summaries
                .extend(answer.summaries.into_iter().map(summary));
            page_token = answer.next_page_token;
            if page_token.is_empty() || outcome.summaries.len() >= 1_000 {
                return Ok(outcome);
            }
        }
    }

    pub async fn log(
        &self,
        (account, source): (&str, &str),
        filter: &LogFilter,
        page_token: &str,
    ) -> Answer<Page<LogEntry>> {
        let request = wire::ListLogRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
            codes: filter.codes.clone(),
            event_name: filter.event_name.clone(),
            field: filter.field.clone(),
            message_id: filter.message_id.clone(),
            ..Default::default()
        };
        let answer = call!("mapping", self.mapping, list_log, request)?;
        Ok(Page {
            items: answer.entries.into_iter().map(log_entry).collect(),
            next: answer.next_page_token,
        })
    }

    /// With the number of events that are not among them.
    pub async fn recent(
        &self,
        (account, source): (&str, &str),
        statuses: Vec<u32>,
        event_name: &str,
        page_token: &str,
    ) -> Answer<(Page<Recent>, i64)> {
        let request = wire::ListRecentEventsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            statuses,
            codes: Vec::new(),
            event_name: event_name.to_owned(),
            page_size: PAGE,
            page_token: page_token.to_owned(),
        };
        let answer = call!("mapping", self.story, list_recent_events, request)?;
        let page = Page {
            items: answer.events.into_iter().map(recent).collect(),
            next: answer.next_page_token,
        };
        Ok((page, answer.left_out))
    }

    pub async fn story(&self, account: &str, source: &str, message_id: &str) -> Answer<Story> {
        let request = wire::GetEventStoryRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            message_id: message_id.to_owned(),
        };
        let answer = call!("mapping", self.story, get_event_story, request)?;
        Ok(Story {
            recent: answer.recent.into_iter().map(recent).collect(),
            kept: answer.kept.into_iter().map(kept).collect(),
            log: answer.log.into_iter().map(log_entry).collect(),
            contact_id: answer.contact_id,
            partial: answer.partial,
        })
    }

    pub async fn kept(
        &self,
        account: &str,
        source: &str,
        filter: &KeptFilter,
        page_token: &str,
    ) -> Answer<Page<Kept>> {
        let request = wire::ListKeptEventsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            filter: Some(wire_filter(filter)),
            page_size: PAGE,
            page_token: page_token.to_owned(),
            with_counts: false,
        };
        let answer = call!("mapping", self.replay, list_kept_events, request)?;
        Ok(Page {
            items: answer.events.into_iter().map(kept).collect(),
            next: answer.next_page_token,
        })
    }

    /// How many events of each reason and name are kept that came since then, with those that were
    /// stored meanwhile.
    pub async fn kept_counts(
        &self,
        (account, source): (&str, &str),
        since: Option<Time>,
    ) -> Answer<Vec<KeptCount>> {
        let filter = wire::KeptEventFilter {
            from_time: since.map(stamp),
            ..Default::default()
        };
        let request = wire::ListKeptEventsRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            filter: Some(filter),
            page_size: 1,
            page_token: String::new(),
            with_counts: true,
        };
        let answer = call!("mapping", self.replay, list_kept_events, request)?;
        let count = |one: wire::KeptEventCount| KeptCount {
            code: one.code,
            event_name: one.event_name,
            count: one.count,
            done: one.done_count,
        };
        Ok(answer.counts.into_iter().map(count).collect())
    }

    pub async fn preview_replay(
        &self,
        account: &str,
        source: &str,
        filter: &KeptFilter,
    ) -> Answer<ReplayPreview> {
        let request = wire::PreviewReplayRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            filter: Some(wire_filter(filter)),
            page_size: PAGE,
            page_token: String::new(),
        };
        let answer = call!("mapping", self.replay, preview_replay, request)?;
        let events = answer.events.into_iter().map(previewed);
        Ok(ReplayPreview {
            counts: answer.counts.into_iter().map(tried).collect(),
            events: events.collect(),
            mapping_version: answer.mapping_version,
        })
    }

    pub async fn start_replay(
        &self,
        account: &str,
        source: &str,
        filter: &KeptFilter,
        wish: &str,
    ) -> Answer<Replay> {
        let request = wire::StartReplayRequest {
            account_id: account.to_owned(),
            source_id: source.to_owned(),
            filter: Some(wire_filter(filter)),
            all: filter.is_all(),
            request_id: wish.to_owned(),
        };
        let answer = call!("mapping", self.replay, start_replay, request)?;
        answer.replay.map(replay).ok_or_else(nothing)
    }

    pub async fn replay(&self, account: &str, id: &str) -> Answer<Replay> {
        let request = wire::GetReplayRequest {
            account_id: account.to_owned(),
            replay_id: id.to_owned(),
        };
        let answer = call!("mapping", self.replay, get_replay, request)?;
        answer.replay.map(replay).ok_or_else(nothing)
    }

    pub async fn replays(&self, account: &str) -> Answer<Vec<Replay>> {
        let request = wire::ListReplaysRequest {
            account_id: account.to_owned(),
            page_size: PAGE,
            page_token: String::new(),
        };
        let answer = call!("mapping", self.replay, list_replays, request)?;
        Ok(answer.replays.into_iter().map(replay).collect())
    }

    pub async fn stop_replay(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::StopReplayRequest {
            account_id: account.to_owned(),
            replay_id: id.to_owned(),
        };
        call!("mapping", self.replay, stop_replay, request)?;
        Ok(())
    }

    pub async fn resume_replay(&self, account: &str, id: &str) -> Answer<()> {
        let request = wire::ResumeReplayRequest {
            account_id: account.to_owned(),
            replay_id: id.to_owned(),
        };
        call!("mapping", self.replay, resume_replay, request)?;
        Ok(())
    }
}

fn summary(summary: wire::LogSummary) -> Summary {
    let hours = summary.hours.into_iter();
    let hours = hours.filter_map(|hour| Some((time(hour.hour)?, hour.count)));
    Summary {
        status: summary.status,
        code: summary.code,
        subject: summary.subject,
        count: summary.count,
        first: time(summary.first_time),
        last: time(summary.last_time),
        hours: hours.collect(),
        example: summary.example.map(log_entry),
    }
}

fn recent(event: wire::RecentEvent) -> Recent {
    let stages = event.stages.iter().map(|stage| Stage {
        name: match stage.stage() {
            wire::Stage::Accepted => "Accepted",
            wire::Stage::Mapped => "Mapped",
            wire::Stage::Identifiers => "Identity",
            wire::Stage::Units => "Units",
            wire::Stage::Contact => "Contact",
            wire::Stage::Activity => "Activity",
            wire::Stage::Membership => "Membership",
            wire::Stage::Unspecified => "Stage",
        },
        said: stage.said.clone(),
        code: stage.code.clone(),
    });
    Recent {
        stages: stages.collect(),
        answered: time(event.answer_time),
        received: time(event.receive_time),
        event_time: time(event.event_time),
        kind: kind(event.kind()),
        batch_id: event.batch_id,
        index: event.index,
        message_id: event.message_id,
        event_name: event.event_name,
        status: event.status,
        code: event.code,
        contact_id: event.contact_id,
        fields: event.fields,
        attributes: event.attributes,
        ignored: event.ignored,
        replayed: event.replayed,
    }
}

fn kept(event: wire::KeptEvent) -> Kept {
    Kept {
        kind: kind(event.kind()),
        id: event.kept_event_id,
        event_name: event.event_name,
        message_id: event.message_id,
        event_time: time(event.event_time),
        received: time(event.receive_time),
        status: event.status,
        code: event.code,
        message: event.message,
        stored: event.stored,
        deferred: event.deferred,
        done: time(event.done_time),
        raw: event.raw,
    }
}

/// One that would be stored but for a value is told with the reason of that value.
fn previewed(event: wire::PreviewedEvent) -> Previewed {
    let first = event.ignored.into_iter().next();
    let first = first.filter(|_| event.status == 200).map(log_entry);
    let tried = Tried {
        status: event.status,
        code: first.as_ref().map_or(event.code, |one| one.code.clone()),
        count: 1,
    };
    Previewed {
        event: kept(event.event.unwrap_or_default()),
        tried,
        says: event.message,
        ignored: first.map_or_else(String::new, |one| match one.field.is_empty() {
            true => one.path,
            false => one.field,
        }),
    }
}

fn replay(replay: wire::Replay) -> Replay {
    Replay {
        state: match replay.state() {
            wire::ReplayState::Stopped => "stopped",
            wire::ReplayState::Ended => "ended",
            _ => "running",
        },
        id: replay.replay_id,
        source_id: replay.source_id,
        created: time(replay.create_time),
        ended: time(replay.end_time),
        events: replay.event_count,
        waiting: replay.waiting_count,
        counts: replay.counts.into_iter().map(tried).collect(),
    }
}

fn wire_filter(filter: &KeptFilter) -> wire::KeptEventFilter {
    wire::KeptEventFilter {
        codes: filter.codes.clone(),
        event_names: filter.event_names.clone(),
        kept_event_ids: filter.ids.clone(),
        include_done: filter.include_done,
        ..Default::default()
    }
}
