//! The seed's samples and one of each kind of failure, sent through the edge for real.

use std::time::Duration;

use anyhow::Context;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_proto::mapping::v1::SourceKind;
use weir_stack::StackFile;

use crate::http::Http;
use crate::plan::{Applied, AppliedAccount};
use crate::table;

/// The edge's own deadline is 8 s.
const TIMEOUT: Duration = Duration::from_secs(10);
pub const LANA: &str = "lana.romeijn.myonlinestore-studio";
/// Longest message in the table.
const MESSAGE: usize = 160;

/// The account whose ids and key go into `stack.json`.
#[derive(Debug, Clone, Default)]
pub struct DemoAccount {
    pub account_id: String,
    pub source_id: String,
    pub key: String,
}

/// Those of a configuration that matter here.
#[derive(Debug)]
pub struct Accounts {
    /// The first one, which is left to the user.
    pub main: DemoAccount,
    /// Gets the samples: `demo-samples`, or the first where the file has no such account.
    samples: DemoAccount,
    audience_id: Option<String>,
    /// `demo-limited`, while it is in the file.
    limited: Option<DemoAccount>,
}

impl Accounts {
    pub fn find(applied: &Applied) -> Self {
        let named = |name: &str| applied.accounts.iter().find(|account| account.name == name);
        let first = applied.accounts.first();
        let samples = named("demo-samples").or(first);
        Self {
            main: first.map(demo_account).unwrap_or_default(),
            samples: samples.map(demo_account).unwrap_or_default(),
            audience_id: samples
                .and_then(|account| account.audiences.first())
                .map(|(_, id)| id.clone()),
            limited: named("demo-limited").map(demo_account),
        }
    }
}

fn demo_account(account: &AppliedAccount) -> DemoAccount {
    let source = account
        .sources
        .iter()
        .find(|source| source.kind == SourceKind::SegmentActions);
    DemoAccount {
        account_id: account.account_id.clone(),
        source_id: source
            .map(|source| source.source_id.clone())
            .unwrap_or_default(),
        key: source
            .and_then(|source| source.key.clone())
            .unwrap_or_default(),
    }
}

/// One request: a key, a path, and events with what they are.
struct Batch<'a> {
    key: &'a str,
    path: &'static str,
    events: Events,
}

/// Each with what it is.
type Events = Vec<(&'static str, Value)>;

/// What a request may be answered.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Outcome>,
    /// Of problem details.
    title: Option<String>,
    detail: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    status: u16,
    message: Option<String>,
}

/// Sends everything, in order, and lays out a table of the outcomes.
pub async fn run(client: &Http, edge: &str, accounts: &Accounts) -> anyhow::Result<String> {
    if accounts.samples.key.is_empty() {
        return Ok(
            "  nothing: the file gives no key for the Segment source of the account that samples go to\n".into(),
        );
    }
    let mut rows = Vec::new();
    for batch in batches(accounts) {
        rows.extend(send(client, edge, &batch).await?);
    }
    Ok(table::render(
        &["event", "sent to", "status", "message"],
        &rows,
    ))
}

async fn send(client: &Http, edge: &str, batch: &Batch<'_>) -> anyhow::Result<Vec<Vec<String>>> {
    let events: Vec<&Value> = batch.events.iter().map(|(_, event)| event).collect();
    let path = batch.path;
    let request = Request::post(format!("{edge}{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", batch.key))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(serde_json::to_vec(&events)?))?;
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status().as_u16();
        anyhow::Ok((status, response.into_body().collect().await?.to_bytes()))
    };
    let (whole, body) = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(anyhow::Error::from)
        .flatten()
        .with_context(|| format!("the edge does not answer to {path}"))?;
    let answer: Answer = serde_json::from_slice(&body)
        .with_context(|| format!("the edge's answer to {path} is not what it should be"))?;
    let row = |what: &str, status: u16, message: &str| {
        let message: String = message.chars().take(MESSAGE).collect();
        vec![
            what.to_owned(),
            path.to_owned(),
            status.to_string(),
            message,
        ]
    };
    if whole != 207 {
        let message = answer.detail.or(answer.title).unwrap_or_default();
        let what = batch.events.first().map_or("", |(what, _)| what);
        return Ok(vec![row(what, whole, &message)]);
    }
    let rows = batch.events.iter().zip(&answer.results);
    Ok(rows
        .map(|((what, _), outcome)| {
            row(
                what,
                outcome.status,
                outcome.message.as_deref().unwrap_or_default(),
            )
        })
        .collect())
}

fn identify(key: &str, events: Events) -> Batch<'_> {
    let path = "/v1/identify";
    Batch { key, path, events }
}

fn track(key: &str, events: Events) -> Batch<'_> {
    let path = "/v1/track";
    Batch { key, path, events }
}

fn batches(accounts: &Accounts) -> Vec<Batch<'_>> {
    let mut batches = of_samples(accounts);
    batches.extend(of_faults(&accounts.samples.key));
    batches.extend(of_limits(accounts));
    let wrong_key = "pau-a-key-that-nobody-has";
    batches.push(identify(
        wrong_key,
        vec![("request with a wrong key", sample_identify())],
    ));
    batches
}

