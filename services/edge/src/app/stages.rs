//! The stages that both kinds of batches go through.

use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::App;
use super::batch::{Batch, Content, Event};
use crate::clients::{
    ContactToUpsert, EventToMap, Failure, MapRequest, RequestToMap, Reservation, UpdateToApply,
    UpsertMode, UpsertedContact,
};
use crate::domain::envelope::Kind;
use crate::domain::outcome::MappingVerdict;
use crate::domain::stages::{
    ActivitySaid, AudienceSaid, ContactSaid, MappingSaid, Traits, UpdateSaid,
};

impl App {
    /// Has the batch mapped; refused events are sent along for their samples.
    pub(super) async fn map(&self, batch: &mut Batch) -> Result<(), Failure> {
        batch.is_mapped = false;
        let (body, spans) = batch.body();
        let mut indexes = Vec::with_capacity(batch.events.len());
        let mut sent = Vec::with_capacity(batch.events.len());
        // Samples were taken when it was mapped for the first time.
        let is_first = batch.refused_identifiers_version.is_none();
        let mut requests: Vec<RequestToMap<'_>> = Vec::new();
        let mut last = None;
        for (index, (event, span)) in batch.events.iter().zip(spans).enumerate() {
            let in_request = u32::try_from(event.index).unwrap_or(u32::MAX);
            match &event.content {
                Content::Good(envelope)
                    if event.progress.audience != Some(AudienceSaid::Failed) =>
                {
                    sent.push(EventToMap::Good(in_request, span, envelope));
                }
                Content::Refused(refusal) if is_first => {
                    sent.push(EventToMap::Refused(in_request, span, refusal));
                }
                Content::Good(_) | Content::Refused(_) | Content::Echo(_) => continue,
            }
            indexes.push(index);
            if last != Some(event.request) {
                last = Some(event.request);
                requests.push(RequestToMap {
                    origin: &batch.requests[event.request].origin,
                    events: 0,
                });
            }
            if let Some(request) = requests.last_mut() {
                request.events += 1;
            }
        }
        if sent.is_empty() {
            batch.is_mapped = true;
            return Ok(());
        }
        let request = MapRequest {
            requests: &requests,
            kind: batch.kind,
            body,
            refused_identifiers_version: batch.refused_identifiers_version,
            replayed: batch.is_replay,
        };
        let answer = self
            .clients
            .map_events(&batch.caller, &request, &sent, batch.deadline)
            .await?;
        drop((requests, sent));
        batch.is_mapped = true;
        batch.settings = answer.settings;
        batch.entitlement = Some(answer.entitlement);
        batch.ignored_kinds = answer.ignored_kinds.into();
        for (index, (said, ignored)) in indexes.into_iter().zip(answer.results) {
            let event = &mut batch.events[index];
            if let Content::Refused(_) = event.content {
                continue;
            }
            event.mapped = None;
            event.ignored_by_mapping = ignored;
            event.progress.mapping = match said {
                None => None,
                Some(MappingSaid::Rejected(code, message)) => {
                    Some(MappingVerdict::Rejected(code, message))
                }
                Some(MappingSaid::Mapped(mapped)) => {
                    event.progress.traits = mapped.traits;
                    event.mapped = Some(mapped);
                    Some(MappingVerdict::Mapped)
                }
            };
        }
        Ok(())
    }

    /// Upserts the contacts of the events at `indexes`. Answers the profile units that were
    /// charged, where that is certain.
    pub(super) async fn upsert(
        &self,
        batch: &mut Batch,
        reservation: &Reservation,
        indexes: &[usize],
        funded: &[bool],
        deadline: Deadline,
    ) -> Result<Option<i64>, Failure> {
        let events: Vec<ContactToUpsert<'_>> = indexes
            .iter()
            .zip(funded)
            .map(|(index, funded)| {
                let event = &batch.events[*index];
                let mode = match batch.kind {
                    Kind::Identify | Kind::Member => UpsertMode::Identify,
                    Kind::Track if event.progress.only_removes() => UpsertMode::Find,
                    Kind::Track => UpsertMode::Track,
                };
                ContactToUpsert {
                    envelope: event.envelope(),
                    mode,
                    fields_json: &event.mapped().fields_json,
                    no_values: event.progress.traits != Traits::Values,
                    never_creates: event.progress.never_creates(),
                    funded: *funded,
                    correction: event.progress.correction,
                }
            })
            .collect();
        let called = self
            .clients
            .upsert_contacts(
                &batch.caller,
                reservation,
                (&batch.settings, batch.entitlement.unwrap_or_default()),
                &events,
                deadline,
            )
            .await?;
        drop(events);
        let (results, units) = called.answer;
        for (index, result) in indexes.iter().zip(results) {
            let event = &mut batch.events[*index];
            event.take_contact(result);
        }
        Ok(called.certain.then_some(units))
    }

    /// Applies the membership updates of the events whose stores took them. Where that fails those
    /// events come again; it is an error where one request alone may be at fault.
    pub(super) async fn apply_membership_updates(&self, batch: &mut Batch) -> Result<(), Failure> {
        let indexes: Vec<usize> = (0..batch.events.len())
            .filter(|index| is_due(batch, *index))
            .collect();
        if indexes.is_empty() {
            return Ok(());
        }
        let updates: Vec<UpdateToApply<'_>> = indexes
            .iter()
            .filter_map(|index| {
                let event = &batch.events[*index];
                let update = event.envelope().update.as_ref()?;
                Some(UpdateToApply {
                    envelope: event.envelope(),
                    micros: event.micros(),
                    mode: update.mode,
                    audience_id: &update.audience_id,
                    contact_id: &event.contact_id,
                })
            })
            .collect();
        let account_id = &batch.caller.account_id;
        let applied = self
            .clients
            .apply_membership_updates(account_id, &updates, batch.deadline)
            .await;
        drop(updates);
        let applied = match applied {
            Err(failure) if batch.is_content(&failure) => return Err(failure),
            applied => applied.unwrap_or_else(|_| vec![UpdateSaid::Failed; indexes.len()]),
        };
        for (index, said) in indexes.into_iter().zip(applied) {
            let event = &mut batch.events[index];
            event.progress.applied = Some(said);
            if said == UpdateSaid::UnknownAudience
                && let Some(update) = &event.envelope().update
            {
                let account_id = &batch.caller.account_id;
                self.audiences.forget(account_id, &update.audience_id).await;
            }
        }
        Ok(())
    }
}

impl Event {
    fn take_contact(&mut self, result: UpsertedContact) {
        self.progress.contact = Some(result.said);
        if result.said == ContactSaid::NothingNew {
            // That a newer event has set a field is nothing to mend.
            let why = result.ignored.iter().find(|one| one.code != Reason::Stale);
            self.progress.held_up = why.map(|one| Box::new((one.code, one.field_id.clone())));
        }
        self.contact_id = result.contact_id;
        self.first_time = result.first_time;
        self.ignored = result.ignored;
    }
}

/// A membership update whose event is stored and whose contact is known.
fn is_due(batch: &Batch, index: usize) -> bool {
    let event = &batch.events[index];
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
    progress.update.is_some() && contact && activity && !event.contact_id.is_empty()
}
