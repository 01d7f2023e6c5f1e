//! HTTP/1.1: connections, and what becomes of a request.
//!
//! A request goes through route, key, what is said of its body, admission, and the body itself,
//! in this order, and the first that refuses it answers with a problem (RFC 9457).

mod admission;
mod answer;
mod audiences;
mod batches;
mod body;
mod classic;
mod connection;
mod connections;
mod description;
mod keys;
mod methods;
mod places;
mod problem;
mod readiness;
mod refusal;
mod routes;
mod socket;
mod stall;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::FutureExt;
use http_body_util::Full;
use hyper::body::Incoming;
use weir_rpc::Deadline;
use weir_tls::Acceptor;

pub use connections::{Listeners, serve};

use crate::app::App;
use crate::clients::{Caller, SourceKind};
use crate::metrics;
use admission::Admission;
use body::Announced;
use keys::Keys;
use problem::Problem;
use readiness::Readiness;
use routes::{Listener, Route};

/// Under the client's own 10 s, with time for the answer to travel.
const DEADLINE: Duration = Duration::from_secs(8);
/// A body must be here by then, so that its 408 is there in time as well.
const BODY_TIME: Duration = Duration::from_millis(7_500);

type Answer = Response<Full<Bytes>>;

/// What all connections share.
struct Front {
    app: Arc<App>,
    keys: Keys,
    admission: Admission,
    readiness: Readiness,
    stopping: AtomicBool,
    tls: Option<Acceptor>,
}

impl Front {
    /// Answers one request, whatever it is. `unread` is told whether the client may still be
    /// sending then.
    async fn handle(
        &self,
        listener: Listener,
        request: Request<Incoming>,
        unread: &AtomicBool,
    ) -> Answer {
        let started = Instant::now();
        let (head, mut body) = request.into_parts();
        let route = routes::find(listener, &head.method, head.uri.path());
        let endpoint = route.as_ref().map_or("none", |route| route.name());
        let answered = match route {
            Ok(route) => {
                let taken = self.take(route, &head, &mut body);
                // Whatever happens in there, its client is answered.
                let taken = AssertUnwindSafe(taken).catch_unwind();
                taken.await.unwrap_or_else(|_panic| {
                    // The hook of panics has logged where.
                    metrics::panicked();
                    Err(Problem::internal())
                })
            }
            Err(problem) => Err(problem),
        };
        let mut answer = answered.unwrap_or_else(Problem::into_answer);
        let is_over = body::is_over(&head.headers, &mut body).await;
        // Where there is a rest nobody waits for it: the answer goes now.
        unread.store(!is_over, Ordering::Relaxed);
        if !is_over || self.stopping.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        metrics::request(endpoint, answer.status().as_u16(), started.elapsed());
        answer
    }

    async fn take(
        &self,
        route: Route,
        head: &Parts,
        body: &mut Incoming,
    ) -> Result<Answer, Problem> {
        let headers = &head.headers;
        let deadline = Deadline::after(DEADLINE);
        let body_deadline = Deadline::after(BODY_TIME);
        match route {
            Route::Health => Ok(answer::json(StatusCode::OK, r#"{"status":"ok"}"#)),
            Route::Ready => self.ready().await,
            Route::Description => Ok(answer::json(StatusCode::OK, description::text())),
            Route::Me => {
                let caller = self.caller(headers, deadline).await?;
                Ok(answer::me(&caller))
            }
            Route::Batch(kind) => {
                let caller = self.open_caller(headers, deadline).await?;
                let announced = Announced::of(headers, body, body::MAX_BATCH)?;
                let deadlines = (body_deadline, deadline);
                batches::take(self, caller, kind, announced, body, deadlines).await
            }
            Route::Classic(endpoint) => {
                let deadlines = (body_deadline, deadline);
                Ok(classic::take(self, endpoint, head, body, deadlines).await)
            }
            Route::CreateAudience | Route::GetAudience => {
                let caller = self.open_caller(headers, deadline).await?;
                let announced = Announced::of(headers, body, audiences::MAX_BODY)?;
                let mut held = self.admission.hold(caller.clone());
                let body = announced.read(body, &mut held, body_deadline).await?;
                let _slot = self.admission.enter(caller.clone())?;
                if let Route::CreateAudience = route {
                    audiences::create(&self.app, &caller, &body, deadline).await
                } else {
                    audiences::get(&self.app, &caller, &body, deadline).await
                }
            }
        }
    }

    /// Whose key the request carries; Segment (Actions) sources alone may speak here.
    async fn caller(
        &self,
        headers: &HeaderMap,
        deadline: Deadline,
    ) -> Result<Arc<Caller>, Problem> {
        let key = keys::bearer(headers).ok_or_else(Problem::no_key)?;
        let clients = self.app.clients();
        let caller = self.keys.caller(clients, key, deadline).await?;
        match caller.source_kind {
            SourceKind::Actions => Ok(caller),
            SourceKind::Classic => Err(Problem::key_of_classic()),
        }
    }

    /// As [`Self::caller`], of a source that is not paused (semantics 8.4).
    async fn open_caller(
        &self,
        headers: &HeaderMap,
        deadline: Deadline,
    ) -> Result<Arc<Caller>, Problem> {
        let caller = self.caller(headers, deadline).await?;
        if caller.is_paused {
            return Err(Problem::paused());
        }
        Ok(caller)
    }

    async fn ready(&self) -> Result<Answer, Problem> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Problem::away("stopping"));
        }
        let away = self.readiness.away(self.app.clients()).await;
        if away.is_empty() {
            Ok(answer::json(StatusCode::OK, r#"{"status":"ready"}"#))
        } else {
            let detail = format!("not serving: {}", away.join(", "));
            Err(Problem::away(detail))
        }
    }
}
