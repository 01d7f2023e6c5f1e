//! People and tokens: who may sign in to the console, and what programs show.

use askama::Template;
use chrono::{DurationRound, TimeDelta};
use weir_reasons::Reason;

use super::failure::{Page, Part};
use super::faults::Faults;
use super::frame::Frame;
use super::settings::SECTION;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{NewToken, Page as List, Person, Token};
use crate::domain::{Fault, Form, Time, words};

/// Longer than anybody plans for; what is to last has no end.
const MAX_DAYS: i64 = 3_650;
const TITLE: &str = "People and tokens";
const ROLES: [&str; 3] = ["read", "write", "admin"];
/// Accounts that stand in a row by their names.
const NAMED: usize = 3;

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    people: Part<List<Person>>,
    tokens: Part<List<Token>>,
    at: Place,
    /// Whether people come from an issuer, who can come back by themselves.
    has_issuer: bool,
    faults: Faults,
    /// Shown once.
    secret: String,
    /// What was written, where no token was made of it.
    sent: Form,
}

/// Where in both lists this page is.
struct Place {
    /// Where its people begin.
    people: String,
    /// Where its tokens begin.
    tokens: String,
    /// Tokens that ended are shown as well.
    ended_too: bool,
}

impl Place {
    fn of(query: &Form) -> Self {
        Self {
            people: query.get("people").to_owned(),
            tokens: query.get("page").to_owned(),
            ended_too: query.get("ended") == "1",
        }
    }

    /// More people, from here on: asked for by a form, since a name is in it, and no address says
    /// those. Tokens stay where they are.
    fn people_from(&self, next: &str) -> html::Markup {
        let ended = if self.ended_too { "1" } else { "" };
        let all = [("people", next), ("page", &self.tokens), ("ended", ended)];
        let all = all.map(|(name, value)| html::hidden(name, value).to_string());
        html::Markup(all.concat())
    }

    fn tokens_from(&self, next: &str) -> String {
        let ended = if self.ended_too { "&ended=1" } else { "" };
        format!("?page={}{ended}#tokens", html::query(next))
    }
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
        let many = i64::try_from(token.accounts.len()).unwrap_or(i64::MAX);
        self.named(token.all_accounts, &token.accounts, many)
    }

    fn touches(&self, person: &Person) -> String {
        self.named(person.all_accounts, &person.accounts, person.account_count)
    }

    /// The first of `many` accounts by their names.
    fn named(&self, all: bool, accounts: &[String], many: i64) -> String {
        if all {
            return "all accounts".to_owned();
        }
        let name = |id: &String| {
            let found = self.frame.accounts.iter().find(|account| account.id == *id);
            found.map_or_else(|| id.clone(), |account| account.name.clone())
        };
        let shown = &accounts[..accounts.len().min(NAMED)];
        let names: Vec<_> = shown.iter().map(name).collect();
        let more = many.saturating_sub_unsigned(shown.len() as u64);
        match (names.is_empty(), more) {
            (true, _) => "no account".to_owned(),
            (_, ..=0) => names.join(", "),
            (_, more) => format!("{} and {} more", names.join(", "), words::number(more)),
        }
    }

    /// When the newest token was made.
    fn newest(&self) -> &'static str {
        match self.has_issuer {
            true => "Signed in last",
            false => "Newest token",
        }
    }

    /// What the button asks.
    fn ends_access(&self, person: &Person) -> String {
        format!(
            "End all access of {}? {}",
            person.name,
            end_of(Some(person), self.has_issuer, &self.frame.me.name)
        )
    }
}

/// What ending all access of somebody does, in numbers; of None it is not known what they have.
pub fn end_of(person: Option<&Person>, has_issuer: bool, me: &str) -> String {
    let mut says = match person.map(|person| person.good) {
        Some(0) => return "None of their tokens is good: there is nothing to end.".to_owned(),
        Some(1) => "1 token and the sessions that came by it end within seconds.".to_owned(),
        Some(many) => {
            let tokens = words::count(many, "token");
            format!("{tokens} and the sessions that came by them end within seconds.")
        }
        None => "All tokens of this name and the sessions that came by them end within seconds."
            .to_owned(),
    };
    if has_issuer {
        says.push_str(
            " Who signs in at your sign-in service can sign in again, as long as they are in a \
             group there that may.",
        );
    }
    if person.is_some_and(|person| person.name == me) {
        says.push_str(" That is the name that you are signed in by: you may be signed out.");
    }
    says
}

pub async fn list(visit: Visit) -> Page {
    if !visit.me.may_administrate() {
        return Err(visit.not_for_this_role(SECTION, "admin").await);
    }
    let at = Place::of(&visit.query);
    show(&visit, at, Shown::default()).await
}

