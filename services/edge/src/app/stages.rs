//! The stages that both kinds of batches go through.

use weir_ids::BatchId;
use weir_rpc::Deadline;

use super::App;
use super::batch::{Batch, Content};
use crate::clients::{
    ContactToUpsert, EventToMap, Failure, LogLine, Reservation, UpsertMode, WishToApply,
};
use crate::domain::envelope::Kind;
use crate::domain::outcome::MappingVerdict;
use crate::domain::stages::{ActivitySaid, AudienceSaid, ContactSaid, MappingSaid, WishSaid};

/// What mapping's log takes in one call.
const MAX_LOG_LINES: usize = 1_000;

impl App {
    /// Has the batch mapped; refused events are sent along for samples and log.
    pub(super) async fn map(&self, batch: &mut Batch) -> Result<(), Failure> {
        let mut places = Vec::with_capacity(batch.events.len());
        let mut sent = Vec::with_capacity(batch.events.len());
        for (place, event) in batch.events.iter().enumerate() {
            match &event.content {
                Content::Good(envelope)
                    if event.progress.audience != Some(AudienceSaid::Failed) =>
                {
                    sent.push(EventToMap::Good(&event.span, envelope));
                }
                Content::Refused(refusal) => sent.push(EventToMap::Refused(&event.span, refusal)),
                Content::Good(_) | Content::Echo => continue,
            }
            places.push(place);
        }
        if sent.is_empty() {
            return Ok(());
        }
        let answer = self
            .clients
            .map_events(
                &batch.caller,
                batch.kind,
                batch.arrival,
                &batch.body,
                &sent,
                batch.deadline,
            )
            .await?;
        drop(sent);
        batch.settings = answer.settings;
        batch.entitlement = answer.entitlement;
        for (place, said) in places.into_iter().zip(answer.results) {
            let event = &mut batch.events[place];
            if let Content::Refused(_) = event.content {
                continue;
            }
            event.progress.mapping = match said {
                None => None,
                Some(MappingSaid::Rejected(message)) => Some(MappingVerdict::Rejected(message)),
                Some(MappingSaid::Mapped(mapped)) => {
                    event.progress.has_fields = !matches!(&*mapped.fields_json, "" | "{}");
                    event.mapped = Some(mapped);
                    Some(MappingVerdict::Mapped)
                }
            };
        }
        Ok(())
    }

    /// Reserves units under a new batch id; the account's settlements that wait go along.
    pub(super) async fn reserve(
        &self,
        batch: &mut Batch,
        profile: usize,
        activity: usize,
    ) -> Result<Reservation, Failure> {
        let units = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let account_id = &batch.caller.account_id;
        let settlements = self.settlements.take(account_id);
        let reserved = self
            .clients
            .reserve(
                account_id,
                &BatchId::new().to_string(),
                (units(profile), units(activity)),
                batch.entitlement,
                &settlements,
                batch.deadline,
            )
            .await;
        if reserved.is_err() {
            self.settle_alone(account_id, settlements);
        }
        let reservation = reserved?;
        batch.reservation = Some(reservation.clone());
        Ok(reservation)
    }

    /// Upserts the contacts of the events at `places`. Answers the profile units that were
    /// charged, where that is certain.
    pub(super) async fn upsert(
        &self,
        batch: &mut Batch,
        reservation: &Reservation,
        places: &[usize],
        funded: &[bool],
        deadline: Deadline,
    ) -> Result<Option<i64>, Failure> {
        let events: Vec<ContactToUpsert<'_>> = places
            .iter()
            .zip(funded)
            .map(|(place, funded)| {
                let event = &batch.events[*place];
                let mode = match batch.kind {
                    Kind::Identify | Kind::Member => UpsertMode::Identify,
                    Kind::Track if event.progress.only_removes() => UpsertMode::Find,
                    Kind::Track => UpsertMode::Track,
                };
                ContactToUpsert {
                    envelope: event.envelope(),
                    mode,
                    fields_json: &event.mapped().fields_json,
                    no_values: false,
                    funded: *funded,
                }
            })
            .collect();
        let called = self
            .clients
            .upsert_contacts(
                &batch.caller,
                reservation,
                &batch.settings,
                &events,
                deadline,
            )
            .await?;
        drop(events);
        let (results, units) = called.answer;
        for (place, result) in places.iter().zip(results) {
            let event = &mut batch.events[*place];
            event.progress.contact = Some(result.said);
            event.contact_id = result.contact_id;
            for (path, reason) in result.ignored {
                if batch.ignored.len() < MAX_LOG_LINES {
                    batch.ignored.push(LogLine {
                        kind: batch.kind,
                        message_id: event.envelope().message_id.to_string(),
                        path,
                        reason,
                    });
                }
            }
        }
        Ok(called.certain.then_some(units))
    }

    /// Applies the wishes of the events whose stores took them.
    pub(super) async fn apply_wishes(&self, batch: &mut Batch) {
        let places: Vec<usize> = (0..batch.events.len())
            .filter(|place| is_due(batch, *place))
            .collect();
        if places.is_empty() {
            return;
        }
        let wishes: Vec<WishToApply<'_>> = places
            .iter()
            .filter_map(|place| {
                let event = &batch.events[*place];
                let wish = event.envelope().wish.as_ref()?;
                Some(WishToApply {
                    envelope: event.envelope(),
                    mode: wish.mode,
                    audience_id: &wish.audience_id,
                    contact_id: &event.contact_id,
                })
            })
            .collect();
        let account_id = &batch.caller.account_id;
        let applied = self
            .clients
            .apply_wishes(account_id, &wishes, batch.deadline)
            .await
            .unwrap_or_else(|_| vec![WishSaid::Failed; places.len()]);
        drop(wishes);
        for (place, said) in places.into_iter().zip(applied) {
            batch.events[place].progress.applied = Some(said);
        }
    }
}

/// A wish whose event is stored and whose contact is known.
fn is_due(batch: &Batch, place: usize) -> bool {
    let event = &batch.events[place];
    let progress = &event.progress;
    let contact = match progress.contact {
        Some(ContactSaid::Stored | ContactSaid::Repeated) => true,
        Some(ContactSaid::NothingNew) => progress.kind == Kind::Track,
        _ => false,
    };
    let activity = progress.kind != Kind::Track
        || matches!(
            progress.activity,
            Some(ActivitySaid::Stored | ActivitySaid::Backlogged | ActivitySaid::Repeated)
        );
    progress.wish.is_some() && contact && activity && !event.contact_id.is_empty()
}
