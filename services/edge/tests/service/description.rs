//! What the edge says of itself (`/openapi.json`) against what it answers.

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use futures_util::future::join_all;
use futures_util::stream::pending;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tonic::Status;
use tonic_health::ServingStatus;

use crate::harness::{Answer, Edge};
use crate::stub::{AUDIENCE, FOREIGN_AUDIENCE, Fault, KEY};

/// A copy for those who look before anything runs.
const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

/// Headers that every answer may have.
const PLAIN: [&str; 5] = [
    "content-type",
    "content-length",
    "date",
    "connection",
    "vary",
];

struct Document {
    json: Value,
}

/// An answer that is described.
#[derive(Debug, Clone)]
struct Place {
    path: String,
    method: String,
    status: u16,
}

impl Document {
    async fn of(edge: &Edge) -> Self {
        let answer = edge.send("GET", "/openapi.json", &[], "").await;
        assert_eq!(answer.status, 200);
        Self { json: answer.json }
    }

    fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for (path, methods) in self.json["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                for status in operation["responses"].as_object().unwrap().keys() {
                    places.push(Place {
                        path: path.clone(),
                        method: method.to_uppercase(),
                        status: status.parse().unwrap(),
                    });
                }
            }
        }
        places
    }

    /// Why a value does not fit the schema at a place of the document.
    fn misfit(&self, pointer: &str, value: &Value) -> Option<String> {
        const NAME: &str = "http://edge/openapi.json";
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.add_resource(NAME, self.json.clone()).unwrap();
        let at = format!("{NAME}#{pointer}");
        let index: SchemaIndex = compiler.compile(&at, &mut schemas).unwrap();
        let error = schemas.validate(value, index).err()?;
        Some(error.to_string())
    }

    /// Status, type, headers and body are what is described.
    fn check(&self, place: &Place, answer: &Answer) {
        assert_eq!(answer.status, place.status, "{place:?}: {answer:?}");
        let method = place.method.to_lowercase();
        let operation = &self.json["paths"][&place.path][&method];
        let response = &operation["responses"][place.status.to_string()];
        let mut pointer = format!(
            "/paths/{}/{method}/responses/{}",
            place.path.replace('/', "~1"),
            place.status
        );
        if let Some(reference) = response["$ref"].as_str() {
            pointer = reference.trim_start_matches('#').to_owned();
        }
        let response = self.json.pointer(&pointer).unwrap();
        let content = response["content"].as_object().unwrap();
        let media = answer.header("content-type");
        assert!(content.contains_key(media), "{place:?}: {answer:?}");
        let schema = format!("{pointer}/content/{}/schema", media.replace('/', "~1"));
        assert_eq!(self.misfit(&schema, &answer.json), None, "{place:?}");
        let described: Vec<String> = response["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.to_lowercase())
            .collect();
        for name in answer.headers.keys().map(|name| name.as_str()) {
            let is_known = PLAIN.contains(&name) || described.iter().any(|known| known == name);
            assert!(is_known, "{place:?}: {name} is not described");
        }
        for name in described {
            // One of both, and only where a limit was reached.
            let is_always =
                !(name.starts_with("accept") || place.status == 207 && name == "retry-after");
            let is_there = !answer.header(&name).is_empty();
            assert!(is_there || !is_always, "{place:?}: there is no {name}");
        }
    }
}

fn is_batch(path: &str) -> bool {
    ["/v1/identify", "/v1/track", "/v1/audiences/members"].contains(&path)
}

/// A request that is taken.
fn good(path: &str) -> Value {
    match path {
        "/v1/track" => json!([{"user_id": "a", "event": "Signed in"}, {}]),
        "/v1/audiences/members" => {
            json!([{"user_id": "a", "audience": {"mode": "add", "id": AUDIENCE}}])
        }
        "/v1/identify" => json!([{"user_id": "a", "traits": {"a": 1}}, {"traits": {}}]),
        "/v1/audiences/create" => json!({"name": "Newsletter"}),
        "/v1/audiences/get" => json!({"id": AUDIENCE}),
        "/classic/v1/batch" | "/classic/v1/import" => {
            json!({"batch": [{"type": "identify", "userId": "a", "traits": {"a": 1}}]})
        }
        "/classic/v1/track" => json!({"userId": "a", "event": "Signed in"}),
        path if is_classic(path) => json!({"userId": "a", "traits": {"a": 1}}),
        _ => Value::Null,
    }
}

fn is_classic(path: &str) -> bool {
    path.starts_with("/classic/")
}

/// The key of the path's kind of source.
fn key_of(path: &str) -> &'static str {
    if is_classic(path) { "classic-key" } else { KEY }
}

