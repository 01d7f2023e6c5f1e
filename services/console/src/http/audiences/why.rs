//! Why a contact is in an audience, or is not: what happened, and by which event (semantics 5.6).

use uuid::Uuid;

use super::super::failure::Part;
use super::super::visit::Visit;
use crate::domain::Trouble;
use crate::domain::model::{Found, Membership, MembershipTurn};
use crate::domain::words;

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
    let contact = match Uuid::try_parse(who) {
        Ok(_) => Ok(Ok(who.to_owned())),
        Err(_) => {
            let found = visit.calls.search(visit.account(), who, "").await;
            found.map(|(page, _)| one_of(who, &page.items))
        }
    };
    match contact {
        Ok(Ok(contact)) => asked.why = Some(told(visit, audience, contact).await.into()),
        Ok(Err(nobody)) => asked.nobody = nobody,
        Err(trouble) => asked.nobody = trouble.says(),
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

/// Who is meant: whoever has it exactly, or the only one of whom something begins so.
fn one_of(who: &str, found: &[Found]) -> Result<String, String> {
    let ids = |exactly: bool| {
        let meant = found
            .iter()
            .filter(|one| !exactly || one.value.to_lowercase() == who.to_lowercase());
        let mut ids: Vec<&str> = meant.map(|one| &*one.contact.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    match (&ids(true)[..], &ids(false)[..]) {
        ([one], _) | ([], [one]) => Ok((*one).to_owned()),
        ([], []) => Err(format!("Nobody is found by “{}”.", words::cut(who, 60))),
        (_, several) => Err(format!(
            "{} are found by “{}”: ask with a whole identifier, or the contact's id.",
            words::count(several.len() as i64, "contact"),
            words::cut(who, 60)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::Contact;

    fn found(id: &str, value: &str) -> Found {
        Found {
            contact: Contact {
                id: id.to_owned(),
                ..Contact::default()
            },
            key: "E-mail",
            value: value.to_owned(),
        }
    }

    #[test]
    fn whoever_has_it_exactly_is_meant_or_else_the_only_one() {
        let found = [
            found("a", "lana@example.org"),
            found("a", "Lana"),
            found("b", "lana@example.org.uk"),
        ];
        assert_eq!(one_of("LANA@example.org", &found), Ok("a".to_owned()));
        assert_eq!(
            one_of("lana@example.org.u", &found[2..]),
            Ok("b".to_owned())
        );
        assert!(one_of("lan", &found).unwrap_err().starts_with("2 contacts"));
        assert!(one_of("x", &[]).unwrap_err().starts_with("Nobody"));
    }
}
