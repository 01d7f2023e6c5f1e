//! `LogService`: counts come in, and are summed up.

use std::sync::Arc;

use chrono::NaiveDate;
use tonic::{Request, Response, Status};
use uuid::Uuid;
use weir_proto::mapping::v1::log_service_server::LogService;
use weir_proto::mapping::v1::*;
use weir_rpc::wire::{NOT_A_TIME, day, id, read_time, time, timestamp};
use weir_rpc::{Deadline, Faults, Page, invalid, page_limit, page_size, page_start};

use super::{Answer, Service, convert};
use crate::domain::counts::{
    CountKey, Counted, Flush, OTHER, Subject, Summary, SummaryFilter, SummaryKey, read_codes,
    read_range,
};
use crate::domain::invalid::Invalid;
use crate::domain::log::{LogEntry, LogFilter};
use crate::domain::sample::caseless;
use crate::domain::spending::{Range, Spender, Spent, UnitKey};

/// As the contract says.
const MAX_COUNTS: usize = 5_000;
/// Codes of reasons are shorter.
const MAX_CODE: usize = 64;
const HOUR: i64 = 3_600;

/// The service's own room in the server.
pub struct Log(pub Arc<Service>);

#[tonic::async_trait]
impl LogService for Log {
    async fn add_counts(&self, request: Request<AddCountsRequest>) -> Answer<AddCountsResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let process_id: Uuid = id("process_id", &request.process_id)?;
        if request.sequence < 1 {
            return Err(invalid("sequence", "must be at least 1"));
        }
        let flush = read_flush(request.sources)?;
        let app = &self.0.app;
        app.add_counts(process_id, request.sequence, flush, deadline)
            .await?;
        Ok(Response::new(AddCountsResponse {}))
    }

    async fn summarize_log(
        &self,
        request: Request<SummarizeLogRequest>,
    ) -> Answer<SummarizeLogResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let mut faults = Faults::default();
        let owner = (
            faults.id("account_id", &request.account_id),
            faults.id("source_id", &request.source_id),
        );
        let start = read_moment(&mut faults, "start_time", request.start_time);
        let end = read_moment(&mut faults, "end_time", request.end_time);
        let range = faults.take(read_range(start, end, self.0.app.now()).map_err(Status::from));
        add_all(&mut faults, read_codes(&request.codes, true));
        let size = faults.take(page_size(request.page_size));
        let after = faults.take(page_start::<Token>(&request.page_token));
        faults.told()?;
        let ((Some(account), Some(source)), Some((start, end))) = (owner, range) else {
            return Err(weir_rpc::internal());
        };
        let size = size.unwrap_or_default();
        let after = after.flatten().map(|token| token.0);
        let filter = SummaryFilter {
            start,
            end,
            codes: request.codes,
            subject: request.subject.as_deref().map(Subject::named),
            by_subject: request.by_subject,
        };
        let summaries = self
            .0
            .run(deadline, move |app| {
                let (filter, after) = (filter.clone(), after.clone());
                async move {
                    let (after, limit) = (after.as_ref(), page_limit(size));
                    app.summarize_log(account, source, &filter, after, limit)
                        .await
                }
            })
            .await?;
        let found = summaries.found.into_iter();
        let found = found.map(|(key, summary)| (Token(key), summary));
        let page = Page::of(found, size, log_summary);
        Ok(Response::new(SummarizeLogResponse {
            next_page_token: page.next_token(),
            summaries: page.items,
            answered_events: summaries.answers.answered,
            taken_events: summaries.answers.taken,
        }))
    }

    async fn list_spending(
        &self,
        request: Request<ListSpendingRequest>,
    ) -> Answer<ListSpendingResponse> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let mut faults = Faults::default();
        let account = faults.id("account_id", &request.account_id);
        let mut day_of = |field, text: &str| {
            let given = !text.is_empty();
            given.then(|| faults.take(day(field, text))).flatten()
        };
        let first = day_of("first_window", &request.first_window);
        let last = day_of("last_window", &request.last_window);
        let range = faults
            .take(Range::of(first, last, self.0.app.now().date_naive()).map_err(Status::from));
        let size = faults.take(page_size(request.page_size));
        let skip = faults.take(page_start::<u32>(&request.page_token));
        faults.told()?;
        let (Some(account), Some(range)) = (account, range) else {
            return Err(weir_rpc::internal());
        };
        let (size, skip) = (size.unwrap_or_default(), skip.flatten().unwrap_or_default());
        let (spenders, windows) = self
            .0
            .run(deadline, move |app| async move {
                let limit = page_limit(size);
                app.list_spending(account, range, skip.into(), limit).await
            })
            .await?;
        let places = skip + 1..;
        let found = places.zip(spenders);
        let found = found.map(|(place, spender)| (place, Some(spender)));
        let page = Page::of(found, size, spending);
        Ok(Response::new(ListSpendingResponse {
            next_page_token: page.next_token(),
            spending: page.items,
            windows: windows.into_iter().map(window_spending).collect(),
        }))
    }
}

