//! `bench people`: what a person asks for among the contacts of one account: a search as it is
//! typed, an export of all of them, an import of more.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use uuid::Uuid;
use weir_proto::contact::v1 as contact;
use weir_proto::contact::v1::search_service_client::SearchServiceClient;
use weir_proto::contact::v1::transfer_service_client::TransferServiceClient;
use weir_stack::{Channel, Service};

use super::Study;
use crate::bed::{Bed, Side};
use crate::drive::{Done, Load, Pace, Worker};
use crate::options::{Options, Scenario};
use crate::plan::Plan;
use crate::random::Random;
use crate::report::ScenarioReport;
use crate::report::bars::Bar;
use crate::screen::{progress, thousands};
use crate::statistics::ratio;
use crate::turn::{Turn, measure};
use crate::workload::person::Person;

/// Searches of a turn, one after the other, and how many of each kind of query.
const SEARCHES: u64 = 2_000;
const PAGE: i32 = 50;
const SEARCH_P99_MS: f64 = 50.0;
const EXPORTED_PER_SECOND: f64 = 50_000.0;
/// Of the rate of identifies that make contacts.
const IMPORT_RATIO: f64 = 0.5;
/// What an import sends at once; the service takes 1,000.
const IMPORT_ROWS: u64 = 1_000;
/// People of imports have numbers from here on: nobody else's.
const IMPORTED: u64 = 1 << 39;
/// How long an account may take to become searchable.
const SEARCHABLE: Duration = Duration::from_secs(600);
/// Of the answer and of the request: a page of contacts, or a thousand rows.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

const COLUMNS: [&str; 15] = [
    "contact_id",
    "user_id",
    "anonymous_id",
    "str::first",
    "str::last",
    "str::email",
    "phn::phone",
    "dtz::b",
    "geo::city",
    "str::postal",
    "geo::country",
    "str:cm:plan",
    "int:cm:login-count",
    "bol:cm:active",
    "dtz:cm:signed-up-at",
];

/// Measures all three.
///
/// # Errors
/// An unexpected answer, or a system that does not start.
pub async fn run(options: &Options) -> Result<Study> {
    let mut bed = Bed::start(options, 1, false).await?;
    let outcome = Box::pin(measure_all(options, &mut bed)).await;
    bed.finish(outcome).await
}

async fn measure_all(options: &Options, bed: &mut Bed) -> Result<Study> {
    let recipe = Scenario::People.recipe();
    bed.load("loading contacts", recipe, options.contacts)
        .await?;
    let settings = bed.system.settings().await?;
    let case = |name: &str| ScenarioReport::new(name.to_owned(), false, settings.clone());
    let mut searches = case("search");
    let (mut exports, mut imports) = (case("export"), case("import"));
    let mut identifies = case("identify-new");

    let channel = bed.system.channel(Service::ContactUpsert);
    let account_id = bed.accounts[0].account_id.to_string();
    let searcher = Searcher::connect(channel.clone());
    searchable(&searcher, &account_id).await?;
    bed.system.settle().await?;
    let report = |report: &mut ScenarioReport, turn: Turn| {
        progress(format!("  {}: {}", report.name, turn.line()));
        report.add(Side::System, turn);
    };
    let mut random = Random::new(options.seed);
    let mut imported = IMPORTED;
    for _ in 1..=options.rounds {
        let queries = queries(options.seed, options.contacts, &mut random, &account_id);
        let workers = vec![searcher.clone()];
        let turn = measure(&bed.system, workers, queries.into_iter(), Pace::Saturate).await?;
        report(&mut searches, turn);
        report(&mut exports, export(channel.clone(), &account_id).await?);
        let plan = Plan::usual(options, recipe);
        report(&mut identifies, bed.turn(Side::System, plan).await?);
        let jobs = rows(options.seed, imported, options.events, &account_id);
        imported += options.events;
        let importers = (0..options.connections).map(|_| Importer::connect(channel.clone()));
        let importers = importers.collect();
        let turn = measure(&bed.system, importers, jobs.into_iter(), Pace::Saturate).await?;
        report(&mut imports, turn);
    }
    let cases = vec![searches, exports, identifies, imports];
    Ok(Study {
        bars: bars(&cases),
        cases,
    })
}

