//! HTTP/1.1: connections, and what becomes of a request.
//!
//! A request goes through route, key, content type, admission and body, in this order, and
//! the first that refuses it answers with a problem (RFC 9457).

mod admission;
mod answer;
mod audiences;
mod batches;
mod body;
mod connections;
mod keys;
mod problem;
mod routes;
mod stall;
mod zstd;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use weir_rpc::Deadline;

pub use connections::serve;

use crate::app::App;
use crate::clients::{Caller, SourceKind};
use crate::metrics;
use admission::Admission;
use keys::Keys;
use problem::Problem;
use routes::Route;

/// Under the client's own 10 s, with time for the answer to travel.
const DEADLINE: Duration = Duration::from_secs(8);
/// Health is asked of services that answer within this, or not at all.
const HEALTH: Duration = Duration::from_secs(1);

type Answer = Response<Full<Bytes>>;

/// What all connections share.
struct Front {
    app: Arc<App>,
    keys: Keys,
    admission: Admission,
    stopping: AtomicBool,
}

impl Front {
    /// Answers one request, whatever it is.
    async fn handle(&self, request: Request<Incoming>) -> Answer {
        let started = Instant::now();
        let deadline = Deadline::after(DEADLINE);
        let (head, mut body) = request.into_parts();
        let route = routes::find(&head.method, head.uri.path());
        let endpoint = route.as_ref().map_or("none", |route| route.name());
        let answered = match route {
            Ok(route) => self.take(route, &head.headers, &mut body, deadline).await,
            Err(problem) => Err(problem),
        };
        let answer = match answered {
            Ok(answer) => answer,
            Err(problem) => {
                // Closing on a client that still writes may take the answer with it.
                body::drain(&mut body).await;
                problem.into_answer()
            }
        };
        metrics::request(endpoint, answer.status().as_u16(), started.elapsed());
        answer
    }

    async fn take(
        &self,
        route: Route,
        headers: &HeaderMap,
        body: &mut Incoming,
        deadline: Deadline,
    ) -> Result<Answer, Problem> {
        match route {
            Route::Health => Ok(answer::json(StatusCode::OK, r#"{"status":"ok"}"#)),
            Route::Ready => self.ready().await,
            Route::Me => {
                let caller = self.caller(headers, deadline).await?;
                Ok(answer::me(&caller))
            }
            Route::Batch(kind) => {
                let caller = self.caller(headers, deadline).await?;
                body::check_type(headers)?;
                batches::take(self, caller, kind, headers, body, deadline).await
            }
            Route::CreateAudience | Route::GetAudience => {
                let caller = self.caller(headers, deadline).await?;
                body::check_type(headers)?;
                let _slot = self.admission.enter(&caller.account_id)?;
                let mut held = self.admission.hold();
                let body = body::read(headers, body, audiences::MAX_BODY, &mut held, deadline);
                let body = body.await?;
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
        let caller = self
            .keys
            .caller(self.app.clients(), headers, deadline)
            .await?;
        match caller.source_kind {
            SourceKind::Actions => Ok(caller),
            SourceKind::Classic => Err(Problem::unauthorized(
                "the key belongs to a classic Segment source, not to Segment (Actions)",
            )),
        }
    }

    async fn ready(&self) -> Result<Answer, Problem> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Problem::unavailable("stopping"));
        }
        let away = self.app.clients().away(Deadline::after(HEALTH)).await;
        if away.is_empty() {
            Ok(answer::json(StatusCode::OK, r#"{"status":"ready"}"#))
        } else {
            let detail = format!("not serving: {}", away.join(", "));
            Err(Problem::unavailable(detail))
        }
    }
}
