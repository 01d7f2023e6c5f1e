//! What all contacts did, and what waits: requests in, answers out.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use prost_types::Timestamp;
use tonic::{Request, Response, Status};
use weir_proto::activity::v1::history_service_server::HistoryService;
use weir_proto::activity::v1::{
    ActivityCount as WireCount, CountActivitiesRequest, CountActivitiesResponse,
    ExportActivitiesRequest, IdentifierKind, ListAccountActivitiesRequest,
    ListAccountActivitiesResponse, ListBacklogRequest, ListBacklogResponse, ListOccurrencesRequest,
    ListOccurrencesResponse, ListWaitingIdentifiersRequest, ListWaitingIdentifiersResponse,
    Occurrence as WireOccurrence, WaitingActivity as WireWaiting,
    WaitingIdentifier as WireIdentifier,
};
use weir_rpc::wire::{id, time, timestamp};
use weir_rpc::{Deadline, Page, invalid, page_size, unknown_page};

use super::Service;
use super::convert::{activity, identifiers_of, named};
use super::export::{Sent, exported};
use crate::domain::{
    ActivityCount, Identifier, Kind, Occurrence, Place, Question, Span, WaitingActivity,
    WaitingIdentifier,
};

/// Each costs a count of what waits.
const MOST_IDENTIFIERS: usize = 100;

/// A page's place, if its token is one of this question's.
pub(super) fn place<C: std::str::FromStr>(
    question: Question,
    token: &str,
) -> Result<Option<C>, Status> {
    let place = weir_rpc::page_start::<Place<C>>(token)?;
    let cursor = place.map(|place| question.take(place).ok_or_else(unknown_page));
    cursor.transpose()
}

/// The token of the page behind, which is of this question alone.
pub(super) fn token<T, C: std::fmt::Display>(question: Question, page: &Page<T, C>) -> String {
    let next = page.next.as_ref();
    let next = next.map(|cursor| Place { question, cursor });
    let page: Page<(), Place<&C>> = Page {
        items: Vec::new(),
        next,
    };
    page.next_token()
}

/// What of a time range is asked; absent is all that is shown.
pub(super) fn span(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    today: NaiveDate,
) -> Result<Span, Status> {
    let read = |field, given: Option<Timestamp>| -> Result<Option<DateTime<Utc>>, Status> {
        given.map(|given| time(field, Some(given))).transpose()
    };
    let (from, to) = (read("from_time", from)?, read("to_time", to)?);
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(invalid("to_time", "must not be before from_time"));
    }
    Ok(Span::of(from, to, today))
}

/// Times as a question has them.
pub(super) fn bytes_of(given: Option<&Timestamp>) -> Vec<u8> {
    let given = given.map(|given| {
        [
            given.seconds.to_be_bytes(),
            i64::from(given.nanos).to_be_bytes(),
        ]
    });
    given.map_or_else(Vec::new, |parts| parts.concat())
}

fn day(field: &str, text: &str, absent: NaiveDate) -> Result<NaiveDate, Status> {
    if text.is_empty() {
        return Ok(absent);
    }
    let day = text.parse();
    day.map_err(|_| invalid(field, "expected a day such as 2026-11-24"))
}

/// Whatever can be stored lies between these.
fn all_days() -> (NaiveDate, NaiveDate) {
    let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default();
    (day(1, 1, 1), day(9_999, 12, 31))
}

