//! `/v1/identify`, `/v1/track`, `/v1/audiences/members`.

use std::sync::Arc;

use ::http::HeaderMap;
use hyper::body::Incoming;
use weir_rpc::Deadline;

use super::problem::Problem;
use super::{Answer, Front, answer, body};
use crate::clients::Caller;
use crate::domain::envelope::Kind;

/// Reads one batch and takes it through the stages, in a task of its own: a client that
/// hangs up leaves no batch half done.
pub async fn take(
    front: &Front,
    caller: Arc<Caller>,
    kind: Kind,
    headers: &HeaderMap,
    incoming: &mut Incoming,
    deadline: Deadline,
) -> Result<Answer, Problem> {
    let slot = front.admission.enter(&caller.account_id)?;
    let mut held = front.admission.hold();
    let arrival = chrono::Utc::now().timestamp_micros();
    let body = body::read(headers, incoming, body::MAX_BATCH, &mut held, deadline).await?;
    let app = front.app.clone();
    let processing = front.app.background().spawn(async move {
        let processed = app.process(caller, kind, body, arrival, deadline).await;
        drop((slot, held));
        processed
    });
    match processing.await {
        Ok(Ok(processed)) => Ok(answer::batch(kind, &processed)),
        Ok(Err(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(panicked = error.is_panic(), "a batch ended early");
            Err(Problem::internal())
        }
    }
}
