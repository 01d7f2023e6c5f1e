//! What became of events, stage by stage, and the story of one (semantics 7.8).

use tokio::sync::oneshot;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::recorder::Note;
use super::{App, Error};
use crate::domain::kept::{Filter, Kept};
use crate::domain::log::{LogEntry, LogFilter};
use crate::domain::recent::{Noted, Recent, Shown};
use crate::store::{self, RingsAway};

/// As the contract says; more says no more.
const MAX_OF_A_KIND: usize = 100;

/// All that is known of the events with one message id.
#[derive(Debug, Default)]
pub struct Story {
    /// Newest first, as the others.
    pub recent: Vec<Recent>,
    pub kept: Vec<Kept>,
    pub log: Vec<LogEntry>,
    /// Redis could not be asked for the first and the last.
    pub is_partial: bool,
}

impl Story {
    /// Of the newest that knows it.
    pub fn contact_id(&self) -> Option<Uuid> {
        self.recent.iter().find_map(|event| event.contact_id)
    }
}

impl App {
    /// Notes recent events. They are written, or kept since Redis is away, when this ends.
    pub async fn note_events(
        &self,
        account: AccountId,
        source: SourceId,
        noted: Noted,
    ) -> Result<(), Error> {
        // Also checks that the source is the account's.
        self.snapshot(account, source).await?;
        if noted.is_empty() {
            return Ok(());
        }
        let (told, written) = oneshot::channel();
        self.recorder.record(Note {
            recent: noted,
            told: Some(told),
            ..Note::of((account, source))
        });
        // The other end is dropped where there is no room.
        written.await.map_err(|_| {
            let message = "more events wait for Redis than there is room for";
            Error::Exhausted(Reason::Overloaded, message.to_owned())
        })
    }

    /// All recent events of a source.
    pub async fn recent_events(
        &self,
        account: AccountId,
        source: SourceId,
    ) -> Result<Shown, Error> {
        self.get_source(account, source).await?;
        Ok(self.rings.recent(account, source).await?)
    }

    /// What is known of the events that came with this id.
    pub async fn event_story(
        &self,
        account: AccountId,
        source: SourceId,
        message_id: &str,
    ) -> Result<Story, Error> {
        let filter = Filter {
            message_id: Some(message_id.to_owned()),
            include_done: true,
            ..Filter::default()
        };
        self.get_source(account, source).await?;
        let limit = i64::try_from(MAX_OF_A_KIND).unwrap_or(i64::MAX);
        let client = self.scoped(account).await?;
        let kept = store::list_kept(&client, (account, source), &filter, None, limit).await?;
        // Nobody else waits for a connection meanwhile.
        drop(client);
        let mut story = Story {
            kept: kept.into_iter().filter_map(|(_, kept)| kept).collect(),
            ..Story::default()
        };
        match self.in_rings(account, source, message_id).await {
            Ok((recent, log)) => (story.recent, story.log) = (recent, log),
            Err(_) => story.is_partial = true,
        }
        Ok(story)
    }

    async fn in_rings(
        &self,
        account: AccountId,
        source: SourceId,
        message_id: &str,
    ) -> Result<(Vec<Recent>, Vec<LogEntry>), RingsAway> {
        let shown = self.rings.recent(account, source).await?;
        let mut recent = shown.events;
        recent.retain(|event| event.is_of(message_id));
        recent.truncate(MAX_OF_A_KIND);
        let filter = LogFilter {
            message_id: message_id.to_owned(),
            ..LogFilter::default()
        };
        let mut lines = self.rings.log(account, source).await?;
        lines.retain(|(_, entry)| filter.lets_through(entry));
        // Of one moment's lines the one that was written last is the newest.
        lines.sort_by_key(|(id, entry)| std::cmp::Reverse((entry.time, *id)));
        lines.truncate(MAX_OF_A_KIND);
        Ok((recent, lines.into_iter().map(|(_, entry)| entry).collect()))
    }
}
