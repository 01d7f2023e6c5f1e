//! Tracks whose contact could not be reached: kept durably, before they are answered 206
//! (semantics 1.7).

use std::time::Duration;

use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::App;
use super::batch::Batch;
use crate::domain::keep::{MAX_RAW, ToKeep};
use crate::domain::stages::ContactSaid;

/// One transaction of mapping takes a few milliseconds.
const TIME: Duration = Duration::from_secs(1);
/// Kept back for the activities.
const FOR_ACTIVITIES: Duration = Duration::from_millis(1_200);
/// What mapping takes in one call.
const MAX_CALL: usize = 1_000;
const STATUS: u16 = 206;

impl App {
    /// Has the contacts of tracks made up for later, where they could not be reached. What can't
    /// be kept stays as it is: it comes again as a whole.
    pub(super) async fn defer(&self, batch: &mut Batch, tracks: &[(usize, bool)]) {
        let is_away = |index: &usize| {
            let event = &batch.events[*index];
            event.progress.contact == Some(ContactSaid::Away) && event.span.len() <= MAX_RAW
        };
        let indexes = tracks.iter().map(|(index, _)| *index);
        let mut indexes: Vec<usize> = indexes.filter(is_away).collect();
        // What is replayed is kept already, and tried again.
        if indexes.is_empty() || batch.is_replay {
            return;
        }
        let events: Vec<ToKeep> = indexes
            .iter()
            .filter_map(|index| {
                let said = (STATUS, Reason::ContactDeferred);
                let kept = batch.to_keep(&batch.events[*index], said, false)?;
                Some(ToKeep {
                    message: Reason::ContactDeferred.meaning().to_owned(),
                    ..kept
                })
            })
            .collect();
        let left = batch.deadline.remaining().saturating_sub(FOR_ACTIVITIES);
        let deadline = Deadline::after(TIME.min(left));
        for part in events.chunks(MAX_CALL) {
            let rest = indexes.split_off(part.len().min(indexes.len()));
            let deferred = self.clients.defer_contacts(&batch.caller, part, deadline);
            // It is logged where it failed.
            let kept = deferred.await.unwrap_or_default();
            for (index, is_kept) in indexes.iter().zip(kept) {
                if is_kept {
                    batch.events[*index].progress.contact = Some(ContactSaid::Deferred);
                }
            }
            indexes = rest;
        }
    }
}
