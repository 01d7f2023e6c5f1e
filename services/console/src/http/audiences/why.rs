//! Why a contact is in an audience, or is not: what happened, and by which event (semantics 5.6).

use super::super::contacts;
use super::super::failure::Part;
use super::super::visit::Visit;
use crate::domain::Trouble;
use crate::domain::model::{Membership, MembershipTurn};

/// What was asked, and what is told of it.
#[derive(Default)]
pub(super) struct Asked {
    pub who: String,
    /// What there is to be said of somebody who was found.
    pub why: Option<Part<Why>>,
    /// Nobody was, or several.
    pub nobody: String,
}

pub(super) struct Why {
    pub contact: String,
    pub now: Option<Membership>,
    /// The newest first.
    pub turns: Vec<MembershipTurn>,
}

/// Of whoever has this id, or another identifier.
pub(super) async fn ask(visit: &Visit, audience: &str, who: &str) -> Asked {
    let mut asked = Asked {
        who: who.to_owned(),
        ..Asked::default()
    };
    if who.is_empty() {
        return asked;
    }
    match contacts::meant(visit, who).await {
        Ok(contact) => asked.why = Some(told(visit, audience, contact).await.into()),
        Err(nobody) => asked.nobody = nobody,
    }
    asked
}

async fn told(visit: &Visit, audience: &str, contact: String) -> Result<Why, Trouble> {
    let account = visit.account();
    let (now, turns) = tokio::join!(
        visit.calls.memberships(account, &contact),
        visit.calls.membership_history(account, &contact, audience)
    );
    Ok(Why {
        now: now?.into_iter().find(|one| one.audience_id == audience),
        turns: turns?,
        contact,
    })
}
