//! An edge in front of a stub, both on ports of their own.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, Request};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use weir_edge::Config;
use weir_reasons::Reason;
use weir_service::Clock;
use weir_testkit::{Running, SERVICE_TOKEN};

use crate::stub::{KEY, Stub};

pub type Body = BoxBody<Bytes, Infallible>;

pub struct Edge {
    pub stub: Stub,
    pub address: SocketAddr,
    http: Client<HttpConnector, Body>,
    running: Running,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub json: Value,
}

/// A stub, and the configuration of an edge in front of it.
pub async fn config(arguments: &[&str]) -> (Stub, Config) {
    let stub = Stub::new();
    let services = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", services.local_addr().unwrap());
    tokio::spawn(stub.clone().serve(services));
    let mut all = vec!["weir-edge"];
    if !arguments.contains(&"--drain") {
        all.extend(["--drain", "0"]);
    }
    if !arguments.contains(&"--classic-listen") {
        all.extend(["--classic-listen", "off"]);
    }
    for name in ["mapping", "contact", "activity", "audience", "quota"] {
        all.push(match name {
            "mapping" => "--mapping-url",
            "contact" => "--contact-url",
            "activity" => "--activity-url",
            "audience" => "--audience-url",
            _ => "--quota-url",
        });
        all.push(&url);
    }
    all.extend(["--service-token", SERVICE_TOKEN]);
    all.extend(arguments);
    (stub, Config::try_parse_from(all).unwrap())
}

impl Edge {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(arguments: &[&str]) -> Self {
        let (stub, config) = config(arguments).await;
        let serve = |listener, shutdown| {
            weir_edge::serve(config, Clock::system(), listener, None, shutdown)
        };
        let running = Running::start(serve).await;
        Self {
            stub,
            address: running.address,
            http: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build_http(),
            running,
        }
    }

    /// Tells the edge to stop, and waits until it did.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// Tells the edge to stop.
    pub fn begin_stop(&mut self) {
        self.running.begin_stop();
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = Full::new(body.into()).boxed();
        self.exchange(method, path, headers, body).await
    }

    pub async fn exchange(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.http.request(request.body(body).unwrap());
        let (head, body) = response.await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            json: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.post_body(path, Full::new(body.into()).boxed()).await
    }

    pub async fn post_body(&self, path: &str, body: Body) -> Answer {
        let method = if path.ends_with("members") {
            "PUT"
        } else {
            "POST"
        };
        let authorization = format!("Bearer {KEY}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/json"),
        ];
        self.exchange(method, path, &headers, body).await
    }

    pub async fn identify(&self, events: Value) -> Answer {
        self.post("/v1/identify", events.to_string()).await
    }

    pub async fn track(&self, events: Value) -> Answer {
        self.post("/v1/track", events.to_string()).await
    }

    /// Waits until no reservation is open, then answers what was settled.
    pub async fn settled(&self) -> Vec<(i64, i64)> {
        self.eventually("all is settled", |stub| {
            stub.state().reservations.is_empty()
        })
        .await;
        self.stub.state().settled.clone()
    }

    pub async fn eventually(&self, what: &str, reached: impl Fn(&Stub) -> bool) {
        weir_testkit::eventually(what, async || reached(&self.stub)).await;
    }
}

impl Answer {
    pub fn statuses(&self) -> Vec<u64> {
        assert_eq!(self.status, 207, "{self:?}");
        let results = self.json["results"].as_array().unwrap();
        let failed: Vec<&Value> = results.iter().filter(|one| one["status"] != 200).collect();
        let errors: Vec<&Value> = self.json["errors"].as_array().unwrap().iter().collect();
        assert_eq!(failed, errors);
        for one in results {
            let code = one["code"].as_str();
            assert_eq!(code.is_none(), one["status"] == 200, "{one}");
            assert!(
                code.is_none_or(|code| Reason::of_code(code).is_some()),
                "{one}"
            );
        }
        // What is left of the limits stands in every one (semantics 6.6).
        assert!(
            self.header("ratelimit").contains("\"profile\";r="),
            "{self:?}"
        );
        assert!(self.header("ratelimit-policy").contains("\"profile\";q="));
        let indexes: Vec<u64> = results
            .iter()
            .map(|one| one["index"].as_u64().unwrap())
            .collect();
        assert_eq!(indexes, (0..results.len() as u64).collect::<Vec<_>>());
        results
            .iter()
            .map(|one| one["status"].as_u64().unwrap())
            .collect()
    }

    pub fn message(&self, index: usize) -> &str {
        self.json["results"][index]["message"]
            .as_str()
            .unwrap_or_default()
    }

    pub fn code(&self, index: usize) -> &str {
        self.json["results"][index]["code"]
            .as_str()
            .unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub fn check_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert!(self.json["title"].is_string() && self.json["detail"].is_string());
        let code = self.json["code"].as_str().unwrap();
        assert!(Reason::of_code(code).is_some(), "{code}");
    }
}