/// What the page says beside what stands.
#[derive(Default)]
struct Shown {
    faults: Faults,
    secret: String,
    sent: Form,
}

async fn show(visit: &Visit, at: Place, shown: Shown) -> Page {
    let Shown {
        faults,
        secret,
        sent,
    } = shown;
    let (frame, people, tokens) = tokio::join!(
        visit.frame(TITLE, SECTION),
        visit.calls.people(&at.people),
        visit.calls.tokens(!at.ended_too, &at.tokens)
    );
    let base = frame.base();
    let status = faults.status();
    let page = TokensPage {
        frame: frame.under("Settings", &format!("{base}/settings")),
        people: people.into(),
        tokens: tokens.into(),
        at,
        has_issuer: visit.app.single.is_some(),
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
    let at = Place::of(&visit.query);
    if form.get("do") == "people" {
        return match visit.me.may_administrate() {
            true => show(&visit, Place::of(&form), Shown::default()).await,
            false => Err(visit.not_for_this_role(SECTION, "admin").await),
        };
    }
    let ended = match form.get("do") {
        "revoke" => {
            let revoked = visit.calls.revoke_token(form.get("token")).await;
            Some(revoked.map(|()| "token-revoked".to_owned()))
        }
        "end-access" => {
            let ended = visit.calls.end_access(form.get("person")).await;
            Some(ended.map(|many| match many {
                0 => "access-none".to_owned(),
                many => format!("access-ended&n={many}"),
            }))
        }
        _ => None,
    };
    if let Some(ended) = ended {
        return match ended {
            Ok(done) => Ok(respond::go(&format!("{here}?done={done}"))),
            Err(trouble) => {
                let faults = Faults::told(&visit, SECTION, trouble).await?;
                let shown = Shown {
                    faults,
                    ..Shown::default()
                };
                show(&visit, at, shown).await
            }
        };
    }
    let new = match read(&form, visit.account(), visit.now) {
        Ok(new) => new,
        Err(fault) => {
            let shown = Shown {
                faults: Faults::of(&[fault], "No token was made."),
                sent: form,
                ..Shown::default()
            };
            return show(&visit, at, shown).await;
        }
    };
    let faults = match visit.calls.create_token(&new).await {
        Ok(secret) if secret.is_empty() => Faults::whole(MADE),
        // What was written differs: as well a second press of the same button.
        Err(trouble) if trouble.is(Reason::RequestIdTaken) => Faults::whole(MADE),
        Ok(secret) => {
            let shown = Shown {
                secret,
                ..Shown::default()
            };
            return show(&visit, at, shown).await;
        }
        Err(trouble) => Faults::told(&visit, SECTION, trouble).await?,
    };
    let shown = Shown {
        faults,
        sent: form,
        ..Shown::default()
    };
    show(&visit, at, shown).await
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
    fn what_ends_is_said_in_numbers() {
        let person = |good| Person {
            name: "lana@example.org".to_owned(),
            role: None,
            all_accounts: false,
            accounts: Vec::new(),
            account_count: 0,
            good,
            last_made: None,
            last_used: None,
        };
        let said = |good, has_issuer| end_of(Some(&person(good)), has_issuer, "administrator");
        let three = "3 tokens and the sessions that came by them end within seconds.";
        assert_eq!(said(3, false), three);
        assert!(said(3, true).ends_with("as long as they are in a group there that may."));
        assert!(said(1, false).starts_with("1 token and the sessions that came by it end"));
        assert!(said(0, true).contains("nothing to end"));
        assert!(end_of(Some(&person(2)), false, "lana@example.org").contains("signed out"));
        assert!(end_of(None, false, "me").starts_with("All tokens of this name"));
    }

    #[test]
    fn one_list_goes_on_while_the_other_stays() {
        let at = |query: &str| Place::of(&super::super::visit::pairs(query.as_bytes()));
        assert_eq!(at("").tokens_from("a b"), "?page=a+b#tokens");
        let both = at("people=a&page=b&ended=1");
        assert_eq!(both.tokens_from("c"), "?page=c&ended=1#tokens");
        let people = both.people_from("d\"").to_string();
        for (name, value) in [("people", "d&quot;"), ("page", "b"), ("ended", "1")] {
            let field = format!("name=\"{name}\" value=\"{value}\"");
            assert!(people.contains(&field), "{people}");
        }
    }

    #[test]
    fn whoever_presses_twice_asks_for_the_same_end() {
        let first: Time = "2026-11-27T10:00:00Z".parse().unwrap();
        let second = first + TimeDelta::seconds(9);
        assert_eq!(end_of_day(first, 90), end_of_day(second, 90));
    }
}
