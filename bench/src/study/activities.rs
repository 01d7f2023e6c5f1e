//! `bench activities`: what a person looks up among what the contacts of one account did: a page
//! of a contact, a page of one event name on one day, what happened first and last, counts, and an
//! export of all of it.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use prost_types::Timestamp;
use tonic::{Code, Status};
use uuid::Uuid;
use weir_proto::activity::v1 as activity;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::history_service_client::HistoryServiceClient;
use weir_stack::{Channel, Service};

use super::Study;
use crate::bed::{Bed, Side};
use crate::drive::{Done, Load, Pace, Worker, drive};
use crate::options::Options;
use crate::random::Random;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::{Meter, progress, thousands};
use crate::turn::{Turn, measure};

/// Over so many days, up to today: within their retention, all of them.
const DAYS: i64 = 80;
const RETENTION_DAYS: u32 = 90;
/// Events of a request; the service takes so many.
const BATCH: u64 = 1_000;
/// Events that are made at once.
const CHUNK: u64 = 100_000;
/// Look-ups of a turn, one after the other.
const LOOK_UPS: u64 = 500;
const PAGE: i32 = 100;
const CONTACT_P99_MS: f64 = 20.0;
const NAME_AND_DAY_P99_MS: f64 = 50.0;
/// Of the answers: pages of a hundred, and pieces of a file.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Each with how many of ten thousand events it is.
const NAMES: [(&str, u64); 8] = [
    ("Page viewed", 5_000),
    ("Product viewed", 2_500),
    ("Product added", 1_200),
    ("Signed in", 800),
    ("Checkout started", 300),
    ("Order completed", 150),
    ("Plan changed", 45),
    ("Account closed", 5),
];

