//! `/v1/audiences/create` and `/v1/audiences/get`.

use serde::Deserialize;
use weir_rpc::Deadline;

use super::problem::Problem;
use super::{Answer, answer};
use crate::app::App;
use crate::clients::{Audience, AudienceRefused, Caller};

/// A name of 150 characters, however it is written.
pub const MAX_BODY: usize = 64 * 1024;

#[derive(Deserialize)]
struct Create {
    name: String,
}

#[derive(Deserialize)]
struct Get {
    id: String,
}

pub async fn create(
    app: &App,
    caller: &Caller,
    body: &[u8],
    deadline: Deadline,
) -> Result<Answer, Problem> {
    let Ok(Create { name }) = serde_json::from_slice(body) else {
        return Err(Problem::bad_request("the body must be {\"name\": \"…\"}"));
    };
    let name = name.trim();
    let created = app
        .clients()
        .create_audience(&caller.account_id, name, deadline);
    answered(created.await)
}

pub async fn get(
    app: &App,
    caller: &Caller,
    body: &[u8],
    deadline: Deadline,
) -> Result<Answer, Problem> {
    let Ok(Get { id }) = serde_json::from_slice(body) else {
        return Err(Problem::bad_request("the body must be {\"id\": \"…\"}"));
    };
    let found = app
        .clients()
        .get_audience(&caller.account_id, id.trim(), deadline);
    answered(found.await)
}

fn answered(audience: Result<Audience, AudienceRefused>) -> Result<Answer, Problem> {
    match audience {
        Ok(audience) => Ok(answer::audience(&audience)),
        Err(AudienceRefused::Name) => Err(Problem::bad_request(
            "name: must not be blank, and have at most 150 characters",
        )),
        Err(AudienceRefused::Unknown) => Err(Problem::not_found("no such audience")),
        Err(AudienceRefused::OtherOrigin) => Err(Problem::conflict(
            "an audience of this name was made by hand or by another integration, \
             and can't be changed from Segment; choose another name",
        )),
        Err(AudienceRefused::Failed(failure)) => Err(failure.into()),
    }
}
