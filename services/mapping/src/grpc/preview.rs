//! The preview service: drafts and suggestions.

use tonic::{Request, Response};
use weir_proto::mapping::v1::preview_service_server::PreviewService;
use weir_proto::mapping::v1::*;
use weir_rpc::Deadline;
use weir_rpc::wire::timestamp;

use super::mappings::read_given;
use super::{Answer, Service, convert, owner};
use crate::app::{ActivityDraft, Error, Previewed};
use crate::domain::draft::{self, EventPreview, RowPreview};
use crate::domain::invalid::{Faults, Invalid};
use crate::domain::log::LogEntry;
use crate::domain::mapping::{read_event_name, read_retention};
use crate::domain::sample::Sample;
use crate::domain::suggest;

#[tonic::async_trait]
impl PreviewService for Service {
    async fn preview_contact_mapping(
        &self,
        request: Request<PreviewContactMappingRequest>,
    ) -> Answer<PreviewContactMappingResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let rows = request.mappings.into_iter();
        let rows: Vec<_> = rows.map(convert::given_field).collect();
        let previewed = self
            .run(deadline, move |app| {
                let rows = rows.clone();
                async move { app.preview_contact_mapping(account, source, &rows).await }
            })
            .await?;
        let (rows, events) = answered(previewed);
        Ok(Response::new(PreviewContactMappingResponse {
            rows,
            events,
        }))
    }

    async fn preview_activity_mapping(
        &self,
        request: Request<PreviewActivityMappingRequest>,
    ) -> Answer<PreviewActivityMappingResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        let draft = read_draft(request).map_err(Error::Invalid)?;
        let previewed = self
            .run(deadline, move |app| {
                let draft = draft.clone();
                async move { app.preview_activity_mapping(account, source, draft).await }
            })
            .await?;
        let (rows, events) = answered(previewed);
        Ok(Response::new(PreviewActivityMappingResponse {
            rows,
            events,
        }))
    }

    async fn suggest_mappings(
        &self,
        request: Request<SuggestMappingsRequest>,
    ) -> Answer<SuggestMappingsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let (account, source) = owner(&request.account_id, &request.source_id)?;
        // None: of contacts.
        let name = match request.event_name.trim() {
            "" => String::new(),
            name => read_event_name(name).map_err(Error::from)?,
        };
        let (suggestions, events) = self
            .run(deadline, move |app| {
                let name = name.clone();
                async move { app.suggest_mappings(account, source, &name).await }
            })
            .await?;
        Ok(Response::new(SuggestMappingsResponse {
            suggestions: suggestions.into_iter().map(suggestion).collect(),
            event_count: u32::try_from(events).unwrap_or(u32::MAX),
        }))
    }
}

fn read_draft(request: PreviewActivityMappingRequest) -> Result<ActivityDraft, Vec<Invalid>> {
    let mut faults = Faults::default();
    let event_name = faults.take(read_event_name(&request.event_name));
    let retention = request.retention_days.map(read_retention);
    let retention_days = retention.and_then(|days| faults.take(days));
    let attributes = faults.take(read_given(false, request.attributes));
    faults.told()?;
    Ok(ActivityDraft {
        event_name: event_name.unwrap_or_default(),
        retention_days,
        attributes: attributes.flatten().unwrap_or_default(),
    })
}

fn answered(previewed: Previewed) -> (Vec<DraftedRow>, Vec<DraftedEvent>) {
    let Previewed { preview, samples } = previewed;
    let events = preview.events.into_iter();
    let events = events
        .map(|event| previewed_event(event, &samples))
        .collect();
    (
        preview.rows.into_iter().map(previewed_row).collect(),
        events,
    )
}

fn previewed_row(row: RowPreview) -> DraftedRow {
    let taken = |(path, value)| DraftTakenValue { path, value };
    DraftedRow {
        taken_count: row.taken,
        cleared_count: row.cleared,
        ignored_count: row.ignored,
        absent_count: row.absent,
        taken: row.taken_values.into_iter().map(taken).collect(),
        ignored: row.ignored_values.into_iter().map(ignored).collect(),
    }
}

fn previewed_event(event: EventPreview, samples: &[Sample]) -> DraftedEvent {
    let sample = &samples[event.sample];
    let value = |(target, value)| DraftedValue { target, value };
    let difference = |one: draft::Difference| DraftDifference {
        target: one.target,
        saved: one.saved,
        draft: one.draft,
    };
    DraftedEvent {
        receive_time: Some(timestamp(sample.receive_time)),
        kind: convert::kind(sample.kind).into(),
        event_name: sample.event_name.clone(),
        message_id: event.message_id,
        status: event.status,
        code: event
            .reason
            .map_or_else(String::new, |reason| reason.code().to_owned()),
        values: event.values.into_iter().map(value).collect(),
        differences: event.differences.into_iter().map(difference).collect(),
        values_left_out: event.is_cut,
        ignored: event.ignored.into_iter().map(ignored).collect(),
    }
}

fn ignored(line: LogEntry) -> DraftIgnoredValue {
    DraftIgnoredValue {
        path: line.path,
        value: line.value,
        code: line.code.into_owned(),
        reason: line.reason,
    }
}

fn suggestion(suggestion: suggest::Suggestion) -> Suggestion {
    let kind = |(kind, count): (&str, u32)| SuggestedKind {
        kind: kind.to_owned(),
        count,
    };
    let (field_id, field_is_mapped) = suggestion.field.unwrap_or_default();
    Suggestion {
        path: suggestion.path,
        seen_count: suggestion.seen,
        kinds: suggestion.kinds.into_iter().map(kind).collect(),
        examples: suggestion.examples,
        r#type: convert::value_type(suggestion.shape.value_type).into(),
        formats: suggestion.shape.formats,
        field_id,
        field_is_mapped,
        misfit_count: u32::try_from(suggestion.misfits).unwrap_or(u32::MAX),
    }
}
