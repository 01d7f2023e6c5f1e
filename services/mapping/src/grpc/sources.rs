//! Sources that are paused, and mappings that go from one to another.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use tonic::{Request, Response};
use weir_changes::author;
use weir_proto::mapping::v1::*;
use weir_rpc::Deadline;
use weir_rpc::wire::{id, request_id};

use super::convert::change;
use super::{Answer, Service, convert, owner};
use crate::domain::source::SourceKind;

/// So long Segment sends an event again.
const SEGMENT_GIVES_UP: TimeDelta = TimeDelta::hours(4);

pub async fn pause(
    service: &Service,
    request: Request<PauseSourceRequest>,
) -> Answer<PauseSourceResponse> {
    let deadline = Deadline::of(&request);
    let author = author(&request, "weir.mapping.v1.ConfigurationService/PauseSource");
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let (source, changed) = service
        .run_by(author, deadline, move |app| async move {
            app.pause_source(account, source, true).await
        })
        .await?;
    let paused = source.pause_time.unwrap_or_else(|| service.app.now());
    Ok(Response::new(PauseSourceResponse {
        warning: warning(source.settings.kind, paused),
        source: Some(convert::source(source)),
        change: change(changed).into(),
    }))
}

fn warning(kind: SourceKind, paused: DateTime<Utc>) -> String {
    match kind {
        SourceKind::SegmentActions => {
            let end = paused + SEGMENT_GIVES_UP;
            let end = end.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!(
                "Segment sends an event again for four hours, and then gives it up: resume the \
                 source before {end}"
            )
        }
        SourceKind::SegmentClassic => "SDKs give an event up after the retries that they were \
             told to make, some after seconds: resume the source soon"
            .to_owned(),
    }
}

pub async fn resume(
    service: &Service,
    request: Request<ResumeSourceRequest>,
) -> Answer<ResumeSourceResponse> {
    let deadline = Deadline::of(&request);
    let author = author(
        &request,
        "weir.mapping.v1.ConfigurationService/ResumeSource",
    );
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let (source, changed) = service
        .run_by(author, deadline, move |app| async move {
            app.pause_source(account, source, false).await
        })
        .await?;
    Ok(Response::new(ResumeSourceResponse {
        source: Some(convert::source(source)),
        change: change(changed).into(),
    }))
}

pub async fn list_paused(
    service: &Service,
    request: Request<ListPausedSourcesRequest>,
) -> Answer<ListPausedSourcesResponse> {
    let deadline = Deadline::of(&request);
    let only = convert::read_accounts("only_accounts", &request.into_inner().only_accounts)?;
    let found = service
        .run(deadline, move |app| {
            let only = only.clone();
            async move { app.paused_sources(&only).await }
        })
        .await?;
    let sources = found
        .into_iter()
        .map(|(source, account_name)| PausedSource {
            source: Some(convert::source(source)),
            account_name,
        });
    Ok(Response::new(ListPausedSourcesResponse {
        sources: sources.collect(),
    }))
}

pub async fn copy_mapping(
    service: &Service,
    request: Request<CopyMappingRequest>,
) -> Answer<CopyMappingResponse> {
    let deadline = Deadline::of(&request);
    let author = author(&request, "weir.mapping.v1.ConfigurationService/CopyMapping");
    let request = request.into_inner();
    let author = author.request(request_id(&request.request_id)?);
    let (account, from) = (
        super::account_id(&request.account_id)?,
        id("from_source_id", &request.from_source_id)?,
    );
    let both = [from, id("to_source_id", &request.to_source_id)?];
    let expected = request.expected_version;
    let (copied, changed) = service
        .run_by(author, deadline, move |app| async move {
            app.copy_mapping(account, both, expected).await
        })
        .await?;
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(Response::new(CopyMappingResponse {
        mapping_version: copied.mapping_version,
        change: change(changed).into(),
        fields: count(copied.fields),
        activities: count(copied.activities),
        saved: count(copied.saved),
    }))
}
