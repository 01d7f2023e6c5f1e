//! The client of the system under test: one keep-alive HTTP/1.1 connection per worker, which
//! checks the outcome of every single event.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
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
    authorization: Option<HeaderValue>,
    body: Bytes,
    events: Vec<Event>,
    /// What a request is answered of which everything was taken; else each event is.
    whole: Option<StatusCode>,
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
            authorization: Some(account.authorization.clone()),
            body: client_form::body(seed, &batch, &audience_id),
            events: batch.events,
            whole: None,
        }
    }

    /// As an SDK sends it; its key is in the body.
    pub fn classic(seed: u64, batch: Batch, write_key: &str) -> Self {
        Self {
            path: "/classic/v1/batch",
            authorization: None,
            body: client_form::classic_body(seed, &batch, write_key),
            events: batch.events,
            whole: Some(StatusCode::OK),
        }
    }
}

/// What becomes of a request that is refused or not answered, and of an event that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It ends the run.
    Strict,
    /// It is counted. The request is sent again, as its sender would do, and its latency is
    /// that until it was answered.
    Patient,
    /// It ends the run, and so does an event that is answered another status than this one.
    Expecting(u16),
}

/// What counts as the status of requests that got none.
pub const UNANSWERED: u16 = 0;
/// A sender waits as long as it is told, here at most so long, and so long where it is not told.
const PAUSE: Duration = Duration::from_secs(1);
/// Of a request: whoever refuses it for so many pauses will not take it.
const ATTEMPTS: u32 = 60;

/// A worker with its connection.
pub struct Client {
    edge: SocketAddr,
    host: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
    manner: Manner,
}

impl Client {
    /// So many connections to the edge.
    ///
    /// # Errors
    /// Where nothing listens there.
    pub async fn connect_all(edge: SocketAddr, count: u64, manner: Manner) -> Result<Vec<Self>> {
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(Self {
                edge,
                host: HeaderValue::from_str(&edge.to_string())?,
                sender: connect(edge).await?,
                manner,
            });
        }
        Ok(clients)
    }

    /// The answer's status, when to come again, and its body.
    async fn send(&mut self, job: &Job) -> Result<(StatusCode, Duration, Bytes)> {
        if self.sender.is_closed() && self.manner == Manner::Patient {
            self.sender = connect(self.edge).await?;
        }
        let mut request = Request::post(job.path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(job.body.clone()))?;
        if let Some(authorization) = &job.authorization {
            let headers = request.headers_mut();
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (status, pause) = (response.status(), pause(response.headers()));
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, pause, body))
    }
}

