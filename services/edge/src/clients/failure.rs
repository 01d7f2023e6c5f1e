//! Calls that fail: trying again, and what is known afterwards.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use tonic::{Code, Request, Response, Status};
use weir_reasons::Reason;
use weir_rpc::Deadline;
use weir_service::Policy;

use crate::metrics;

/// A service that was restarted is back within these tries; one that is away for longer is not
/// worth the caller's time.
const POLICY: Policy = Policy {
    tries: 4,
    pause: Duration::from_millis(125),
};

/// What a failed call means for the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The service, or something it needs, can't serve in time; later it may (semantics 1.3).
    Away,
    /// The whole call was undone: start anew under another batch id.
    Aborted,
    /// The source or its account is not there any more, and so its key is no good.
    Gone,
    /// The service does not take the call; ours to mend.
    Unexpected,
}

/// A call without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{hop} failed: {cause:?}")]
pub struct Failure {
    pub hop: &'static str,
    pub cause: Cause,
    /// Whether it is certain that nothing was stored.
    pub undone: bool,
    /// What the service said, where it said something that this version knows.
    pub reason: Option<Reason>,
    /// The epoch that stands, where a ledger refused a past one.
    pub epoch: Option<i64>,
    pub(super) code: Code,
}

impl Failure {
    /// A service that answers against its contract.
    pub(super) fn unexpected(hop: &'static str) -> Self {
        tracing::error!(hop, "the answer does not fit the call");
        Self::internal(hop)
    }

    /// Ours to mend; it is logged already.
    pub fn internal(hop: &'static str) -> Self {
        Self::of(hop, Cause::Unexpected, Code::Internal)
    }

    /// No time was left.
    pub fn late(hop: &'static str) -> Self {
        Self::of(hop, Cause::Away, Code::DeadlineExceeded)
    }

    /// Whether the answer is larger than a message may be; to fewer events it is smaller.
    pub fn is_outgrown(&self) -> bool {
        // The service sees it coming, or this side refuses to read it.
        self.reason == Some(Reason::AnswerTooLarge) || self.code == Code::OutOfRange
    }

    fn of(hop: &'static str, cause: Cause, code: Code) -> Self {
        Self {
            hop,
            cause,
            undone: false,
            reason: None,
            epoch: None,
            code,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Called<T> {
    pub answer: T,
    /// Whether the answer tells all: no try before it can have stored something.
    pub certain: bool,
}

/// Makes one hop; `message` builds the request anew for every try. Codes that are `answers`
/// of this call are no failures to log.
pub(super) async fn call<M, T, F>(
    hop: &'static str,
    deadline: Deadline,
    answers: &[Code],
    message: impl Fn() -> M,
    send: impl Fn(Request<M>) -> F,
) -> Result<Called<T>, Failure>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut certain = true;
    let mut tried = 0;
    loop {
        let status = match attempt(deadline, &message, &send).await {
            Ok(answer) => return Ok(Called { answer, certain }),
            Err(status) => status,
        };
        certain &= is_undone(&status);
        let failure = Failure {
            hop,
            cause: cause(&status),
            undone: certain,
            reason: weir_rpc::reason_of(&status),
            epoch: weir_rpc::told(&status, "epoch").and_then(|epoch| epoch.parse().ok()),
            code: status.code(),
        };
        let is_answer = answers.contains(&status.code()) && !is_about_us(failure.reason);
        if status.source().is_none() && is_answer {
            return Err(failure);
        }
        metrics::hop_failed(hop, status.code());
        tried += 1;
        if is_transient(&status) && POLICY.again(tried, deadline).await {
            continue;
        }
        // Not its message: what a service says of a call may be about what was in it.
        let reason = failure.reason.map_or("", Reason::code);
        tracing::warn!(hop, code = ?status.code(), reason, "a hop failed");
        return Err(failure);
    }
}

async fn attempt<M, T, F>(
    deadline: Deadline,
    message: &impl Fn() -> M,
    send: &impl Fn(Request<M>) -> F,
) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let request = deadline.request(message())?;
    match tokio::time::timeout(deadline.remaining(), send(request)).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(weir_rpc::late()),
    }
}

/// A status with a source was made on this side, by a connection that broke.
fn is_transient(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

/// Whether the service itself said that it did nothing.
fn is_undone(status: &Status) -> bool {
    status.source().is_none()
        && matches!(
            status.code(),
            Code::Aborted
                | Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::FailedPrecondition
                | Code::ResourceExhausted
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::Unimplemented
        )
}

/// Whether it is we whom the service does not know: secrets are being changed, or ours is wrong.
fn is_about_us(reason: Option<Reason>) -> bool {
    let ours = [
        Reason::TokenMissing,
        Reason::TokenUnknown,
        Reason::CertificateUnknown,
    ];
    reason.is_some_and(|reason| ours.contains(&reason))
}

fn cause(status: &Status) -> Cause {
    if status.source().is_some() || is_about_us(weir_rpc::reason_of(status)) {
        return Cause::Away;
    }
    let gone = [Reason::SourceUnknown, Reason::AccountUnknown].map(Some);
    match status.code() {
        Code::NotFound if gone.contains(&weir_rpc::reason_of(status)) => Cause::Gone,
        Code::Aborted => Cause::Aborted,
        Code::Unavailable
        | Code::ResourceExhausted
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Unknown => Cause::Away,
        _ => Cause::Unexpected,
    }
}
