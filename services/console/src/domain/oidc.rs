//! What an id token says of a person, and what they may do then (semantics 9.4).

use serde_json::Value;
use uuid::Uuid;
use weir_access::Role;

use super::Time;

/// Clocks differ by so many seconds.
const LEEWAY: i64 = 60;
/// A token may be for so many accounts.
const MAX_ACCOUNTS: usize = 64;
const MAX_NAME: usize = 120;

/// What a group may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// `*`: everybody.
    group: String,
    role: Role,
    /// None: in all.
    accounts: Option<Vec<String>>,
}

/// What somebody may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    pub role: Role,
    /// None: in all.
    pub accounts: Option<Vec<String>>,
}

/// Whom an id token is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub groups: Vec<String>,
}

/// What an id token has to be.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    pub groups_claim: &'a str,
}

/// Reads `GROUP=ROLE@ACCOUNT+ACCOUNT,…`.
///
/// # Errors
/// Names the part that is none.
pub fn grants(text: &str) -> Result<Vec<Grant>, String> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(grant).collect()
}

fn grant(part: &str) -> Result<Grant, String> {
    // A group may have signs of any kind in its name.
    let (group, rest) = part
        .rsplit_once('=')
        .ok_or(format!("{part:?} is not GROUP=ROLE"))?;
    let (role, accounts) = match rest.split_once('@') {
        Some((role, accounts)) => (role, Some(accounts)),
        None => (rest, None),
    };
    let role = role
        .trim()
        .parse()
        .map_err(|error| format!("{part:?}: the role {error}"))?;
    let accounts = accounts.map(|accounts| {
        let ids = accounts.split('+').map(|id| {
            let id = Uuid::try_parse(id.trim());
            id.map(|id| id.to_string())
                .map_err(|_| format!("{part:?}: an account is named by its id"))
        });
        ids.collect::<Result<Vec<_>, _>>()
    });
    let accounts = accounts.transpose()?;
    if accounts
        .as_ref()
        .is_some_and(|ids| ids.len() > MAX_ACCOUNTS)
    {
        return Err(format!("{part:?}: at most {MAX_ACCOUNTS} accounts"));
    }
    Ok(Grant {
        group: group.trim().to_owned(),
        role,
        accounts,
    })
}

/// The highest role of somebody's groups, in the accounts of all groups that have it; none where
/// nothing is granted.
pub fn granted(grants: &[Grant], groups: &[String]) -> Option<Granted> {
    let mine = grants
        .iter()
        .filter(|grant| grant.group == "*" || groups.contains(&grant.group));
    let role = mine.clone().map(|grant| grant.role).max()?;
    let mut accounts = Some(Vec::new());
    for grant in mine.filter(|grant| grant.role == role) {
        match (&mut accounts, &grant.accounts) {
            (Some(all), Some(more)) => all.extend(more.iter().cloned()),
            _ => accounts = None,
        }
    }
    if let Some(accounts) = &mut accounts {
        accounts.sort_unstable();
        accounts.dedup();
        accounts.truncate(MAX_ACCOUNTS);
    }
    Some(Granted { role, accounts })
}

/// Whom an id token is of, by its claims. It came from the issuer itself, over a connection of
/// ours, so that its signature tells nothing more (OpenID Connect Core 3.1.3.7).
///
/// # Errors
/// It is not for us, not of now, or not an answer to our question; says which.
pub fn person(claims: &Value, expected: &Expected<'_>, now: Time) -> Result<Person, &'static str> {
    let text = |name: &str| claims[name].as_str().unwrap_or_default();
    if text("iss") != expected.issuer {
        return Err("it is of another issuer");
    }
    let is_ours = |audience: &Value| audience.as_str() == Some(expected.client_id);
    let audiences = claims["aud"].as_array();
    let for_us = audiences.map_or_else(|| is_ours(&claims["aud"]), |all| all.iter().any(is_ours));
    let many = audiences.is_some_and(|all| all.len() > 1);
    if !for_us || many && text("azp") != expected.client_id {
        return Err("it is for somebody else");
    }
    let end = claims["exp"].as_i64().unwrap_or_default();
    if end + LEEWAY <= now.timestamp() {
        return Err("it is past its end");
    }
    if text("nonce") != expected.nonce || expected.nonce.is_empty() {
        return Err("it is no answer to our question");
    }
    let names = ["email", "preferred_username", "name", "sub"];
    let name = names
        .into_iter()
        .map(text)
        .find(|name| !name.trim().is_empty());
    let name = name.ok_or("it names nobody")?;
    let groups = match &claims[expected.groups_claim] {
        Value::Array(all) => all
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Value::String(one) => vec![one.clone()],
        _ => Vec::new(),
    };
    Ok(Person {
        name: name
            .trim()
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME)
            .collect(),
        groups,
    })
}

