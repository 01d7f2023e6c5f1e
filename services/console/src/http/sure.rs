//! What takes something away, or stops something, is asked about before it is done, with what it
//! is about and what it will do. The script asks where the button is; without one this page does.
//!
//! **Invariant:** none of these acts is done by one press of a button.

mod numbers;

use askama::Template;
use axum::response::Response;
use chrono::TimeDelta;

use super::html::{self, Markup};
use super::resend::Sent;
use super::visit::Visit;
use super::{respond, tokens};
use crate::domain::model::{LogFilter, SourceKey, Status};
use crate::domain::{Form, words};

/// What a form brings along whose sender was asked.
const SURE: &str = "sure";

#[derive(Template)]
#[template(path = "sure.html")]
struct SurePage {
    theme: &'static str,
    question: Question,
    path: String,
    back: String,
    /// Of the account.
    base: String,
    form_token: Markup,
    sent: Sent,
}

/// What to ask, of what (by its name, where it can be told now), what it will do, and what the
/// button says.
struct Question {
    asks: &'static str,
    name: String,
    /// What stands in the place of a name.
    unnamed: &'static str,
    rest: &'static str,
    says: String,
    /// Else it would be refused: there is nothing to press.
    is_possible: bool,
    /// What would refuse it: below the account, and what it is called.
    in_the_way: Vec<(String, String)>,
    does: &'static str,
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Key,
    Rotate,
    /// Of a source that may not wait for its first event any more.
    NewKey,
    Pause,
    Copy,
    Field,
    Token,
    /// All that somebody has.
    Access,
    Restore,
}

/// What this form does that may have to be asked about; none where it does nothing of the kind, or
/// where it was.
fn act(path: &str, form: &Form) -> Option<Act> {
    if form.has(SURE) {
        return None;
    }
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    match (&parts[..], form.get("do")) {
        (["accounts", _, "sources", _, "settings"], "revoke") => Some(Act::Key),
        (["accounts", _, "sources", _, "settings"], "rotate") => {
            (form.get("overlap") == "0").then_some(Act::Rotate)
        }
        (["accounts", _, "sources", _, "settings"], "pause") => Some(Act::Pause),
        (["accounts", _, "sources", _, "settings"], "copy") => Some(Act::Copy),
        (["accounts", _, "sources", _, "new-key"], _) => Some(Act::NewKey),
        (["accounts", _, "sources", _, "map", "versions"], _) => Some(Act::Restore),
        (["accounts", _, "settings"], "delete-field") => Some(Act::Field),
        (["accounts", _, "settings", "tokens"], "revoke") => Some(Act::Token),
        (["accounts", _, "settings", "tokens"], "end-access") => Some(Act::Access),
        _ => None,
    }
}

/// The question, in the place of what the form would do.
pub async fn ask(visit: &Visit, form: &Form) -> Option<Response> {
    let path = visit.path.split('?').next().unwrap_or_default();
    let question = match act(path, form)? {
        Act::NewKey => new_key(visit, form).await?,
        Act::Field | Act::Token => of_account(visit, form).await,
        Act::Access => access(visit, form).await,
        act => of_source(visit, form, act).await,
    };
    let back = match form.get("name") {
        "" => path.trim_end_matches("/new-key").to_owned(),
        name => format!("{path}?name={}", html::query(name)),
    };
    Some(respond::page(&SurePage {
        theme: visit.theme,
        question,
        path: path.to_owned(),
        base: format!("/accounts/{}", visit.account()),
        back,
        form_token: html::hidden("form_token", &visit.me.form_token),
        sent: Sent::of(form),
    }))
}

