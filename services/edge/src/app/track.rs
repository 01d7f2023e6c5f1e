//! Tracks: reserve, probe, upsert, record, membership updates (semantics 4.7, 6.4).

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

use weir_rpc::Deadline;

use super::batch::{Batch, Event};
use super::reserve::Units;
use super::{App, Stop};
use crate::clients::{ActivityToRecord, Cause, Failure, Reservation};
use crate::domain::grants;
use crate::domain::stages::{ActivitySaid, ContactSaid};

/// Kept back from the contact stage, so that a contact service that hangs does not take the
/// plain tracks with it.
const FOR_ACTIVITIES: Duration = Duration::from_millis(2_500);

impl App {
    pub(super) async fn track(&self, batch: &mut Batch) -> Result<(), Stop> {
        let indexes = batch.mapped(|event| event.mapped().activity.is_some());
        if indexes.is_empty() {
            return Ok(());
        }
        let unpaid = batch.unpaid(&indexes);
        let wanted = Units {
            profile: grants::count(with_contact(batch, &unpaid).len()),
            activity: grants::count(unpaid.len()),
        };
        let reservation = self.reserve(batch, wanted).await?;
        let tracks = match self.pay(batch, &reservation, unpaid).await {
            Ok(tracks) => with_corrections(batch, &indexes, tracks),
            Err(failure) => {
                self.settle(batch, reservation, Some(0), Some(0));
                return Err(failure.into());
            }
        };

        let profile_units = match self.contacts(batch, &reservation, &tracks).await {
            Ok(units) => units,
            Err(failure) => {
                self.settle(batch, reservation, failure.undone.then_some(0), Some(0));
                return Err(failure.into());
            }
        };
        self.defer(batch, &tracks).await;
        let recorded = self.record(batch, &reservation, &tracks).await;
        let activity_units = match recorded {
            Ok(units) => units,
            Err(failure) => {
                let units = failure.undone.then_some(0);
                // Where nothing at all was stored the batch as a whole may come again, and it
                // is asked for each request where one may be at fault.
                let is_anew = failure.cause == Cause::Aborted || batch.is_content(&failure);
                if is_anew || profile_units == Some(0) {
                    self.settle(batch, reservation, profile_units, units);
                    return Err(failure.into());
                }
                units
            }
        };
        self.settle(batch, reservation, profile_units, activity_units);
        Ok(self.apply_membership_updates(batch).await?)
    }

    /// Which tracks go on, and whether their unit is paid. Where there are not enough units the
    /// tracks are looked up first: repeats need none, so that theirs go to later ones (semantics
    /// 6.4), and who is left without one ends here, before it writes a contact.
    async fn pay(
        &self,
        batch: &mut Batch,
        reservation: &Reservation,
        indexes: Vec<usize>,
    ) -> Result<Vec<(usize, bool)>, Failure> {
        let granted = reservation.activity.granted;
        if granted >= grants::count(indexes.len()) || granted >= needed(batch, &indexes) {
            let paid = assign(batch, &indexes, granted);
            return Ok(indexes.into_iter().zip(paid).collect());
        }
        let said = self.probe(batch, reservation, &indexes).await?;
        let is_known = |(_, said): &(usize, ActivitySaid)| *said == ActivitySaid::Repeated;
        let (known, new): (Vec<_>, Vec<_>) = indexes.into_iter().zip(said).partition(is_known);
        let new: Vec<usize> = new.into_iter().map(|(index, _)| index).collect();
        let paid = assign(batch, &new, granted);
        let carried: HashSet<_> = new
            .iter()
            .zip(&paid)
            .filter(|(_, paid)| **paid)
            .map(|(index, _)| activity_key(&batch.events[*index]))
            .collect();
        // One that a paid one carries will be its repeat.
        let (on, dropped): (Vec<_>, Vec<_>) = new
            .iter()
            .copied()
            .zip(paid)
            .partition(|(index, _)| carried.contains(&activity_key(&batch.events[*index])));
        drop(carried);
        let dropped: Vec<usize> = dropped.into_iter().map(|(index, _)| index).collect();
        batch.say_activity(&dropped, ActivitySaid::NotFunded);
        let known = known.into_iter().map(|(index, _)| (index, false));
        let mut tracks: Vec<(usize, bool)> = known.chain(on).collect();
        tracks.sort_unstable();
        Ok(tracks)
    }

    /// Looks the tracks up, and stores nothing.
    async fn probe(
        &self,
        batch: &Batch,
        reservation: &Reservation,
        indexes: &[usize],
    ) -> Result<Vec<ActivitySaid>, Failure> {
        let events: Vec<_> = indexes
            .iter()
            .map(|index| to_record(batch, *index, false))
            .collect();
        let called = self
            .clients
            .record_activities(&batch.caller, reservation, &events, true, batch.deadline)
            .await?;
        Ok(called.answer.0)
    }

