//! What helps the person who maps.

use tonic::{Request, Response};
use weir_proto::mapping::v1::*;
use weir_rpc::{Deadline, Page, page_size};

use super::status::status;
use super::{Answer, Service, convert, owner, token};
use crate::store::ListKey;

/// As the contract says.
const MAX_LOG_ENTRIES: usize = 1_000;

pub async fn append_log(
    service: &Service,
    request: Request<AppendLogRequest>,
) -> Answer<AppendLogResponse> {
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    if request.entries.len() > MAX_LOG_ENTRIES {
        return Err(weir_rpc::invalid("entries", "at most 1,000"));
    }
    let entries = request
        .entries
        .into_iter()
        .map(convert::read_log_entry)
        .collect::<Result<_, _>>()?;
    service
        .app
        .append_log(account, source, entries)
        .await
        .map_err(status)?;
    Ok(Response::new(AppendLogResponse {}))
}

pub async fn list_samples(
    service: &Service,
    request: Request<ListSamplesRequest>,
) -> Answer<ListSamplesResponse> {
    let deadline = Deadline::of(&request);
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let list = match request.event_name.trim() {
        "" => ListKey::Identifies,
        name => ListKey::Tracks(name.to_owned()),
    };
    let samples = service
        .run(deadline, move |app| {
            let list = list.clone();
            async move { app.list_samples(account, source, &list).await }
        })
        .await?;
    Ok(Response::new(ListSamplesResponse {
        samples: samples.into_iter().map(convert::sample).collect(),
    }))
}

pub async fn list_event_names(
    service: &Service,
    request: Request<ListEventNamesRequest>,
) -> Answer<ListEventNamesResponse> {
    let deadline = Deadline::of(&request);
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let size = page_size(request.page_size)?;
    let after = token::read_text(&request.page_token)?;
    let names = service
        .run(deadline, move |app| {
            let contains = request.contains.clone();
            async move { app.list_names(account, source, &contains).await }
        })
        .await?;
    let rest = token::rest(names, &after, |name| name.seen.name.clone());
    let page = Page::of(rest, size, |name| name.seen.name.clone());
    Ok(Response::new(ListEventNamesResponse {
        names: page.items.into_iter().map(convert::event_name).collect(),
        next_page_token: token::of_text(page.next),
    }))
}

pub async fn list_log(
    service: &Service,
    request: Request<ListLogRequest>,
) -> Answer<ListLogResponse> {
    let deadline = Deadline::of(&request);
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let size = page_size(request.page_size)?;
    let after = token::read_text(&request.page_token)?;
    let entries = service
        .run(deadline, move |app| async move {
            app.list_log(account, source).await
        })
        .await?;
    let rest = token::rest(entries, &after, |(id, _)| id.to_string());
    let page = Page::of(rest, size, |(id, _)| id.to_string());
    Ok(Response::new(ListLogResponse {
        entries: page
            .items
            .into_iter()
            .map(|(_, entry)| convert::log_entry(entry))
            .collect(),
        next_page_token: token::of_text(page.next),
    }))
}