async fn of_source(visit: &Visit, form: &Form, act: Act) -> Question {
    let (account, id) = (visit.account(), visit.source());
    let (source, came) = tokio::join!(visit.calls.source(account, id), came(visit));
    let name = source.map(|source| source.name).unwrap_or_default();
    let unnamed = "this source";
    match act {
        Act::Key => {
            let keys = visit.calls.keys(account, id).await.unwrap_or_default();
            let key = keys.into_iter().find(|one| one.id == form.get("key"));
            Question {
                asks: "Revoke the key",
                name: key.map(|key| key.hint).unwrap_or_default(),
                unnamed: "that you chose",
                rest: "?",
                says: format!(
                    "Requests with it are refused everywhere within 60 seconds, and no key comes \
                     back: whoever sends with it needs another one first. {came}"
                ),
                is_possible: true,
                in_the_way: Vec::new(),
                does: "Revoke the key",
            }
        }
        Act::Pause => Question {
            asks: "Pause",
            name,
            unnamed,
            rest: "?",
            says: format!(
                "All its requests are answered 503 within three seconds, until it is resumed. \
                 Senders keep what they have for a while: Segment gives an event up four hours \
                 after its first try. {came}"
            ),
            is_possible: true,
            in_the_way: Vec::new(),
            does: "Pause the source",
        },
        Act::Copy => {
            let rows = visit.calls.contact_mapping(account, id).await;
            let rows = rows.map(|(rows, _)| words::count(rows.len() as i64, "field"));
            let rows = rows.unwrap_or_else(|_| "fields".to_owned());
            Question {
                asks: "Replace the mapping of",
                name,
                unnamed,
                rest: "?",
                says: format!(
                    "All that it maps ({rows} and its activities) gives way to what the other \
                     source maps, live within a second. It is saved as a version: the one before \
                     can be brought back under Versions. {came}"
                ),
                is_possible: true,
                in_the_way: Vec::new(),
                does: "Replace the mapping",
            }
        }
        Act::Restore => Question {
            asks: "Bring version",
            name: form.get("restore").to_owned(),
            unnamed: "of before",
            rest: " back?",
            says: format!(
                "It is saved as a new version and live within a second, in the place of what \
                 stands now, which stays in the list of versions.{}",
                numbers::restored(visit, form).await
            ),
            is_possible: true,
            in_the_way: Vec::new(),
            does: "Bring it back",
        },
        _ => {
            let keys = visit.calls.keys(account, id).await.unwrap_or_default();
            end_keys(visit, name, &keys, came)
        }
    }
}

/// Another key in the place of all there are ends them at once: nobody is asked while the source
/// waits and nothing came, and whoever presses twice gets the key of the first press. When a key was
/// used is known a minute later; what came by it is in the log at once, and counted soon.
async fn new_key(visit: &Visit, form: &Form) -> Option<Question> {
    let (account, id) = (visit.account(), visit.source());
    let (source, keys, came) = tokio::join!(
        visit.calls.source(account, id),
        visit.calls.keys(account, id),
        came_at_least(visit)
    );
    let wish = form.clone().of_one_wish();
    let own = visit.app.sign_in.source_key(account, wish.get("wish"));
    let is_safe = |keys: &[SourceKey]| {
        let others = keys.iter().filter(|key| key.is_good(&visit.now));
        let mut others = others.filter(|key| !key.is_of(&own)).peekable();
        others.peek().is_none() || came == Some(0) && others.all(|key| key.last_used.is_none())
    };
    match (source, keys) {
        (Ok(source), Ok(keys)) if source.status == Status::WaitingForEvents && is_safe(&keys) => {
            None
        }
        (source, keys) => {
            let name = source.map(|source| source.name).unwrap_or_default();
            let came = came.map_or_else(String::new, said);
            Some(end_keys(visit, name, &keys.unwrap_or_default(), came))
        }
    }
}

fn end_keys(visit: &Visit, name: String, keys: &[SourceKey], came: String) -> Question {
    let good = keys.iter().filter(|key| key.is_good(&visit.now)).count();
    let ends = match good {
        0 => String::new(),
        good => format!("{} would end. ", words::count(good as i64, "key")),
    };
    Question {
        asks: "End all keys now, and make a new one, of",
        name,
        unnamed: "this source",
        rest: "?",
        says: format!(
            "{ends}Whoever sends with a key that is good now is refused everywhere within 60 \
             seconds, until the new key stands there. To leave time for that, go back and rotate \
             them under Settings, to end later. {came}"
        ),
        is_possible: true,
        in_the_way: Vec::new(),
        does: "End them and make a new key",
    }
}

