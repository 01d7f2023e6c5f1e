//! `bench pages`: how long the console's pages take where there is much of everything: an account
//! with many contacts, activities, fields and mapped events, and a source that sends them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use http::{HeaderMap, HeaderValue, Method, header};
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::search_service_client::SearchServiceClient;
use weir_proto::mapping::v1 as mapping;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_stack::{Channel, Service};

use super::{Study, activities};
use crate::bed::{Bed, Side};
use crate::drive::{Done, Pace, Worker};
use crate::http::{self as client, Reply};
use crate::options::Options;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::{Meter, progress};
use crate::setup::{self, Account};
use crate::turn::measure;
use crate::workload::Recipe;

/// Of the account, those of the workload among them.
const FIELDS: u64 = 200;
/// Of the source, mapped.
const EVENT_NAMES: u32 = 500;
/// Tracks of the contacts, through the edge: what the pages of a source show.
const TRACKS: u64 = 20_000;
/// How often each page is asked for in a turn, one after the other.
const VISITS: usize = 20;
const PAGE_P99_MS: f64 = 300.0;
/// Of a page as it goes over the line.
const PAGE_BYTES: usize = 60 * 1024;
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Measures all of them.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start(options, 1, false).await?;
    let outcome = Box::pin(measure_all(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure_all(options: &Options, bed: &mut Bed) -> Result<Study> {
    let account = bed.accounts[0].clone();
    configure(&account, bed.system.channel(Service::Mapping)).await?;
    // While nobody has a ledger: what is stored past the edge knows no epoch.
    let service = bed.system.service_channel(Service::Activity);
    activities::store(account.account_id, options, service).await?;
    bed.load("loading contacts", Recipe::IdentifyNew, options.contacts)
        .await?;
    bed.load("tracks of contacts", Recipe::TrackKnown, TRACKS)
        .await?;
    wide_identify(&account, &bed.system.edge.to_string()).await?;
    bed.system.settle().await?;

    let someone = someone(&account, bed.system.channel(Service::ContactUpsert)).await?;
    let visitor = Visitor::sign_in(&bed.system.console_url(), bed.system.token()).await?;
    let settings = bed.system.settings().await?;
    let mut cases = Vec::new();
    let mut largest = ("", 0);
    for (name, path) in paths(&account, &someone) {
        let mut report = ScenarioReport::new(name.to_owned(), false, settings.clone());
        let bytes = visitor.clone().visit(&path).await?.body.len();
        if bytes > largest.1 {
            largest = (name, bytes);
        }
        for _ in 1..=options.rounds {
            let jobs = vec![path.clone(); VISITS];
            let visitors = vec![visitor.clone()];
            let turn = measure(&bed.system, visitors, jobs.into_iter(), Pace::Saturate).await?;
            let line = turn.line();
            progress(format!("  {name}: {line}, {} KiB", bytes.div_ceil(1024)));
            report.add(Side::System, turn);
        }
        cases.push(report);
    }
    Ok(Study {
        bars: bars(&cases, largest),
        cases,
    })
}

/// As many fields and mapped events as a large account has.
async fn configure(account: &Account, channel: Channel) -> Result<()> {
    let mut mapping = MappingServiceClient::new(channel);
    let account_id = account.account_id.to_string();
    let request = setup::put_account(
        "bench 0",
        Some(account_id.clone()),
        i64::from(EVENT_NAMES) + 5,
    );
    mapping.put_account(request).await?;
    let source_id = account.source_id.to_string();
    let mut contacts = setup::contact_mapping(&account_id, &source_id);
    let mut meter = Meter::new("making fields", FIELDS);
    for number in contacts.mappings.len() as u64..FIELDS {
        let request = mapping::CreateFieldRequest {
            account_id: account_id.clone(),
            name: format!("Field {number}"),
            r#type: mapping::ValueType::Text.into(),
            request_id: String::new(),
        };
        let field = mapping.create_field(request).await?.into_inner().field;
        contacts.mappings.push(mapping::FieldMapping {
            trait_path: trait_of(number),
            field_id: field.context("a field")?.field_id,
            ..Default::default()
        });
        meter.at(number);
    }
    mapping.put_contact_mapping(contacts).await?;
    let mut meter = Meter::new("mapping events", EVENT_NAMES.into());
    for number in 0..EVENT_NAMES {
        let mut request = setup::activity_mapping(&account_id, &source_id);
        request.event_name = format!("Event {number}");
        mapping.put_activity_mapping(request).await?;
        meter.at(number.into());
    }
    Ok(())
}

fn trait_of(number: u64) -> String {
    format!("trait{number}")
}

/// One with a value for each field: what the page of the mapping shows.
async fn wide_identify(account: &Account, edge: &str) -> Result<()> {
    let traits = (0..FIELDS).fold(String::new(), |mut traits, number| {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(traits, r#"{comma}"{}":"value {number}""#, trait_of(number));
        traits
    });
    let body = format!(
        r#"[{{"user_id":"wide","message_id":"wide","timestamp":"{}","traits":{{{traits}}}}}]"#,
        chrono::Utc::now().to_rfc3339()
    );
    let headers = HeaderMap::from_iter([
        (header::AUTHORIZATION, account.authorization.clone()),
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
    ]);
    let url = format!("http://{edge}/v1/identify");
    let answer = client::exchange(Method::POST, &url, headers, body).await?;
    ensure!(
        answer.status.as_u16() == 207,
        "the edge answered {}",
        answer.status
    );
    Ok(())
}

/// A contact of the workload, by id.
async fn someone(account: &Account, channel: Channel) -> Result<String> {
    let request = contact::SearchContactsRequest {
        account_id: account.account_id.to_string(),
        query: "lana".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let mut search = SearchServiceClient::new(channel);
    loop {
        let found = search.search_contacts(request.clone()).await?.into_inner();
        if let Some(one) = found.matches.into_iter().next() {
            return Ok(one.contact.context("a contact")?.contact_id);
        }
        ensure!(found.partial, "nobody is called Lana");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

fn paths(account: &Account, contact: &str) -> Vec<(&'static str, String)> {
    let base = format!("/accounts/{}", account.account_id);
    let source = format!("{base}/sources/{}", account.source_id);
    let page = |of: &str, page: &str| format!("{of}/{page}");
    let (contact, audience) = (format!("contacts/{contact}"), account.audience_id);
    vec![
        ("accounts", "/accounts".to_owned()),
        ("sources", page(&base, "sources")),
        ("contacts", page(&base, "contacts")),
        ("contact", page(&base, &contact)),
        ("audiences", page(&base, "audiences")),
        ("audience", page(&base, &format!("audiences/{audience}"))),
        ("logs", page(&base, "logs")),
        ("usage", page(&base, "usage")),
        ("usage-90-days", page(&base, "usage?days=90")),
        ("settings", page(&base, "settings")),
        ("health", page(&base, "health")),
        ("map", page(&source, "map")),
        ("versions", page(&source, "map/versions")),
        ("activities", page(&source, "activities")),
        ("add-activity", page(&source, "activities/add")),
        ("source-logs", page(&source, "logs")),
        ("events", page(&source, "events")),
        ("kept", page(&source, "kept")),
        ("samples", page(&source, "samples")),
    ]
}

/// Somebody who is signed in.
#[derive(Clone)]
struct Visitor {
    console: String,
    cookie: HeaderValue,
}

impl Visitor {
    async fn sign_in(console: &str, token: &str) -> Result<Self> {
        let headers = HeaderMap::from_iter([
            (header::ORIGIN, HeaderValue::from_str(console)?),
            (header::CONTENT_TYPE, FORM),
        ]);
        let url = format!("{console}/sign-in");
        let body = format!("token={token}");
        let answer = client::exchange(Method::POST, &url, headers, body).await?;
        let cookie = answer.headers.get(header::SET_COOKIE);
        let cookie = cookie.context("the console lets nobody in")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or(cookie);
        Ok(Self {
            console: console.to_owned(),
            cookie: HeaderValue::from_str(cookie)?,
        })
    }

    async fn visit(&self, path: &str) -> Result<Reply> {
        let headers = HeaderMap::from_iter([
            (header::COOKIE, self.cookie.clone()),
            (header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        let url = format!("{}{path}", self.console);
        let answer = client::exchange(Method::GET, &url, headers, String::new()).await?;
        ensure!(
            answer.status.is_success(),
            "{path} answered {}",
            answer.status
        );
        Ok(answer)
    }
}

impl Worker for Visitor {
    type Job = String;

    /// Each page is one event: what is timed is the page.
    async fn perform(&mut self, path: String) -> Result<Done> {
        self.visit(&path).await?;
        Ok(Done {
            events: 1,
            statuses: BTreeMap::new(),
        })
    }
}

fn bars(cases: &[ScenarioReport], largest: (&str, usize)) -> Vec<Bar> {
    let slowest = cases
        .iter()
        .max_by(|a, b| a.p99_ms().total_cmp(&b.p99_ms()));
    let time = slowest.map(|case| {
        let what = format!("slowest page, {}: p99, ms", case.name);
        Bar::at_most(what, case.p99_ms(), PAGE_P99_MS)
    });
    let (name, bytes) = largest;
    let size = Bar::at_most(
        format!("largest page, {name}: KiB compressed"),
        bytes as f64 / 1024.0,
        PAGE_BYTES as f64 / 1024.0,
    );
    time.into_iter().chain([size]).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::report::tests::report;

    #[test]
    fn the_slowest_and_the_largest_are_held_against_their_bars() {
        let mut cases = [report("map", &[1.0], &[]), report("usage", &[1.0], &[])];
        cases[0].system[0].p99_ms = 299.0;
        cases[1].system[0].p99_ms = 301.0;
        let bars = bars(&cases, ("map", PAGE_BYTES));
        let met: Vec<bool> = bars.iter().map(Bar::is_met).collect();
        assert_eq!(met, [false, true]);
    }

    #[test]
    fn each_page_is_asked_for_once() {
        let account = Account {
            account_id: Uuid::nil(),
            source_id: Uuid::nil(),
            activity_id: Uuid::nil(),
            audience_id: Uuid::nil(),
            authorization: HeaderValue::from_static("Bearer none"),
        };
        let mut paths: Vec<String> = paths(&account, "someone")
            .into_iter()
            .map(|(_, path)| path)
            .collect();
        let count = paths.len();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), count);
    }
}