async fn connect(edge: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(edge)
        .await
        .with_context(|| format!("connecting to the edge at {edge}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Ends with the sender; its error reaches the request that was under way.
    tokio::spawn(connection);
    Ok(sender)
}

/// The text that is at an address.
///
/// # Errors
/// Where nothing listens there, or it does not answer 200.
pub async fn get(url: &str) -> Result<String> {
    let answer = exchange(Method::GET, url, HeaderMap::new(), Bytes::new()).await?;
    let status = answer.status;
    ensure!(status.is_success(), "{url} answered {status}");
    Ok(String::from_utf8(answer.body.to_vec())?)
}

/// What was answered, whatever it is.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// One request on a connection of its own.
///
/// # Errors
/// Where nothing listens there, or it does not answer.
pub async fn exchange(
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: impl Into<Bytes>,
) -> Result<Reply> {
    let address = url.trim_start_matches("http://");
    let (host, path) = address.split_once('/').context("no path")?;
    let mut request = Request::new(Full::new(body.into()));
    *request.method_mut() = method;
    *request.uri_mut() = format!("/{path}").parse()?;
    *request.headers_mut() = headers;
    let host_header = HeaderValue::from_str(host)?;
    request.headers_mut().insert(header::HOST, host_header);
    let response = connect(host.parse()?).await?.send_request(request).await?;
    let (head, body) = response.into_parts();
    Ok(Reply {
        status: head.status,
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

fn pause(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, |seconds| PAUSE.min(Duration::from_secs(seconds)))
}

impl Worker for Client {
    type Job = Job;

    async fn perform(&mut self, job: Job) -> Result<Done> {
        let mut refused = BTreeMap::new();
        for _ in 0..ATTEMPTS {
            let (status, pause) = match self.send(&job).await {
                Ok((status, ..)) if job.whole == Some(status) => {
                    let events = job.events.len() as u64;
                    let statuses = [(status.as_u16(), events)].into();
                    return Ok(Done { events, statuses }.with(refused));
                }
                Ok((StatusCode::MULTI_STATUS, _, body)) if job.whole.is_none() => {
                    let done = check(&job.events, &body, self.manner);
                    return Ok(done.with_context(|| job.path)?.with(refused));
                }
                Ok((status, pause, _)) if self.manner.passes_over(status.as_u16()) => {
                    (status.as_u16(), pause)
                }
                Ok((status, _, body)) => {
                    let body = String::from_utf8_lossy(&body);
                    bail!("{} answered {status}: {body}", job.path)
                }
                Err(_) if self.manner == Manner::Patient => (UNANSWERED, PAUSE),
                Err(error) => return Err(error),
            };
            *refused.entry(status).or_default() += job.events.len() as u64;
            tokio::time::sleep(pause).await;
        }
        bail!("{} was refused {ATTEMPTS} times: {refused:?}", job.path)
    }
}

impl Manner {
    /// Whether a sender would send again what got this status.
    fn passes_over(self, status: u16) -> bool {
        self == Self::Patient && (status >= 500 || status == 429 || status == 408)
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

/// Counts the statuses of an answer; each event must have one, and one it accepts, or, where
/// failures are passed over, one of these, and does not count as done.
fn check(events: &[Event], body: &[u8], manner: Manner) -> Result<Done> {
    let answer: Answer = serde_json::from_slice(body).context("an answer of another form")?;
    ensure!(
        answer.results.len() == events.len(),
        "{} results for {} events",
        answer.results.len(),
        events.len()
    );
    let mut done = Done::default();
    for (index, (outcome, event)) in answer.results.iter().zip(events).enumerate() {
        ensure!(
            outcome.index == index,
            "result {index} is for event {}",
            outcome.index
        );
        let accepted = match manner {
            Manner::Expecting(status) => outcome.status == status,
            _ => event.accepts(outcome.status),
        };
        if accepted {
            done.events += 1;
        } else if !manner.passes_over(outcome.status) {
            bail!(
                "event {index} ({:?}) was answered {} ({})",
                event.effect,
                outcome.status,
                outcome.message.as_deref().unwrap_or("no message")
            );
        }
        *done.statuses.entry(outcome.status).or_default() += 1;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::workload::{Recipe, Workload};

    fn checked(body: &str, manner: Manner) -> Result<Done> {
        let mut workload = Workload::new(1, 1, 10, 0);
        let batch = workload.batch(Recipe::IdentifyNew, 2);
        check(&batch.events, body.as_bytes(), manner)
    }

    #[test]
    fn statuses_are_counted() {
        let body = r#"{"results":[{"index":0,"status":200},{"index":1,"status":200,"message":"a\n"}],"errors":[]}"#;
        let done = checked(body, Manner::Strict).unwrap();
        assert_eq!((done.events, done.statuses), (2, [(200, 2)].into()));
    }

    #[test]
    fn anything_unexpected_is_an_error() {
        for body in [
            "[]",
            r#"{"results":[{"index":0,"status":200}]}"#,
            r#"{"results":[{"index":0,"status":200},{"index":0,"status":200}]}"#,
            r#"{"results":[{"index":0,"status":200},{"index":1,"status":429}]}"#,
        ] {
            assert!(checked(body, Manner::Strict).is_err(), "{body}");
        }
    }

    #[test]
    fn who_is_patient_counts_what_failed_and_still_minds_wrong_answers() {
        let body = |status| {
            format!(r#"{{"results":[{{"index":0,"status":200}},{{"index":1,"status":{status}}}]}}"#)
        };
        let done = checked(&body(503), Manner::Patient).unwrap();
        assert_eq!(
            (done.events, done.statuses),
            (1, [(200, 1), (503, 1)].into())
        );
        assert!(checked(&body(400), Manner::Patient).is_err());
    }

    #[test]
    fn who_expects_a_refusal_takes_nothing_else() {
        let body = r#"{"results":[{"index":0,"status":422},{"index":1,"status":422}]}"#;
        let done = checked(body, Manner::Expecting(422)).unwrap();
        assert_eq!((done.events, done.statuses), (2, [(422, 2)].into()));
        assert!(checked(body, Manner::Expecting(429)).is_err());
    }

    #[tokio::test]
    async fn a_refused_request_is_sent_again_when_it_may() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let edge = listener.local_addr().unwrap();
        let body = r#"{"results":[{"index":0,"status":200}]}"#;
        let answers = [
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
            format!(
                "HTTP/1.1 207 Multi-Status\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ),
        ];
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 16_384];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let batch = Workload::new(1, 1, 10, 0).batch(Recipe::IdentifyNew, 1);
        let account = Account {
            account_id: uuid::Uuid::nil(),
            source_id: uuid::Uuid::nil(),
            activity_id: uuid::Uuid::nil(),
            audience_id: uuid::Uuid::nil(),
            authorization: HeaderValue::from_static("Bearer none"),
        };
        let mut clients = Client::connect_all(edge, 1, Manner::Patient).await.unwrap();
        let job = Job::new(1, batch, &[account]);
        let done = clients[0].perform(job).await.unwrap();
        assert_eq!(
            (done.events, done.statuses),
            (1, [(200, 1), (503, 1)].into())
        );
    }
}