fn credentials(path: &str, key: &str) -> String {
    if is_classic(path) {
        let user = data_encoding::BASE64.encode(format!("{key}:").as_bytes());
        format!("Basic {user}")
    } else {
        format!("Bearer {key}")
    }
}

async fn send(edge: &Edge, place: &Place, key: &str, body: String) -> Answer {
    // Who asks for settings has nothing but the key in the path.
    let path = place.path.replace("{key}", key);
    let authorization = credentials(&path, key);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let body = if place.method == "GET" {
        String::new()
    } else {
        body
    };
    edge.send(&place.method, &path, &headers, body).await
}

/// Has the edge answer this.
async fn provoke(edge: &Edge, place: &Place) -> Answer {
    let path = place.path.as_str();
    let body = match (path, place.status) {
        (_, 200 | 207) => good(path).to_string(),
        (path, 400) if is_batch(path) => "no events".to_owned(),
        (path, 400) if is_classic(path) => "no event".to_owned(),
        (_, 400) => "{}".to_owned(),
        (path, 403) => {
            let other = if is_classic(path) { KEY } else { "classic-key" };
            return send(edge, place, other, good(path).to_string()).await;
        }
        (path, 404) if is_classic(path) => {
            return send(edge, place, "pau-wrong", String::new()).await;
        }
        (_, 429) => return over_limits(edge, place).await,
        ("/v1/audiences/get", 404) => {
            json!({"id": "018f3e6a-7c1b-7d2a-9a3e-5b6c7d8e9fff"}).to_string()
        }
        ("/v1/audiences/create", 409) => json!({"name": "By hand"}).to_string(),
        ("/v1/audiences/get", 409) => json!({"id": FOREIGN_AUDIENCE}).to_string(),
        (path, 413) if is_batch(path) => format!("[{}]", vec!["{}"; 1_001].join(",")),
        (_, 413) => json!({"name": "x".repeat(64 << 10)}).to_string(),
        (_, 401) => {
            let body = good(path).to_string();
            return edge.send(&place.method, path, &[], body).await;
        }
        (path, 405) => {
            let path = path.replace("{key}", "pau-key");
            return edge.send("DELETE", &path, &[], "").await;
        }
        (_, 408) => {
            let authorization = credentials(path, key_of(path));
            let headers = [("authorization", authorization.as_str())];
            let endless = StreamBody::new(pending()).boxed();
            return edge.exchange(&place.method, path, &headers, endless).await;
        }
        (_, 415) => {
            let authorization = credentials(path, key_of(path));
            let headers = [
                ("authorization", authorization.as_str()),
                ("content-encoding", "br"),
            ];
            return edge.send(&place.method, path, &headers, "x").await;
        }
        ("/readyz", 503) => {
            let health = &edge.stub.health;
            health
                .set_service_status("", ServingStatus::NotServing)
                .await;
            // What was said of it just now is remembered for a moment.
            return weir_testkit::eventually("it is not ready", async || {
                let answer = edge.send("GET", path, &[], "").await;
                (answer.status == 503).then_some(answer)
            })
            .await;
        }
        (_, 500) => {
            let broken = Fault::Say(Status::internal("a bug"));
            edge.stub.script("authenticate", [broken]);
            return send(edge, place, "pau-nobody-knows", good(path).to_string()).await;
        }
        (_, 503) => {
            let away = || Fault::Say(Status::unavailable("PostgreSQL is away"));
            // As often as the edge tries.
            edge.stub.script("authenticate", (0..4).map(|_| away()));
            return send(edge, place, "pau-nobody-knows", good(path).to_string()).await;
        }
        _ => panic!("nobody knows how to come to {place:?}"),
    };
    send(edge, place, key_of(path), body).await
}

/// While as much as is used is all that there is.
async fn over_limits(edge: &Edge, place: &Place) -> Answer {
    edge.settled().await;
    let before = {
        let mut state = edge.stub.state();
        let before = (state.profile_limit, state.activity_limit);
        (state.profile_limit, state.activity_limit) = state.used;
        before
    };
    let path = place.path.as_str();
    let answer = send(edge, place, key_of(path), fresh(path).to_string()).await;
    let mut state = edge.stub.state();
    (state.profile_limit, state.activity_limit) = before;
    answer
}

/// Of somebody who was not seen before: a repeat costs nothing.
fn fresh(path: &str) -> Value {
    let text = good(path).to_string();
    let user = format!("\"userId\":\"{}\"", path.replace('/', "-"));
    serde_json::from_str(&text.replace("\"userId\":\"a\"", &user)).unwrap()
}