    /// The contacts of tracks with traits or a membership update. A failure that is no reason to
    /// start anew is said to these events alone: they come again as a whole, while plain ones go on.
    async fn contacts(
        &self,
        batch: &mut Batch,
        reservation: &Reservation,
        tracks: &[(usize, bool)],
    ) -> Result<Option<i64>, Failure> {
        let indexes: Vec<usize> = tracks.iter().map(|(index, _)| *index).collect();
        let indexes = with_contact(batch, &indexes);
        if indexes.is_empty() {
            return Ok(Some(0));
        }
        let funded = batch.funded(&indexes, reservation.profile.granted);
        let time = batch.deadline.remaining().saturating_sub(FOR_ACTIVITIES);
        let deadline = Deadline::after(time);
        match self
            .upsert(batch, reservation, &indexes, &funded, deadline)
            .await
        {
            Ok(units) => Ok(units),
            Err(failure) if failure.cause == Cause::Aborted || batch.is_content(&failure) => {
                Err(failure)
            }
            Err(failure) => {
                let said = match failure.cause {
                    Cause::Away | Cause::Gone | Cause::Aborted => ContactSaid::Away,
                    Cause::Unexpected => ContactSaid::Failed,
                };
                for index in indexes {
                    batch.events[index].progress.contact = Some(said);
                }
                Ok(failure.undone.then_some(0))
            }
        }
    }

    /// Stores the activities; answers the units that were charged, where that is certain.
    async fn record(
        &self,
        batch: &mut Batch,
        reservation: &Reservation,
        tracks: &[(usize, bool)],
    ) -> Result<Option<i64>, Failure> {
        let limits = batch.limits();
        let tracks: Vec<(usize, bool)> = tracks
            .iter()
            .filter(|(index, _)| !batch.events[*index].progress.leaves_no_activity(&limits))
            .copied()
            .collect();
        if tracks.is_empty() {
            return Ok(Some(0));
        }
        let events: Vec<_> = tracks
            .iter()
            .map(|(index, paid)| to_record(batch, *index, *paid))
            .collect();
        let called = self
            .clients
            .record_activities(&batch.caller, reservation, &events, false, batch.deadline)
            .await;
        drop(events);
        let indexes: Vec<usize> = tracks.into_iter().map(|(index, _)| index).collect();
        match called {
            Ok(called) => {
                let (said, units) = called.answer;
                for (index, said) in indexes.into_iter().zip(said) {
                    let progress = &mut batch.events[index].progress;
                    progress.activity = Some(said.of(progress.correction));
                }
                Ok(called.certain.then_some(units))
            }
            Err(failure) => {
                let said = match failure.cause {
                    Cause::Away | Cause::Gone | Cause::Aborted => ActivitySaid::Away,
                    Cause::Unexpected => ActivitySaid::Failed,
                };
                batch.say_activity(&indexes, said);
                Err(failure)
            }
        }
    }
}

/// How many units these tracks can need.
fn needed(batch: &Batch, indexes: &[usize]) -> i64 {
    grants::needed(indexes.iter().map(|at| activity_key(&batch.events[*at])))
}

/// What is corrected goes on without a unit.
fn with_corrections(
    batch: &Batch,
    indexes: &[usize],
    mut tracks: Vec<(usize, bool)>,
) -> Vec<(usize, bool)> {
    let corrections = indexes.iter().copied();
    let corrections = corrections.filter(|index| batch.events[*index].progress.correction);
    tracks.extend(corrections.map(|index| (index, false)));
    tracks.sort_unstable();
    tracks
}

fn assign(batch: &Batch, indexes: &[usize], granted: i64) -> Vec<bool> {
    let keys = indexes.iter().map(|at| activity_key(&batch.events[*at]));
    grants::assign(keys, granted)
}

fn with_contact(batch: &Batch, indexes: &[usize]) -> Vec<usize> {
    let wants = |index: &usize| batch.events[*index].progress.wants_contact();
    indexes.iter().copied().filter(wants).collect()
}

/// What makes two tracks one activity (semantics 4.5): the name, the message, when, and who. Two
/// without a timestamp happened when the first was received.
fn activity_key(event: &Event) -> impl Eq + Hash {
    let envelope = event.envelope();
    let is_known = !envelope.user_id.is_empty();
    let who = if is_known {
        &envelope.user_id
    } else {
        &envelope.anonymous_id
    };
    let when = envelope.dated.then_some(envelope.micros);
    (
        &*envelope.event_name,
        &*envelope.message_id,
        when,
        is_known,
        &**who,
    )
}

fn to_record(batch: &Batch, index: usize, funded: bool) -> ActivityToRecord<'_> {
    let event = &batch.events[index];
    let known = matches!(
        event.progress.contact,
        Some(ContactSaid::Stored | ContactSaid::Repeated | ContactSaid::NothingNew)
    );
    ActivityToRecord {
        envelope: event.envelope(),
        activity: event
            .mapped()
            .activity
            .as_ref()
            .expect("tracks without an activity were left out"),
        micros: event.micros(),
        arrival: batch.arrival_of(event),
        contact_id: if known { &event.contact_id } else { "" },
        funded,
        correction: event.corrects_activity,
        contact_deferred: event.progress.contact == Some(ContactSaid::Deferred),
    }
}
