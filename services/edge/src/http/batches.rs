//! `/v1/identify`, `/v1/track`, `/v1/audiences/members`.

use std::sync::Arc;

use hyper::body::Incoming;
use weir_rpc::Deadline;

use super::body::Announced;
use super::problem::Problem;
use super::{Answer, Front, answer};
use crate::app;
use crate::clients::Caller;
use crate::domain::envelope::Kind;

/// Reads one request and has it go through the stages. A client that hangs up leaves nothing
/// half done: what has begun, or waits for its turn, does not depend on it.
pub async fn take(
    front: &Front,
    caller: Arc<Caller>,
    kind: Kind,
    announced: Announced,
    incoming: &mut Incoming,
    (body_deadline, deadline): (Deadline, Deadline),
) -> Result<Answer, Problem> {
    front.app.has_room(&caller.account_id)?;
    let mut held = front.admission.hold(caller.clone());
    let answered = front.admission.hold(caller.clone());
    let arrival = front.app.now();
    let body = announced.read(incoming, &mut held, body_deadline).await?;
    let incoming = app::Incoming {
        caller,
        kind,
        body,
        arrival,
        deadline,
        held: Box::new(held),
    };
    let processed = front.app.process(incoming).await?;
    Ok(answer::batch(kind, &processed, answered))
}