/// Waits until all contacts can be found.
async fn searchable(searcher: &Searcher, account_id: &str) -> Result<()> {
    let began = Instant::now();
    let query = || request(account_id, "lana");
    while searcher.clone().search(query()).await?.partial {
        ensure!(
            began.elapsed() < SEARCHABLE,
            "the account is not searchable"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    progress(format!("  searchable after {:.1?}", began.elapsed()));
    Ok(())
}

/// What people type: parts of names, addresses, numbers and ids, of those who are there.
fn queries(
    seed: u64,
    contacts: u64,
    random: &mut Random,
    account_id: &str,
) -> Vec<contact::SearchContactsRequest> {
    let mut query = |number: u64| {
        let mut traits = String::new();
        let person = Person::new(seed, random.below(contacts), 0);
        person.write_traits(&mut traits);
        let traits: serde_json::Value = serde_json::from_str(&traits).expect("it is JSON");
        let text = |name: &str| traits[name].as_str().expect("it is a text").to_owned();
        let whole = match number % 5 {
            0 => text("firstName"),
            1 => format!("{} {}", text("lastName"), text("firstName")),
            2 => person.email(),
            3 => text("phone"),
            _ => person.user_id(),
        };
        let typed = 2 + random.below(whole.chars().count() as u64 - 1);
        whole
            .chars()
            .take(usize::try_from(typed).expect("a query is short"))
            .collect::<String>()
    };
    let queries = (0..SEARCHES).map(|number| request(account_id, &query(number)));
    queries.collect()
}

fn request(account_id: &str, query: &str) -> contact::SearchContactsRequest {
    contact::SearchContactsRequest {
        account_id: account_id.to_owned(),
        query: query.to_owned(),
        page_size: PAGE,
        ..Default::default()
    }
}

/// Searches one after the other.
#[derive(Clone)]
struct Searcher(SearchServiceClient<Channel>);

impl Searcher {
    fn connect(channel: Channel) -> Self {
        Self(SearchServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }

    async fn search(
        &mut self,
        request: contact::SearchContactsRequest,
    ) -> Result<contact::SearchContactsResponse> {
        Ok(self.0.search_contacts(request).await?.into_inner())
    }
}

impl Worker for Searcher {
    type Job = contact::SearchContactsRequest;

    async fn perform(&mut self, request: Self::Job) -> Result<Done> {
        let query = request.query.clone();
        let found = self.search(request).await?;
        ensure!(!found.matches.is_empty(), "{query:?} finds nobody");
        Ok(Done {
            events: 1,
            ..Done::default()
        })
    }
}

async fn export(channel: Channel, account_id: &str) -> Result<Turn> {
    let began = Instant::now();
    let request = contact::ExportContactsRequest {
        account_id: account_id.to_owned(),
        format: contact::ExportFormat::Csv.into(),
        columns: COLUMNS.map(str::to_owned).into(),
    };
    let client = TransferServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    let mut pieces = client.clone().export_contacts(request).await?.into_inner();
    let mut contacts = 0;
    while let Some(piece) = pieces.message().await? {
        contacts = piece.contacts;
    }
    let load = Load {
        events: u64::try_from(contacts).context("a number of contacts")?,
        latencies: vec![began.elapsed()],
        ..Load::default()
    };
    progress(format!("  {} contacts", thousands(load.events)));
    Ok(Turn::of(load, began.elapsed().as_secs_f64()))
}

/// Requests for people from this number on, as JSON lines have them.
fn rows(seed: u64, from: u64, count: u64, account_id: &str) -> Vec<contact::ImportContactsRequest> {
    let account_id: Arc<str> = account_id.into();
    let as_of_time = SystemTime::now().into();
    let row = |number: u64| {
        let person = Person::new(seed, number, 0);
        let mut json = format!(
            r#"{{"user_id":"{}","anonymous_id":"{}","#,
            person.user_id(),
            person.anonymous_id()
        );
        let mut fields = String::new();
        person.write_fields(&mut fields);
        json.push_str(&fields[1..]);
        contact::ImportRow {
            json,
            ..Default::default()
        }
    };
    let requests = (0..count.div_ceil(IMPORT_ROWS)).map(|request| {
        let first = request * IMPORT_ROWS;
        let rows = first..count.min(first + IMPORT_ROWS);
        contact::ImportContactsRequest {
            account_id: account_id.to_string(),
            import_id: Uuid::from_u64_pair(seed, from).to_string(),
            as_of_time: Some(as_of_time),
            first_row: i64::try_from(first + 1).expect("a row's number"),
            rows: rows.map(|number| row(from + number)).collect(),
            ..Default::default()
        }
    });
    requests.collect()
}

struct Importer(TransferServiceClient<Channel>);

impl Importer {
    fn connect(channel: Channel) -> Self {
        Self(TransferServiceClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
    }
}

impl Worker for Importer {
    type Job = contact::ImportContactsRequest;

    async fn perform(&mut self, request: Self::Job) -> Result<Done> {
        let rows = request.rows.len();
        let results = self.0.import_contacts(request).await?.into_inner().results;
        ensure!(results.len() == rows, "{} results", results.len());
        let refused = results
            .iter()
            .find(|result| result.status() != contact::ImportStatus::Stored);
        ensure!(refused.is_none(), "a row was not stored: {refused:?}");
        Ok(Done {
            events: rows as u64,
            ..Done::default()
        })
    }
}

fn bars(cases: &[ScenarioReport]) -> Vec<Bar> {
    let named = |name: &str| cases.iter().find(|case| case.name == name);
    let mut bars = Vec::new();
    if let (Some(search), Some(export)) = (named("search"), named("export")) {
        bars.push(Bar::at_most(
            "search: p99, ms",
            search.p99_ms(),
            SEARCH_P99_MS,
        ));
        let what = "export: contacts/s";
        bars.push(Bar::at_least(what, export.rate(), EXPORTED_PER_SECOND));
    }
    if let (Some(new), Some(import)) = (named("identify-new"), named("import"))
        && let Some(figure) = ratio(import.rate(), new.rate())
    {
        bars.push(Bar::at_least("import / identify-new", figure, IMPORT_RATIO));
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn each_is_held_against_its_bar() {
        let mut search = report("search", &[1.0], &[]);
        search.system[0].p99_ms = 51.0;
        let cases = [
            search,
            report("export", &[1.0], &[]),
            report("identify-new", &[1.0], &[]),
            report("import", &[2.0], &[]),
        ];
        let met: Vec<bool> = bars(&cases).iter().map(Bar::is_met).collect();
        assert_eq!(met, [false, false, true]);
    }

    #[test]
    fn queries_are_parts_of_what_is_there() {
        let queries = queries(1, 10, &mut Random::new(1), "");
        assert_eq!(queries.len() as u64, SEARCHES);
        assert!(queries.iter().all(|one| one.query.chars().count() >= 2));
    }

    #[test]
    fn the_last_request_of_an_import_may_be_smaller() {
        let rows: Vec<usize> = rows(1, IMPORTED, 2_500, "")
            .iter()
            .map(|request| request.rows.len())
            .collect();
        assert_eq!(rows, [1_000, 1_000, 500]);
    }
}