#[tonic::async_trait]
impl HistoryService for Histories {
    async fn list_account_activities(
        &self,
        request: Request<ListAccountActivitiesRequest>,
    ) -> Result<Response<ListAccountActivitiesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let question = Question::of(&[
            b"account",
            request.account_id.as_bytes(),
            request.event_name.as_bytes(),
            &bytes_of(request.from_time.as_ref()),
            &bytes_of(request.to_time.as_ref()),
        ]);
        let app = &self.0.app;
        let account_id = id("account_id", &request.account_id)?;
        let cursor = place(question, &request.page_token)?;
        let size = page_size(request.page_size)?;
        let span = span(request.from_time, request.to_time, app.today())?;
        let name = named("event_name", request.event_name)?;
        let page = app
            .list_account_activities(account_id, name, span, cursor, size, deadline)
            .await?;
        Ok(Response::new(ListAccountActivitiesResponse {
            next_page_token: token(question, &page),
            activities: page
                .items
                .into_iter()
                .map(|one| activity(one.activity, Some(one.contact_id)))
                .collect(),
        }))
    }

    async fn count_activities(
        &self,
        request: Request<CountActivitiesRequest>,
    ) -> Result<Response<CountActivitiesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let question = Question::of(&[
            b"counts",
            request.account_id.as_bytes(),
            request.event_name.as_bytes(),
            request.first_day.as_bytes(),
            request.last_day.as_bytes(),
        ]);
        let account_id = id("account_id", &request.account_id)?;
        let cursor = place(question, &request.page_token)?;
        let size = page_size(request.page_size)?;
        let (first, last) = all_days();
        let days = (
            day("first_day", &request.first_day, first)?,
            day("last_day", &request.last_day, last)?,
        );
        if days.0 > days.1 {
            return Err(invalid("last_day", "must not be before first_day"));
        }
        let name = named("event_name", request.event_name)?;
        let app = &self.0.app;
        let page = app
            .count_activities(account_id, name, days, cursor, size, deadline)
            .await?;
        Ok(Response::new(CountActivitiesResponse {
            next_page_token: token(question, &page),
            counts: page.items.into_iter().map(count).collect(),
        }))
    }

    async fn list_occurrences(
        &self,
        request: Request<ListOccurrencesRequest>,
    ) -> Result<Response<ListOccurrencesResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let question = Question::of(&[
            b"occurrences",
            request.account_id.as_bytes(),
            request.contact_id.as_bytes(),
        ]);
        let account_id = id("account_id", &request.account_id)?;
        let contact_id = id("contact_id", &request.contact_id)?;
        let cursor = place(question, &request.page_token)?;
        let size = page_size(request.page_size)?;
        let app = &self.0.app;
        let page = app
            .list_occurrences(account_id, contact_id, cursor, size, deadline)
            .await?;
        Ok(Response::new(ListOccurrencesResponse {
            next_page_token: token(question, &page),
            occurrences: page.items.into_iter().map(occurrence).collect(),
        }))
    }

    async fn list_backlog(
        &self,
        request: Request<ListBacklogRequest>,
    ) -> Result<Response<ListBacklogResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let question = Question::of(&[
            b"backlog",
            request.account_id.as_bytes(),
            request.user_id.as_bytes(),
            request.anonymous_id.as_bytes(),
        ]);
        let account_id = id("account_id", &request.account_id)?;
        let cursor = place(question, &request.page_token)?;
        let size = page_size(request.page_size)?;
        let mut identifiers = identifiers_of(request.user_id, request.anonymous_id)?;
        let (Some(identifier), true) = (identifiers.pop(), identifiers.is_empty()) else {
            return Err(invalid("user_id", "expected either this or anonymous_id"));
        };
        let app = &self.0.app;
        let backlog = app
            .list_backlog(account_id, identifier, cursor, size, deadline)
            .await?;
        Ok(Response::new(ListBacklogResponse {
            next_page_token: token(question, &backlog.page),
            activities: backlog.page.items.into_iter().map(waiting).collect(),
            waiting: backlog.waiting,
            last_day: backlog
                .last_day
                .map_or_else(String::new, |day| day.to_string()),
        }))
    }

    async fn list_waiting_identifiers(
        &self,
        request: Request<ListWaitingIdentifiersRequest>,
    ) -> Result<Response<ListWaitingIdentifiersResponse>, Status> {
        let deadline = Deadline::of(&request);
        let request = request.into_inner();
        let question = Question::of(&[b"waiting", request.account_id.as_bytes()]);
        let account_id = id("account_id", &request.account_id)?;
        let cursor: Option<Identifier> = place(question, &request.page_token)?;
        let size = page_size(request.page_size)?.min(MOST_IDENTIFIERS);
        let app = &self.0.app;
        let page = app
            .list_waiting_identifiers(account_id, cursor, size, deadline)
            .await?;
        Ok(Response::new(ListWaitingIdentifiersResponse {
            next_page_token: token(question, &page),
            identifiers: page.items.into_iter().map(waiting_identifier).collect(),
        }))
    }

    type ExportActivitiesStream = Sent;

    async fn export_activities(
        &self,
        request: Request<ExportActivitiesRequest>,
    ) -> Result<Response<Sent>, Status> {
        exported(&self.0, request).await
    }
}

pub(super) struct Histories(pub Arc<Service>);

fn count(count: ActivityCount) -> WireCount {
    WireCount {
        activity_id: count.named.activity_id.to_string(),
        event_name: count.named.event_name,
        day: count.day.to_string(),
        stored: count.stored,
        discarded: count.discarded,
    }
}

fn occurrence(occurrence: Occurrence) -> WireOccurrence {
    WireOccurrence {
        activity_id: occurrence.named.activity_id.to_string(),
        event_name: occurrence.named.event_name,
        first_time: Some(timestamp(occurrence.first_time)),
        last_time: Some(timestamp(occurrence.last_time)),
    }
}

fn waiting(waiting: WaitingActivity) -> WireWaiting {
    WireWaiting {
        activity: Some(activity(waiting.activity, None)),
        source_id: waiting
            .source_id
            .map_or_else(String::new, |id| id.to_string()),
        contact_deferred: waiting.deferred,
    }
}

fn waiting_identifier(waiting: WaitingIdentifier) -> WireIdentifier {
    let kind = match waiting.identifier.kind {
        Kind::UserId => IdentifierKind::UserId,
        Kind::AnonymousId => IdentifierKind::AnonymousId,
    };
    WireIdentifier {
        kind: kind.into(),
        value: waiting.identifier.value.to_string(),
        waiting: waiting.waiting,
        first_day: waiting.first_day.to_string(),
        last_day: waiting.last_day.to_string(),
    }
}
