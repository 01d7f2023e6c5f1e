//! Tokens of people and teams, which the console signs in with as well.

use askama::Template;
use chrono::{DurationRound, TimeDelta};
use weir_reasons::Reason;

use super::failure::{Page, Part};
use super::faults::Faults;
use super::frame::Frame;
use super::settings::SECTION;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{NewToken, Page as List, Token};
use crate::domain::{Fault, Form, Time};

/// Longer than anybody plans for; what is to last has no end.
const MAX_DAYS: i64 = 3_650;
const ROLES: [&str; 3] = ["read", "write", "admin"];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Part<List<Token>>,
    faults: Faults,
    /// Shown once.
    secret: String,
    /// What was written, where no token was made of it.
    sent: Form,
}

impl TokensPage {
    fn role(&self) -> html::Markup {
        let choices = [
            ("read", "read: look"),
            ("write", "write: configure, change contacts"),
            ("admin", "admin: tokens and accounts as well"),
        ];
        html::options(&choices, self.sent.get("role"))
    }

    fn ends(&self) -> html::Markup {
        let choices = [
            ("90", "in 90 days"),
            ("30", "in 30 days"),
            ("365", "in a year"),
            ("", "never"),
        ];
        let sent = self.sent.has("days").then(|| self.sent.get("days"));
        html::options(&choices, sent.unwrap_or("90"))
    }

    fn accounts(&self, token: &Token) -> String {
        if token.all_accounts {
            return "all accounts".to_owned();
        }
        let name = |id: &String| {
            let found = self.frame.accounts.iter().find(|account| account.id == *id);
            found.map_or_else(|| id.clone(), |account| account.name.clone())
        };
        let names: Vec<_> = token.accounts.iter().map(name).collect();
        names.join(", ")
    }
}

pub async fn list(visit: Visit) -> Page {
    if !visit.me.may_administrate() {
        return Err(visit.not_for_this_role(SECTION, "admin").await);
    }
    show(&visit, Faults::default(), String::new(), Form::default()).await
}

async fn show(visit: &Visit, faults: Faults, secret: String, sent: Form) -> Page {
    let (frame, tokens) = tokio::join!(
        visit.frame("Tokens", SECTION),
        visit.calls.tokens(Vec::new(), visit.query.get("page"))
    );
    let base = frame.base();
    let status = faults.status();
    let page = TokensPage {
        frame: frame.under("Settings", &format!("{base}/settings")),
        tokens: tokens.into(),
        faults,
        secret,
        sent,
    };
    Ok(respond::with_status(status, &page))
}

pub async fn change(post: Post) -> Page {
    const MADE: &str = "This token was made already, when the button was pressed first: its text \
                        was shown by that answer alone. Where nobody has it, revoke it below and \
                        make another one.";
    let Post { visit, form } = post;
    let here = format!("/accounts/{}/settings/tokens", visit.account());
    if form.get("do") == "revoke" {
        return match visit.calls.revoke_token(form.get("token")).await {
            Ok(()) => Ok(respond::go(&format!("{here}?done=token-revoked"))),
            Err(trouble) => {
                let faults = Faults::told(&visit, SECTION, trouble).await?;
                show(&visit, faults, String::new(), Form::default()).await
            }
        };
    }
    let new = match read(&form, visit.account(), visit.now) {
        Ok(new) => new,
        Err(fault) => {
            let faults = Faults::of(&[fault], "No token was made.");
            return show(&visit, faults, String::new(), form).await;
        }
    };
    let faults = match visit.calls.create_token(&new).await {
        Ok(secret) if secret.is_empty() => Faults::whole(MADE),
        // What was written differs: as well a second press of the same button.
        Err(trouble) if trouble.is(Reason::RequestIdTaken) => Faults::whole(MADE),
        Ok(secret) => return show(&visit, Faults::default(), secret, Form::default()).await,
        Err(trouble) => Faults::told(&visit, SECTION, trouble).await?,
    };
    show(&visit, faults, String::new(), form).await
}

fn read(form: &Form, account: &str, now: Time) -> Result<NewToken, Fault> {
    let role = form.choice("role", "Role", |one| {
        ROLES.into_iter().find(|role| *role == one)
    })?;
    let all_accounts = form.choice("accounts", "May touch", |one| match one {
        "all" => Some(true),
        "one" => Some(false),
        _ => None,
    })?;
    // Nothing at all is no choice: of a form that is not whole no token follows that never ends.
    let never = form.has("days") && form.get("days").is_empty();
    let end = match never {
        true => None,
        false => Some(end_of_day(now, form.whole("days", "Ends", 1..=MAX_DAYS)?)),
    };
    Ok(NewToken {
        name: form.get("name").to_owned(),
        role: role.to_owned(),
        all_accounts,
        accounts: match all_accounts {
            true => Vec::new(),
            false => vec![account.to_owned()],
        },
        end,
        wish: form.get("wish").to_owned(),
    })
}

/// The last moment of the day (UTC) after so many: the same for whoever presses twice, so that both
/// ask for one token.
fn end_of_day(now: Time, days: i64) -> Time {
    let day = TimeDelta::days(1);
    now.duration_trunc(day).unwrap_or(now) + TimeDelta::days(days) + day
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(role: &str, days: &str) -> Form {
        let pairs = [("role", role), ("accounts", "one"), ("days", days)];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Form::of(pairs.to_vec())
    }

    #[test]
    fn what_is_no_end_or_no_role_makes_no_token() {
        let now: Time = "2026-11-27T10:00:00Z".parse().unwrap();
        let read = |role, days| read(&form(role, days), "a", now);
        for days in ["abc", "0", "-5", "300000000", "99999999999999999", "1.5"] {
            assert!(read("read", days).is_err(), "{days}");
        }
        for role in ["root", "", "Admin"] {
            assert!(read(role, "30").is_err(), "{role}");
        }
        assert_eq!(read("read", "").unwrap().end, None);
        assert!(super::read(&Form::default(), "a", now).is_err());
        let end = read("write", "30").unwrap().end.unwrap();
        assert_eq!(end.to_rfc3339(), "2026-12-28T00:00:00+00:00");
    }

    #[test]
    fn whoever_presses_twice_asks_for_the_same_end() {
        let first: Time = "2026-11-27T10:00:00Z".parse().unwrap();
        let second = first + TimeDelta::seconds(9);
        assert_eq!(end_of_day(first, 90), end_of_day(second, 90));
    }
}