/// Semantics 1.8, 9.1.
#[tokio::test]
async fn every_answer_that_is_described_is_given_and_fits() {
    let edge = Edge::start().await;
    let document = Document::of(&edge).await;
    // These take two seconds each.
    let (slow, places): (Vec<Place>, Vec<Place>) = document
        .places()
        .into_iter()
        .partition(|place| place.status == 408);
    let answers = join_all(slow.iter().map(|place| provoke(&edge, place))).await;
    for (place, answer) in slow.iter().zip(answers) {
        document.check(place, &answer);
    }
    for place in &places {
        document.check(place, &provoke(&edge, place).await);
    }
    assert_eq!(slow.len(), 13);
    assert!(places.len() > 120, "{}", places.len());
}

#[tokio::test]
async fn a_method_that_is_not_described_is_405_and_a_path_404() {
    let edge = Edge::start().await;
    let document = Document::of(&edge).await;
    for (path, methods) in document.json["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            // Browsers ask before they send.
            let is_preflight = method == "OPTIONS" && is_classic(path);
            if methods.get(method.to_lowercase()).is_none() && !is_preflight {
                let path = path.replace("{key}", "pau-key");
                let answer = edge.send(method, &path, &[], "").await;
                answer.check_problem(405);
            }
        }
        let beside = format!("{path}/more");
        edge.send("GET", &beside, &[], "").await.check_problem(404);
    }
}

#[tokio::test]
async fn the_examples_are_taken_as_they_stand() {
    let edge = Edge::start().await;
    let document = Document::of(&edge).await;
    let mut sent = 0;
    for place in document.places() {
        if ![200, 207].contains(&place.status) || place.method == "GET" {
            continue;
        }
        let method = place.method.to_lowercase();
        let operation = format!("/paths/{}/{method}", place.path.replace('/', "~1"));
        let content = format!("{operation}/requestBody/content/application~1json");
        let Some(media) = document.json.pointer(&content) else {
            continue;
        };
        let several = media["examples"].as_object().into_iter().flatten();
        let several = several.map(|(_, example)| &example["value"]);
        for example in several.chain(media.get("example")) {
            let schema = format!("{content}/schema");
            assert_eq!(document.misfit(&schema, example), None, "{place:?}");
            let key = key_of(&place.path);
            let answer = send(&edge, &place, key, example.to_string()).await;
            document.check(&place, &answer);
            if place.status == 207 {
                assert_eq!(answer.statuses(), [200], "{example}");
            }
            sent += 1;
        }
    }
    assert_eq!(sent, 15);
}

/// What is described is no stricter than what is taken, and hardly more lenient.
#[tokio::test]
async fn what_does_not_fit_its_description_is_400() {
    let edge = Edge::start().await;
    let document = Document::of(&edge).await;
    for (path, name, event) in [
        ("/v1/track", "TrackEvent", json!({"user_id": "a"})),
        (
            "/v1/track",
            "TrackEvent",
            json!({"user_id": "a", "event": ""}),
        ),
        (
            "/v1/track",
            "TrackEvent",
            json!({"user_id": "a", "event": "e", "properties": "p"}),
        ),
        ("/v1/identify", "IdentifyEvent", json!({"user_id": ["a"]})),
        (
            "/v1/identify",
            "IdentifyEvent",
            json!({"user_id": "x".repeat(256)}),
        ),
        (
            "/v1/identify",
            "IdentifyEvent",
            json!({"user_id": "a", "traits": 5}),
        ),
        (
            "/v1/identify",
            "IdentifyEvent",
            json!({"user_id": "a", "timestamp": true}),
        ),
        ("/v1/identify", "IdentifyEvent", json!("a")),
        (
            "/v1/audiences/members",
            "MemberEntry",
            json!({"user_id": "a"}),
        ),
        (
            "/v1/audiences/members",
            "MemberEntry",
            json!({"user_id": "a", "audience": {"mode": "keep", "id": AUDIENCE}}),
        ),
    ] {
        let schema = format!("/components/schemas/{name}");
        assert!(document.misfit(&schema, &event).is_some(), "{event}");
        let answer = edge.post(path, json!([event]).to_string()).await;
        assert_eq!(answer.statuses(), [400], "{event}");
    }
}

#[tokio::test]
async fn the_copy_in_the_docs_is_current() {
    let edge = Edge::start().await;
    let document = Document::of(&edge).await.json;
    if std::env::var_os("WEIR_WRITE").is_some() {
        let text = serde_json::to_string_pretty(&document).unwrap();
        std::fs::write(COPY, text + "\n").unwrap();
    }
    let copy = std::fs::read_to_string(COPY).unwrap();
    let copy: Value = serde_json::from_str(&copy).unwrap();
    assert!(
        copy == document,
        "docs/openapi.json is out of date: run with WEIR_WRITE=1"
    );
}
