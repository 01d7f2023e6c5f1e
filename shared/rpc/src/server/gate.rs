//! Who may do what (semantics 9): asked once for every call, before anything of it is done.
//!
//! What a call needs is declared beside its RPC in the proto. For services, and for whoever may
//! touch every account, the head decides. Of others the message is read for the one field that
//! names its account, on the wire as it came, and is handed on as it is.
//!
//! **Invariant:** where anybody is asked, what declares nothing is not called. A refusal tells nothing of what there is.

mod fields;

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use weir_access::{Accounts, Caller, Need, On, Refused, decide, foresee};
use weir_reasons::Reason;

use super::Answering;
use crate::access::{self, Access};
use crate::error::refused;
use crate::unary::{Arrival, PrefixedMessage, missing};

/// Calls that were refused, by `reason`.
const REFUSED: &str = "rpc_server_calls_refused_total";

/// What answers whether a service is well: those who ask have no credentials.
const HEALTH: &str = "/grpc.health.v1.Health/";
/// What tells which calls there are: to anybody who may make one.
const REFLECTION: &str = "/grpc.reflection.";

/// Tells what each is, to whoever reads them.
pub(super) fn describe() {
    metrics::describe_counter!(REFUSED, "Calls refused for who made them, by reason.");
}

/// By path.
pub(super) static NEEDS: LazyLock<HashMap<&'static str, Need>> =
    LazyLock::new(|| weir_proto::NEEDS.iter().copied().collect());

/// A service behind it.
#[derive(Clone)]
pub(super) struct Gate<S> {
    inner: S,
    access: Access,
}

impl<S> Gate<S> {
    pub fn layer(access: Access) -> impl tower::Layer<S, Service = Self> + Clone {
        tower::layer::layer_fn(move |inner| Self {
            inner,
            access: access.clone(),
        })
    }
}

/// What the head of a call tells that is not refused.
enum Judged {
    /// It goes on; by whom, for whoever records changes.
    Allowed(Option<Caller>),
    /// It goes on where these accounts are the caller's.
    On(On, Caller),
}

fn judge(access: &Access, request: &Request<Body>) -> Result<Judged, Status> {
    let path = request.uri().path();
    if path.starts_with(HEALTH) {
        return Ok(Judged::Allowed(None));
    }
    let caller = access.caller(request.headers()).map_err(refuse)?;
    let Some(need) = NEEDS.get(path) else {
        return if path.starts_with(REFLECTION) || access.is_open() {
            Ok(Judged::Allowed(Some(caller)))
        } else {
            let message = "no such method";
            Err(refused(
                Code::Unimplemented,
                Reason::CallUnsupported,
                message,
            ))
        };
    };
    Ok(match foresee(*need, &caller).map_err(refuse)? {
        None => Judged::Allowed(Some(caller)),
        Some(on) => Judged::On(on, caller),
    })
}

fn refuse(why: Refused) -> Status {
    let status = access::status(why);
    let reason = crate::reason_of(&status).map_or("", Reason::code);
    metrics::counter!(REFUSED, "reason" => reason).increment(1);
    status
}

type Refusing<E> = Ready<Result<Response<Body>, E>>;

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Either<Refusing<S::Error>, Answering<S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match judge(&self.access, &request) {
            Err(status) => Either::Right(Either::Left(ready(Ok(status.into_http())))),
            Ok(Judged::Allowed(caller)) => {
                if let Some(caller) = caller {
                    request.extensions_mut().insert(Arc::new(caller));
                }
                Either::Left(self.inner.call(request))
            }
            Ok(Judged::On(on, caller)) => {
                // The clone that was asked whether it is ready is the one that is called.
                let unasked = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, unasked);
                Either::Right(Either::Right(Box::pin(async move {
                    let (mut head, body) = request.into_parts();
                    match admitted(on, &caller, body).await {
                        Ok(message) => {
                            head.extensions.insert(Arc::new(caller));
                            let body = Body::new(message);
                            inner.call(Request::from_parts(head, body)).await
                        }
                        Err(status) => Ok(status.into_http()),
                    }
                })))
            }
        }
    }
}

/// Reads the message for its accounts; answers it as it was, or with those that its caller may
/// touch where it asks for all.
async fn admitted(on: On, caller: &Caller, body: Body) -> Result<PrefixedMessage, Status> {
    let message = Arrival::of(body)
        .await?
        .whole()
        .ok_or_else(|| missing("request"))?;
    let unreadable = |_| Status::internal("the request's message can't be decoded");
    let named = match on {
        On::Account { field, .. } => fields::last(&message, field).map_err(unreadable)?,
        On::Accounts { field } => fields::all(&message, field).map_err(unreadable)?,
        On::All => Vec::new(),
    };
    // What is no UTF-8 names nobody's account, as any other text that is no id.
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or("?");
    let named: Vec<&str> = named.into_iter().map(text).collect();
    decide(on, caller, &named).map_err(refuse)?;
    let mut start = vec![0; PrefixedMessage::HEAD];
    if let (On::Accounts { field }, Accounts::Only(only)) = (on, &caller.accounts)
        && named.is_empty()
    {
        for account in &**only {
            prost::encoding::string::encode(field, &account.to_string(), &mut start);
        }
    }
    Ok(PrefixedMessage::new(start, message))
}

#[cfg(test)]
mod tests;