/// Why an issuer sent somebody back without having let them in, by its code (RFC 6749 4.1.2.1).
pub fn denied(code: &str) -> String {
    match code {
        "access_denied" => {
            "The sign-in service did not let you in: somebody pressed Cancel there, \
                            or you may not use this console."
                .to_owned()
        }
        "login_required" | "interaction_required" | "consent_required" => {
            "The sign-in service wants to ask you something first: sign in once more.".to_owned()
        }
        "temporarily_unavailable" | "server_error" => {
            "The sign-in service does not answer as it should. Try again in a moment.".to_owned()
        }
        code => format!(
            "The sign-in service did not let you in ({}): ask the administrator of this console.",
            crate::domain::words::cut(code, 40)
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ONE: &str = "01a21b2f-3961-7162-ab23-af778e796ff8";
    const TWO: &str = "01a21b2f-3961-7162-ab23-af778e796ff9";

    fn of(text: &str, groups: &[&str]) -> Option<Granted> {
        let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
        granted(&grants(text).unwrap(), &groups)
    }

    // Semantics 9.4.
    #[test]
    fn the_highest_role_of_ones_groups_counts() {
        let text = "cn=admins,dc=x=admin".replace(",dc", ";dc");
        assert_eq!(of(&text, &["cn=admins;dc=x"]).unwrap().role, Role::Admin);
        let text = format!("ops=admin,shop=write@{ONE},web=write@{TWO},*=read");
        assert_eq!(of(&text, &[]).unwrap().role, Role::Read);
        assert_eq!(of(&text, &["ops", "shop"]).unwrap().role, Role::Admin);
        let both = of(&text, &["shop", "web"]).unwrap();
        assert_eq!(both.role, Role::Write);
        assert_eq!(both.accounts.unwrap(), [ONE, TWO]);
        assert_eq!(of("ops=admin", &["shop"]), None);
        assert_eq!(of("", &["shop"]), None);
        let all = of(&format!("a=write@{ONE},b=write"), &["a", "b"]).unwrap();
        assert_eq!(all.accounts, None);
    }

    #[test]
    fn what_is_no_grant_is_named() {
        for wrong in ["ops", "ops=owner", "ops=read@shop", "=read=", "ops=read@"] {
            assert!(grants(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_id_token_is_for_us_and_of_now() {
        let now: Time = "2026-11-27T10:00:00Z".parse().unwrap();
        let expected = Expected {
            issuer: "https://login.example.org",
            client_id: "weir",
            nonce: "n",
            groups_claim: "groups",
        };
        let good = json!({
            "iss": "https://login.example.org", "aud": "weir", "nonce": "n",
            "exp": now.timestamp() + 60, "sub": "1", "email": "lana@example.org",
            "groups": ["shop", 7],
        });
        let read = |claims: &Value| person(claims, &expected, now);
        let lana = read(&good).unwrap();
        assert_eq!(
            (&*lana.name, &lana.groups[..]),
            ("lana@example.org", &["shop".to_owned()][..])
        );
        for (name, value) in [
            ("iss", json!("https://login.example.org/")),
            ("aud", json!("other")),
            ("aud", json!(["weir", "other"])),
            ("nonce", json!("m")),
            ("nonce", json!(null)),
            ("exp", json!(now.timestamp() - 61)),
            ("exp", json!("soon")),
        ] {
            let mut wrong = good.clone();
            wrong[name] = value;
            assert!(read(&wrong).is_err(), "{name}");
        }
        let mut several = good.clone();
        several["aud"] = json!(["weir", "other"]);
        several["azp"] = json!("weir");
        assert!(read(&several).is_ok());
        let mut nameless = good;
        nameless["email"] = json!(" ");
        assert_eq!(read(&nameless).unwrap().name, "1");
    }

    #[test]
    fn who_was_not_let_in_is_told_that_and_not_that_it_took_too_long() {
        assert!(denied("access_denied").contains("did not let you in"));
        assert!(denied("invalid_scope").contains("(invalid_scope)"));
        assert!(denied(&"x".repeat(500)).len() < 200);
    }
}