/// Measures all of it.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start(options, 1, false).await?;
    let outcome = Box::pin(measure_all(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure_all(options: &Options, bed: &mut Bed) -> Result<Study> {
    let service = bed.system.service_channel(Service::Activity);
    let stored = store(bed.accounts[0].account_id, options, service).await?;
    bed.system.settle().await?;
    let settings = bed.system.settings().await?;
    let case = |name: &str| ScenarioReport::new(name.to_owned(), false, settings.clone());
    let mut cases = ["contact-page", "name-and-day", "first-and-last", "export"].map(case);
    let channel = bed.system.channel(Service::Activity);
    let mut random = Random::new(options.seed);
    for _ in 1..=options.rounds {
        let makers: [fn(&Stored, &mut Random) -> LookUp; 3] = [
            Stored::of_contact,
            Stored::of_name_and_day,
            Stored::first_and_last,
        ];
        for (report, make) in cases.iter_mut().zip(makers) {
            let jobs: Vec<LookUp> = (0..LOOK_UPS).map(|_| make(&stored, &mut random)).collect();
            let readers = vec![Reader::connect(channel.clone())];
            let turn = measure(&bed.system, readers, jobs.into_iter(), Pace::Saturate).await?;
            told(report, turn);
        }
        let turn = export(channel.clone(), &stored).await?;
        told(&mut cases[3], turn);
    }
    Ok(Study {
        bars: bars(&cases),
        cases: cases.into(),
    })
}

fn told(report: &mut ScenarioReport, turn: Turn) {
    progress(format!("  {}: {}", report.name, turn.line()));
    report.add(Side::System, turn);
}

/// What was stored, which its numbers tell.
#[derive(Clone)]
pub struct Stored {
    account_id: Uuid,
    seed: u64,
    contacts: u64,
    activities: u64,
    end: DateTime<Utc>,
}

impl Stored {
    fn contact(&self, number: u64) -> Uuid {
        Uuid::from_u64_pair(self.seed, number)
    }

    /// In the order of time.
    fn time(&self, number: u64) -> DateTime<Utc> {
        let all = TimeDelta::days(DAYS).num_milliseconds() as f64;
        let since = all * (number as f64 / self.activities as f64);
        self.end - TimeDelta::days(DAYS) + TimeDelta::milliseconds(since as i64)
    }

    fn event(&self, number: u64, random: &mut Random) -> activity::ActivityEvent {
        let name = name_of(random.below(10_000));
        let contact = self.contact(random.below(self.contacts));
        activity::ActivityEvent {
            activity_id: activity_id(name).to_string().into(),
            event_name: NAMES[name].0.into(),
            attributes_json: format!(
                "{{\"plan\":\"business\",\"position\":{},\"url\":\"https://example.org/p/{number}\"}}",
                number % 100
            )
            .into(),
            retention_days: RETENTION_DAYS,
            event_time: Some(timestamp(self.time(number))),
            message_id: format!("bench-{number}").into(),
            contact_id: contact.to_string().into(),
            funded: true,
            ..activity::ActivityEvent::default()
        }
    }

    fn of_contact(&self, random: &mut Random) -> LookUp {
        LookUp::Contact(activity::ListActivitiesRequest {
            account_id: self.account_id.to_string(),
            contact_id: self.contact(random.below(self.contacts)).to_string(),
            page_size: PAGE,
            ..Default::default()
        })
    }

    fn of_name_and_day(&self, random: &mut Random) -> LookUp {
        let day = 1 + i64::try_from(random.below(DAYS.unsigned_abs() - 1)).unwrap_or(1);
        let from = (self.end - TimeDelta::days(day)).date_naive();
        let from = from.and_time(chrono::NaiveTime::MIN).and_utc();
        let name = usize::try_from(random.below(NAMES.len() as u64)).unwrap_or(0);
        LookUp::Account(activity::ListAccountActivitiesRequest {
            account_id: self.account_id.to_string(),
            event_name: NAMES[name].0.to_owned(),
            from_time: Some(timestamp(from)),
            to_time: Some(timestamp(from + TimeDelta::days(1))),
            page_size: PAGE,
            ..Default::default()
        })
    }

    fn first_and_last(&self, random: &mut Random) -> LookUp {
        LookUp::Occurrences(activity::ListOccurrencesRequest {
            account_id: self.account_id.to_string(),
            contact_id: self.contact(random.below(self.contacts)).to_string(),
            ..Default::default()
        })
    }
}

/// Of ten thousand.
fn name_of(mut draw: u64) -> usize {
    for (number, (_, of_all)) in NAMES.iter().enumerate() {
        if draw < *of_all {
            return number;
        }
        draw -= of_all;
    }
    0
}

fn activity_id(name: usize) -> Uuid {
    Uuid::from_u128(0xac00 + name as u128)
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    std::time::SystemTime::from(time).into()
}

/// Stores activities through the service, as the edge would hand them over.
///
/// # Errors
/// The service refuses one.
pub async fn store(account_id: Uuid, options: &Options, channel: Channel) -> Result<Stored> {
    let stored = Stored {
        account_id,
        seed: options.seed,
        contacts: options.contacts,
        activities: options.activities,
        end: Utc::now(),
    };
    progress(format!(
        "  storing {} activities",
        thousands(stored.activities)
    ));
    let mut meter = Meter::new("storing activities", stored.activities);
    let mut random = Random::new(stored.seed);
    let window = stored.end.date_naive().to_string();
    let mut done = 0;
    while done < stored.activities {
        let end = stored.activities.min(done + CHUNK);
        let events: Vec<_> = (done..end).map(|n| stored.event(n, &mut random)).collect();
        let size = usize::try_from(BATCH)?;
        let batches = events
            .chunks(size)
            .map(|events| activity::RecordActivitiesRequest {
                account_id: stored.account_id.to_string(),
                batch_id: Uuid::new_v4().to_string(),
                window: window.clone(),
                receive_time: Some(timestamp(stored.end)),
                events: events.to_vec(),
                ..Default::default()
            });
        let jobs: Vec<_> = batches.collect();
        let writers = (0..options.connections).map(|_| Recorder::connect(channel.clone()));
        drive(writers.collect(), jobs.into_iter(), Pace::Saturate).await?;
        done = end;
        meter.at(done);
    }
    Ok(stored)
}

struct Recorder(ActivityServiceClient<Channel>);

impl Recorder {
    fn connect(channel: Channel) -> Self {
        Self(ActivityServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }
}

/// Whether the call met the end of its connection.
fn is_of_connection(status: &Status) -> bool {
    matches!(status.code(), Code::Cancelled | Code::Unavailable)
}

impl Worker for Recorder {
    type Job = activity::RecordActivitiesRequest;

    async fn perform(&mut self, request: Self::Job) -> Result<Done> {
        let events = request.events.len();
        let answer = match self.0.record_activities(request.clone()).await {
            // The service ends connections of a certain age; the same batch again is no other.
            Err(status) if is_of_connection(&status) => self.0.record_activities(request).await?,
            answer => answer?,
        };
        let answer = answer.into_inner();
        ensure!(
            usize::try_from(answer.units)? == events,
            "{} of {events} were stored",
            answer.units
        );
        Ok(Done {
            events: events as u64,
            ..Done::default()
        })
    }
}

/// One look-up.
enum LookUp {
    Contact(activity::ListActivitiesRequest),
    Account(activity::ListAccountActivitiesRequest),
    Occurrences(activity::ListOccurrencesRequest),
}

/// Looks up one after the other.
struct Reader {
    activities: ActivityServiceClient<Channel>,
    history: HistoryServiceClient<Channel>,
}

impl Reader {
    fn connect(channel: Channel) -> Self {
        let history = HistoryServiceClient::new(channel.clone());
        Self {
            activities: ActivityServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE),
            history: history.max_decoding_message_size(MAX_MESSAGE),
        }
    }
}

impl Worker for Reader {
    type Job = LookUp;

    /// Each page is one event: what is timed is the look-up.
    async fn perform(&mut self, look_up: LookUp) -> Result<Done> {
        match look_up {
            LookUp::Contact(request) => {
                let contact = request.contact_id.clone();
                let page = self.activities.list_activities(request).await?.into_inner();
                let is_theirs = page.activities.iter().all(|one| one.contact_id == contact);
                ensure!(is_theirs, "somebody else's activities");
            }
            LookUp::Account(request) => {
                let name = request.event_name.clone();
                let page = self.history.list_account_activities(request).await?;
                let activities = page.into_inner().activities;
                let is_named = activities.iter().all(|one| one.event_name == name);
                ensure!(is_named, "activities of another name");
            }
            LookUp::Occurrences(request) => {
                let page = self.history.list_occurrences(request).await?.into_inner();
                ensure!(page.occurrences.len() <= NAMES.len(), "more than there are");
            }
        }
        Ok(Done {
            events: 1,
            ..Done::default()
        })
    }
}

async fn export(channel: Channel, stored: &Stored) -> Result<Turn> {
    let began = Instant::now();
    let columns = ["event_time", "event_name", "contact_id", "attributes.plan"];
    let request = activity::ExportActivitiesRequest {
        account_id: stored.account_id.to_string(),
        format: activity::ExportFormat::Csv.into(),
        columns: columns.map(str::to_owned).into(),
        ..Default::default()
    };
    let mut client = HistoryServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let mut pieces = client.export_activities(request).await?.into_inner();
    let mut activities = 0;
    while let Some(piece) = pieces.message().await? {
        activities = piece.activities;
    }
    let exported = u64::try_from(activities).context("a number of activities")?;
    ensure!(exported == stored.activities, "{exported} were exported");
    let load = Load {
        events: exported,
        latencies: vec![began.elapsed()],
        ..Load::default()
    };
    Ok(Turn::of(load, began.elapsed().as_secs_f64()))
}

fn bars(cases: &[ScenarioReport]) -> Vec<Bar> {
    let named = |name: &str| cases.iter().find(|case| case.name == name);
    let bar = |name: &str, what: &str, bound| {
        named(name).map(|case| Bar::at_most(what, case.p99_ms(), bound))
    };
    let bars = [
        bar("contact-page", "page of a contact: p99, ms", CONTACT_P99_MS),
        bar(
            "name-and-day",
            "page of a name and day: p99, ms",
            NAME_AND_DAY_P99_MS,
        ),
    ];
    bars.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn each_is_held_against_its_bar() {
        let mut page = report("contact-page", &[1.0], &[]);
        page.system[0].p99_ms = 21.0;
        let mut named = report("name-and-day", &[1.0], &[]);
        named.system[0].p99_ms = 49.0;
        let met: Vec<bool> = bars(&[page, named]).iter().map(Bar::is_met).collect();
        assert_eq!(met, [false, true]);
    }

    #[test]
    fn names_are_as_many_as_they_say() {
        let mut counts = [0; NAMES.len()];
        for draw in 0..10_000 {
            counts[name_of(draw)] += 1;
        }
        assert_eq!(counts, NAMES.map(|(_, of_all)| of_all));
    }

    #[test]
    fn events_are_in_the_order_of_time_and_none_has_expired() {
        let stored = Stored {
            account_id: Uuid::nil(),
            seed: 1,
            contacts: 10,
            activities: 1_000,
            end: DateTime::UNIX_EPOCH + TimeDelta::days(1_000),
        };
        let times: Vec<_> = (0..1_000).map(|n| stored.time(n)).collect();
        assert!(times.is_sorted());
        assert_eq!(times[0], stored.end - TimeDelta::days(DAYS));
        assert!(*times.last().unwrap() < stored.end);
    }
}
