//! A batch's payload as the arrays that statements take.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;
use weir_postgres::JsonText;

use crate::domain::Event;

/// The payload as arrays that borrow from the events.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub expire_days: Vec<NaiveDate>,
    pub keys: Vec<Uuid>,
    pub activity_ids: Vec<Uuid>,
    pub event_names: Vec<&'a str>,
    pub event_times: Vec<DateTime<Utc>>,
    pub message_ids: Vec<&'a str>,
    pub attributes: Vec<JsonText<'a>>,
    pub receive_times: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    pub fn of(events: impl ExactSizeIterator<Item = &'a Event>) -> Self {
        let count = events.len();
        let mut columns = Self {
            expire_days: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
            activity_ids: Vec::with_capacity(count),
            event_names: Vec::with_capacity(count),
            event_times: Vec::with_capacity(count),
            message_ids: Vec::with_capacity(count),
            attributes: Vec::with_capacity(count),
            receive_times: Vec::with_capacity(count),
        };
        for event in events {
            columns.expire_days.push(event.expire_day);
            columns.keys.push(event.key.0);
            columns.activity_ids.push(event.activity_id.0);
            columns.event_names.push(&event.event_name);
            columns.event_times.push(event.event_time);
            columns.message_ids.push(&event.message_id);
            columns.attributes.push(JsonText(&event.attributes));
            columns.receive_times.push(event.receive_time);
        }
        columns
    }
}