/// The samples of Segment's documentation, and an audience.
fn of_samples(accounts: &Accounts) -> Vec<Batch<'_>> {
    let key = accounts.samples.key.as_str();
    let mut batches = vec![
        identify(key, vec![("sample 1: identify", sample_identify())]),
        track(key, vec![("sample 2: track", sample_track())]),
        track(
            key,
            vec![("sample 3: track with traits", sample_track_with_traits())],
        ),
    ];
    if let Some(audience_id) = &accounts.audience_id {
        let member = with(
            sample_identify(),
            &json!({
                "message_id": "demo-newsletter",
                "audience": {"mode": "add", "id": audience_id},
            }),
        );
        batches.push(identify(key, vec![("identify with an audience", member)]));
    }
    batches
}

/// What is taken and changes nothing, and what is refused: one of each kind.
fn of_faults(key: &str) -> [Batch<'_>; 2] {
    let identifies = identify(
        key,
        vec![
            ("identify sent once more", sample_identify()),
            (
                "identify that says nothing new",
                with(
                    sample_identify(),
                    &json!({
                        "message_id": "demo-nothing-new", "timestamp": "2025-07-09T06:09:00Z",
                    }),
                ),
            ),
            (
                "identify of nobody",
                json!({
                    "message_id": "demo-nobody", "timestamp": "2025-07-10T06:09:00Z",
                    "traits": {"firstName": "Nobody"},
                }),
            ),
        ],
    );
    let tracks = track(
        key,
        vec![
            (
                "track with an unreadable time",
                with(
                    sample_track(),
                    &json!({
                        "message_id": "demo-time", "timestamp": "yesterday",
                    }),
                ),
            ),
            (
                "track that nobody mapped",
                with(
                    sample_track(),
                    &json!({
                        "message_id": "demo-unmapped", "event": "Page scrolled",
                    }),
                ),
            ),
            (
                "track that is too old",
                with(
                    sample_track(),
                    &json!({
                        "message_id": "demo-old", "event": "Checkout started",
                    }),
                ),
            ),
        ],
    );
    [identifies, tracks]
}

/// Of an account whose limits are reached.
fn of_limits(accounts: &Accounts) -> Vec<Batch<'_>> {
    let limited = accounts.limited.as_ref();
    let Some(limited) = limited.filter(|limited| !limited.key.is_empty()) else {
        return Vec::new();
    };
    vec![
        identify(
            &limited.key,
            vec![("identify over the limit", sample_identify())],
        ),
        track(
            &limited.key,
            vec![("track whose traits are over it", sample_track_with_traits())],
        ),
    ]
}

fn with(mut event: Value, changes: &Value) -> Value {
    if let (Some(event), Some(changes)) = (event.as_object_mut(), changes.as_object()) {
        event.extend(changes.clone());
    }
    event
}

fn traits() -> Value {
    json!({
        "firstName": "Lana", "lastName": "Romeijn", "email": "lana.romeijn@example.org",
        "birthday": "28-07-1980", "active": true,
    })
}

/// A request that shows the way in: the documentation's identify for the user's own account.
pub fn curl(file: &StackFile) -> String {
    let (edge, key) = (&file.edge, &file.api_key);
    let trusted = match file.tls_ca.as_str() {
        "" => String::new(),
        authority => format!("--cacert {authority} "),
    };
    format!(
        "curl {trusted}{edge}/v1/identify -H 'authorization: Bearer {key}' \\\n    \
         -H 'content-type: application/json' -d '[{}]'",
        sample_identify()
    )
}

/// The documentation's identify, in the form in which Segment's destination sends it.
fn sample_identify() -> Value {
    json!({
        "user_id": LANA, "anonymous_id": "507f191e810c19729de860ea",
        "timestamp": "2025-07-10T06:09:00Z",
        "message_id": "3e9a7f45-1f5d-4a52-9c9e-80eb08c2cf7e",
        "traits": traits(),
    })
}

/// The documentation's track.
fn sample_track() -> Value {
    json!({
        "user_id": LANA, "event": "Sign-in button clicked",
        "timestamp": "2025-07-11T06:09:00Z",
        "message_id": "a5cbd0b6-38e6-4c98-bf95-9f1b3d3949f1",
        "properties": {"action": "sign-in-button-clicked", "count": 3},
    })
}

/// The documentation's track with traits.
fn sample_track_with_traits() -> Value {
    with(sample_track(), &json!({"traits": traits()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(key: &str) -> Accounts {
        Accounts {
            main: DemoAccount::default(),
            samples: DemoAccount {
                key: key.to_owned(),
                ..DemoAccount::default()
            },
            audience_id: Some("audience".into()),
            limited: None,
        }
    }

    #[test]
    fn message_ids_differ_but_for_what_is_meant_as_a_repeat() {
        let accounts = accounts("key");
        let events: Vec<_> = batches(&accounts)
            .into_iter()
            .flat_map(|batch| batch.events)
            .filter(|(what, _)| !what.contains("wrong key"))
            .map(|(_, event)| event["message_id"].as_str().unwrap().to_owned())
            .collect();
        let mut different = events.clone();
        different.sort();
        different.dedup();
        // The repeated identify, and the third sample, which shares its id with the second.
        assert_eq!(events.len() - different.len(), 2, "{events:?}");
    }

    #[tokio::test]
    async fn without_a_key_nothing_is_sent() {
        let client = crate::http::client(&weir_stack::Reach::default());
        let said = run(&client, "http://127.0.0.1:1", &accounts(""))
            .await
            .unwrap();
        assert!(said.contains("no key"), "{said}");
    }
}