fn spending(spender: Spender) -> Spending {
    Spending {
        source_id: spender.source_id.to_string(),
        other: spender.subject == Subject::Other,
        event_name: match spender.subject {
            Subject::Named(name) => name,
            Subject::Other => OTHER.to_owned(),
        },
        profile_units: spender.spent.profile,
        activity_units: spender.spent.activity,
        rejected_events: spender.spent.rejected,
    }
}

fn window_spending((window, spent): (NaiveDate, Spent)) -> WindowSpending {
    WindowSpending {
        window: window.to_string(),
        profile_units: spent.profile,
        activity_units: spent.activity,
        rejected_events: spent.rejected,
    }
}

/// What `ListLog` lets through.
pub fn read_filter(request: &ListLogRequest) -> Result<LogFilter, Status> {
    let mut faults = Faults::default();
    let start = read_moment(&mut faults, "start_time", request.start_time);
    let end = read_moment(&mut faults, "end_time", request.end_time);
    if let (Some(start), Some(end)) = (start, end)
        && start >= end
    {
        faults.add("end_time", "must be after start_time");
    }
    add_all(&mut faults, read_codes(&request.codes, false));
    faults.take(page_size(request.page_size));
    faults.take(page_start::<String>(&request.page_token));
    faults.told()?;
    Ok(LogFilter {
        codes: request.codes.clone(),
        event_name: caseless(request.event_name.trim()),
        field: request.field.trim().to_owned(),
        start,
        end,
        message_id: request.message_id.trim().to_owned(),
    })
}

/// What the rules have against a request.
pub(super) fn add_all(faults: &mut Faults, all: Vec<Invalid>) {
    for one in all {
        faults.add(one.field, one.expected);
    }
}

/// A moment that may be left out.
pub(super) fn read_moment(
    faults: &mut Faults,
    field: &str,
    time: Option<prost_types::Timestamp>,
) -> Option<chrono::DateTime<chrono::Utc>> {
    let read = read_time(time?);
    if read.is_none() {
        faults.add(field, NOT_A_TIME);
    }
    read
}

fn read_flush(sources: Vec<SourceCounts>) -> Result<Flush, Status> {
    let sizes = sources.iter();
    let size: usize = sizes
        .map(|source| source.counts.len() + source.units.len())
        .sum();
    if size > MAX_COUNTS {
        return Err(invalid("sources.counts", "at most 5,000 together"));
    }
    let mut flush = Flush::default();
    for source in sources {
        let account_id = id("sources.account_id", &source.account_id)?;
        let source_id = id("sources.source_id", &source.source_id)?;
        for count in source.counts {
            let (key, counted) = read_count(source_id, count)?;
            flush.add(account_id, key, counted);
        }
        for count in source.units {
            let (key, spent) = read_units(source_id, count)?;
            flush.add_spent(account_id, key, spent);
        }
    }
    Ok(flush)
}

