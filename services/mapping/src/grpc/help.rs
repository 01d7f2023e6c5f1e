//! What helps the person who maps.

use tonic::{Request, Response};
use uuid::Uuid;
use weir_proto::mapping::v1::*;
use weir_rpc::{Deadline, Page, page_size, page_start};

use super::{Answer, Service, convert, log, owner, token};
use crate::app::ListedName;
use crate::domain::log::LogEntry;
use crate::domain::sample::ListKey;

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
    service.app.append_log(account, source, entries).await?;
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
    let after = page_start::<String>(&request.page_token)?.unwrap_or_default();
    let names = service
        .run(deadline, move |app| {
            let contains = request.contains.clone();
            async move { app.list_names(account, source, &contains).await }
        })
        .await?;
    let key = |name: &ListedName| {
        let newest_first = token::newest_first(name.seen.last_receive_time);
        format!("{newest_first}{}", name.seen.name)
    };
    let page = Page::of(token::rest(names, &after, key), size, convert::event_name);
    Ok(Response::new(ListEventNamesResponse {
        next_page_token: page.next_token(),
        names: page.items,
    }))
}

pub async fn list_log(
    service: &Service,
    request: Request<ListLogRequest>,
) -> Answer<ListLogResponse> {
    let deadline = Deadline::of(&request);
    let request = request.into_inner();
    let (account, source) = owner(&request.account_id, &request.source_id)?;
    let filter = log::read_filter(&request)?;
    let size = page_size(request.page_size)?;
    let after = page_start::<String>(&request.page_token)?.unwrap_or_default();
    let entries = service
        .run(deadline, move |app| {
            let filter = filter.clone();
            async move { app.list_log(account, source, &filter).await }
        })
        .await?;
    // Of one moment's lines the one that was written last is the newest.
    let key = |(id, entry): &(Uuid, LogEntry)| {
        format!("{}{:032x}", token::newest_first(entry.time), !id.as_u128())
    };
    let page = Page::of(token::rest(entries, &after, key), size, |(_, entry)| {
        convert::log_entry(entry)
    });
    Ok(Response::new(ListLogResponse {
        next_page_token: page.next_token(),
        entries: page.items,
    }))
}
