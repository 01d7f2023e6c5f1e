//! `/v1/audiences/create` and `/v1/audiences/get`.

use bytes::Bytes;
use weir_rpc::Deadline;

use super::problem::Problem;
use super::{Answer, answer};
use crate::app::App;
use crate::clients::{Audience, AudienceRefused, Caller};
use crate::domain::audience::{self, NameFault};

/// A name of 150 characters, however it is written.
pub const MAX_BODY: usize = 64 * 1024;

pub async fn create(
    app: &App,
    caller: &Caller,
    body: &Bytes,
    deadline: Deadline,
) -> Result<Answer, Problem> {
    let sent = audience::text_member(body, "name")
        .ok_or_else(|| Problem::no_member("the body must be {\"name\": \"…\"}"))?;
    let name = audience::name(&sent).map_err(Problem::audience_name)?;
    let created = app
        .clients()
        .create_audience(&caller.account_id, name, deadline);
    answered(created.await)
}

pub async fn get(
    app: &App,
    caller: &Caller,
    body: &Bytes,
    deadline: Deadline,
) -> Result<Answer, Problem> {
    let id = audience::text_member(body, "id")
        .ok_or_else(|| Problem::no_member("the body must be {\"id\": \"…\"}"))?;
    let found = app
        .clients()
        .get_audience(&caller.account_id, id.trim(), deadline);
    answered(found.await)
}

fn answered(audience: Result<Audience, AudienceRefused>) -> Result<Answer, Problem> {
    match audience {
        Ok(audience) => Ok(answer::audience(&audience)),
        Err(AudienceRefused::Name) => Err(Problem::audience_name(NameFault::Other)),
        Err(AudienceRefused::Unknown) => Err(Problem::no_audience()),
        Err(AudienceRefused::OtherOrigin) => Err(Problem::foreign_audience()),
        Err(AudienceRefused::Failed(failure)) => Err(failure.into()),
    }
}