async fn of_account(visit: &Visit, form: &Form) -> Question {
    if form.get("do") == "delete-field" {
        return numbers::field(visit, form).await;
    }
    let tokens = visit.calls.tokens(true, "").await;
    let tokens = tokens.map(|list| list.items).unwrap_or_default();
    let mut tokens = tokens.into_iter();
    let token = tokens.find(|one| one.id == form.get("token"));
    let used = token.as_ref().and_then(|token| token.last_used);
    let used = used.map(|at| format!(" It was used last {}.", words::ago(at, visit.now)));
    Question {
        asks: "Revoke the token",
        name: token.map(|token| token.name).unwrap_or_default(),
        unnamed: "that you chose",
        rest: "?",
        says: format!(
            "Whoever uses it, a person or a program, is refused everywhere within seconds, and its \
             sessions end. It does not come back.{}",
            used.unwrap_or_default()
        ),
        is_possible: true,
        in_the_way: Vec::new(),
        does: "Revoke the token",
    }
}

async fn access(visit: &Visit, form: &Form) -> Question {
    let name = form.get("person");
    let person = visit.calls.person(name).await;
    let has_issuer = visit.app.single.is_some();
    Question {
        asks: "End all access of",
        name: name.to_owned(),
        unnamed: "whom you chose",
        rest: "?",
        says: match person {
            Ok(None) => "They have no token: there is nothing to end.".to_owned(),
            Ok(person) => tokens::end_of(person.as_ref(), has_issuer, &visit.me.name),
            Err(_) => tokens::end_of(None, has_issuer, &visit.me.name),
        },
        is_possible: true,
        in_the_way: Vec::new(),
        does: "End all access",
    }
}

/// What the act concerns, of a source.
async fn came(visit: &Visit) -> String {
    let of = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(23);
    let outcome = visit.calls.summary(of, since, false).await;
    outcome.map_or_else(|_| String::new(), |outcome| said(outcome.answered))
}

fn said(came: i64) -> String {
    let came = words::count(came, "event");
    format!("{came} came in the last 24 hours.")
}

/// As much as is known of what came by now, be it not counted yet; none where that is not known.
async fn came_at_least(visit: &Visit) -> Option<i64> {
    let of = (visit.account(), visit.source());
    let since = visit.now - TimeDelta::hours(23);
    let filter = LogFilter::default();
    let (outcome, log, recent) = tokio::join!(
        visit.calls.summary(of, since, false),
        visit.calls.log(of, &filter, ""),
        visit.calls.recent(of, Vec::new(), "", "")
    );
    let (outcome, log, (recent, _)) = (outcome.ok()?, log.ok()?, recent.ok()?);
    let logged = log.items.iter().filter(|one| one.status != 0);
    let logged = logged.filter(|one| one.time.is_some_and(|time| time >= since));
    let received = recent.items.iter();
    let received = received.filter(|one| one.received.is_some_and(|time| time >= since));
    let received = i64::try_from(received.count()).unwrap_or(i64::MAX);
    let seen = logged.map(|one| one.count).sum::<i64>().max(received);
    Some(outcome.answered.max(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(says: &str) -> Form {
        Form::of(
            form_urlencoded::parse(says.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    #[test]
    fn what_takes_something_away_is_asked_about_once() {
        let source = "/accounts/a/sources/s";
        for (path, says) in [
            (format!("{source}/settings"), "do=revoke&key=k"),
            (format!("{source}/settings"), "do=rotate&overlap=0"),
            (format!("{source}/settings"), "do=pause"),
            (format!("{source}/settings"), "do=copy&from=s"),
            (format!("{source}/new-key"), "wish=w"),
            (format!("{source}/map/versions"), "restore=3"),
            ("/accounts/a/settings".to_owned(), "do=delete-field&field=f"),
            (
                "/accounts/a/settings/tokens".to_owned(),
                "do=revoke&token=t",
            ),
            (
                "/accounts/a/settings/tokens".to_owned(),
                "do=end-access&person=p",
            ),
        ] {
            assert!(act(&path, &form(says)).is_some(), "{path} {says}");
            let sure = form(&format!("{says}&sure=1"));
            assert!(act(&path, &sure).is_none(), "{path} {says}");
        }
        for says in ["do=resume", "do=rotate&overlap=24", "do=rename&name=n", ""] {
            let path = format!("{source}/settings");
            assert!(act(&path, &form(says)).is_none(), "{says}");
        }
    }
}
