//! `/v1/identify`, `/v1/track`, `/v1/audiences/members`.

use std::sync::Arc;

use hyper::body::Incoming;
use weir_rpc::Deadline;

use super::body::Announced;
use super::problem::Problem;
use super::{Answer, Front, answer};
use crate::clients::Caller;
use crate::domain::envelope::Kind;

/// Reads one batch and takes it through the stages, in a task of its own: a client that
/// hangs up leaves no batch half done.
pub async fn take(
    front: &Front,
    caller: Arc<Caller>,
    kind: Kind,
    announced: Announced,
    incoming: &mut Incoming,
    (body_deadline, deadline): (Deadline, Deadline),
) -> Result<Answer, Problem> {
    front.admission.look(&caller.account_id)?;
    let mut held = front.admission.hold(caller.clone());
    let answered = front.admission.hold(caller.clone());
    let arrival = front.app.now();
    let body = announced.read(incoming, &mut held, body_deadline).await?;
    let slot = front.admission.enter(&caller.account_id)?;
    let app = front.app.clone();
    let processing = async move {
        let processed = app.process(caller, kind, body, arrival, deadline).await;
        drop((slot, held));
        processed
    };
    // Shutdown waits for it.
    let processing = front.app.background().track_future(processing);
    let processed = weir_service::detached(processing).await?;
    Ok(answer::batch(kind, &processed, answered))
}
