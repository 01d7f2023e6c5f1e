//! The client of the system under test: one keep-alive HTTP/1.1 connection per worker, which
//! checks the outcome of every single event.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::drive::{Done, Worker};
use crate::setup::Account;
use crate::workload::{Batch, Endpoint, Event, client_form};

/// A request with what its answer must be.
#[derive(Debug)]
pub struct Job {
    path: &'static str,
    authorization: HeaderValue,
    body: Bytes,
    events: Vec<Event>,
}

impl Job {
    /// The request of `batch`.
    pub fn new(seed: u64, batch: Batch, accounts: &[Account]) -> Self {
        let account = &accounts[batch.account];
        let audience_id = account.audience_id.to_string();
        Self {
            path: match batch.endpoint {
                Endpoint::Identify => "/v1/identify",
                Endpoint::Track => "/v1/track",
            },
            authorization: account.authorization.clone(),
            body: client_form::body(seed, &batch, &audience_id),
            events: batch.events,
        }
    }
}

/// A worker with its connection.
pub struct Client {
    host: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects to the edge.
    ///
    /// # Errors
    /// Where nothing listens there.
    pub async fn connect(edge: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(edge)
            .await
            .with_context(|| format!("connecting to the edge at {edge}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with the sender; its error reaches the request that was under way.
        tokio::spawn(connection);
        Ok(Self {
            host: HeaderValue::from_str(&edge.to_string())?,
            sender,
        })
    }
}

impl Worker for Client {
    type Job = Job;

    async fn perform(&mut self, job: Job) -> Result<Done> {
        let request = Request::post(job.path)
            .header(header::HOST, &self.host)
            .header(header::AUTHORIZATION, job.authorization)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(job.body))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != http::StatusCode::MULTI_STATUS {
            bail!(
                "{} answered {status}: {}",
                job.path,
                String::from_utf8_lossy(&body)
            );
        }
        let statuses = check(&job.events, &body).with_context(|| job.path)?;
        Ok(Done {
            events: job.events.len() as u64,
            statuses,
        })
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    results: Vec<Outcome<'a>>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    index: usize,
    status: u16,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
}

/// Counts the statuses of an answer; each event must have one, and one it accepts.
fn check(events: &[Event], body: &[u8]) -> Result<BTreeMap<u16, u64>> {
    let answer: Answer = serde_json::from_slice(body).context("an answer of another form")?;
    ensure!(
        answer.results.len() == events.len(),
        "{} results for {} events",
        answer.results.len(),
        events.len()
    );
    let mut statuses = BTreeMap::new();
    for (index, (outcome, event)) in answer.results.iter().zip(events).enumerate() {
        ensure!(
            outcome.index == index,
            "result {index} is for event {}",
            outcome.index
        );
        if !event.accepts(outcome.status) {
            bail!(
                "event {index} ({:?}) was answered {} ({})",
                event.effect,
                outcome.status,
                outcome.message.as_deref().unwrap_or("no message")
            );
        }
        *statuses.entry(outcome.status).or_default() += 1;
    }
    Ok(statuses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Recipe, Workload};

    fn checked(body: &str) -> Result<BTreeMap<u16, u64>> {
        let mut workload = Workload::new(1, 1, 10, 0);
        let batch = workload.batch(Recipe::IdentifyNew, 2);
        check(&batch.events, body.as_bytes())
    }

    #[test]
    fn statuses_are_counted() {
        let body = r#"{"results":[{"index":0,"status":200},{"index":1,"status":200,"message":"a\n"}],"errors":[]}"#;
        assert_eq!(checked(body).unwrap(), BTreeMap::from([(200, 2)]));
    }

    #[test]
    fn anything_unexpected_is_an_error() {
        for body in [
            "[]",
            r#"{"results":[{"index":0,"status":200}]}"#,
            r#"{"results":[{"index":0,"status":200},{"index":0,"status":200}]}"#,
            r#"{"results":[{"index":0,"status":200},{"index":1,"status":429}]}"#,
        ] {
            assert!(checked(body).is_err(), "{body}");
        }
    }
}