fn read_units(source_id: weir_ids::SourceId, count: UnitCount) -> Result<(UnitKey, Spent), Status> {
    if count.count < 1 {
        return Err(invalid("sources.units.count", "must be at least 1"));
    }
    let mut spent = Spent::default();
    match count.kind() {
        UnitKind::Profile => spent.profile = count.count,
        UnitKind::Activity => spent.activity = count.count,
        UnitKind::Rejected => spent.rejected = count.count,
        UnitKind::Unspecified => {
            return Err(invalid(
                "sources.units.kind",
                "must be one of those that are named",
            ));
        }
    }
    let key = UnitKey {
        source_id,
        window: day("sources.units.window", &count.window)?,
        subject: if count.other {
            Subject::Other
        } else {
            Subject::named(&count.subject)
        },
    };
    Ok((key, spent))
}

fn read_count(
    source_id: weir_ids::SourceId,
    count: ReasonCount,
) -> Result<(CountKey, Counted), Status> {
    let hour = time("sources.counts.hour", count.hour)?;
    if hour.timestamp().rem_euclid(HOUR) != 0 || hour.timestamp_subsec_micros() != 0 {
        return Err(invalid("sources.counts.hour", "must be a full hour"));
    }
    let status = i16::try_from(count.status)
        .ok()
        .filter(|status| *status < 600);
    let status =
        status.ok_or_else(|| invalid("sources.counts.status", "must be 0 or a status of HTTP"))?;
    if count.code.is_empty() || count.code.len() > MAX_CODE || count.code.contains('\0') {
        return Err(invalid("sources.counts.code", "must be a reason code"));
    }
    if count.count < 1 {
        return Err(invalid("sources.counts.count", "must be at least 1"));
    }
    let key = CountKey {
        source_id,
        hour,
        subject: if count.other {
            Subject::Other
        } else {
            Subject::named(&count.subject)
        },
        status,
        code: count.code,
    };
    let counted = Counted {
        count: count.count,
        first_time: time("sources.counts.first_time", count.first_time)?,
        last_time: time("sources.counts.last_time", count.last_time)?,
    };
    Ok((key, counted))
}

fn log_summary((summary, example): (Summary, Option<LogEntry>)) -> LogSummary {
    let Summary {
        key,
        counted,
        hours,
    } = summary;
    let hours = hours.into_iter().map(|(hour, count)| HourCount {
        hour: Some(timestamp(hour)),
        count,
    });
    let other = key.subject == Some(Subject::Other);
    LogSummary {
        status: u32::try_from(key.status).unwrap_or_default(),
        code: key.code,
        subject: match key.subject {
            Some(Subject::Named(name)) => name,
            Some(Subject::Other) => OTHER.to_owned(),
            None => String::new(),
        },
        other,
        count: counted.count,
        first_time: Some(timestamp(counted.first_time)),
        last_time: Some(timestamp(counted.last_time)),
        hours: hours.collect(),
        example: example.map(convert::log_entry),
    }
}

/// A key as a page token has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token(SummaryKey);

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SummaryKey {
            status,
            code,
            subject,
        } = &self.0;
        write!(f, "{status} {code} ")?;
        match subject {
            None => write!(f, "all"),
            Some(Subject::Other) => write!(f, "other"),
            Some(Subject::Named(name)) => write!(f, "={name}"),
        }
    }
}

impl std::str::FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().ok_or(());
        let status = next()?.parse().map_err(|_| ())?;
        let code = next()?.to_owned();
        let subject = match next()? {
            "all" => None,
            "other" => Some(Subject::Other),
            name => Some(Subject::Named(name.strip_prefix('=').ok_or(())?.to_owned())),
        };
        Ok(Self(SummaryKey {
            status,
            code,
            subject,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        for subject in [
            None,
            Some(Subject::Other),
            Some(Subject::Named(String::new())),
            Some(Subject::Named("Sign in = other all".to_owned())),
        ] {
            let token = Token(SummaryKey {
                status: 422,
                code: "NO_MAPPING".to_owned(),
                subject,
            });
            assert_eq!(token.to_string().parse(), Ok(token));
        }
        for text in [
            "",
            "x",
            "422",
            "422 NO_MAPPING",
            "422 NO_MAPPING name",
            "x y all",
        ] {
            assert!(text.parse::<Token>().is_err(), "{text}");
        }
    }
}
