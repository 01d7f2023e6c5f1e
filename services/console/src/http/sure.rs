//! What takes something away, or stops something, is asked about before it is done, with what it
//! will do. The script asks where the button is; without one this page does.
//!
//! **Invariant:** none of these acts is done by one press of a button.

use askama::Template;
use axum::response::Response;

use super::html::{self, Markup};
use super::resend::Sent;
use super::respond;
use crate::domain::Form;

/// What a form brings along whose sender was asked.
const SURE: &str = "sure";

#[derive(Template)]
#[template(path = "sure.html")]
struct SurePage {
    theme: &'static str,
    asks: &'static str,
    says: &'static str,
    does: &'static str,
    path: String,
    back: String,
    form_token: Markup,
    sent: Sent,
}

/// What to ask, what it will do, and what the button says.
type Question = (&'static str, &'static str, &'static str);

const KEY: Question = (
    "Revoke this key?",
    "Requests with it are refused everywhere within 60 seconds, and no key comes back: whoever \
     sends with it needs another one first.",
    "Revoke the key",
);
const ROTATE: Question = (
    "End all keys now, and make a new one?",
    "Whoever sends with one of the keys that are good now is refused everywhere within 60 seconds, \
     until the new key stands there. To leave time for that, go back and let them end later.",
    "End them and make a new key",
);
const PAUSE: Question = (
    "Pause this source?",
    "All its requests are answered 503 within three seconds, until it is resumed. Senders keep what \
     they have for a while: Segment gives an event up four hours after its first try.",
    "Pause the source",
);
const COPY: Question = (
    "Replace the mapping of this source?",
    "All that it maps gives way to what the other source maps, fields and activities, live within a \
     second. It is saved as a version: the one before can be brought back under Versions.",
    "Replace the mapping",
);
const FIELD: Question = (
    "Take this field away?",
    "No mapping can fill it any more. Values that contacts have of it stay, and are there again \
     where the same field is made anew.",
    "Take the field away",
);
const TOKEN: Question = (
    "Revoke this token?",
    "Whoever uses it, a person or a program, is refused everywhere within seconds, and its sessions \
     end. It does not come back.",
    "Revoke the token",
);
const RESTORE: Question = (
    "Bring this version back?",
    "It is saved as a new version and live within a second, in the place of what stands now, which \
     stays in the list of versions.",
    "Bring it back",
);
/// What is to be asked of this form; none where nothing is, or where it was.
fn question(path: &str, form: &Form) -> Option<Question> {
    if form.has(SURE) {
        return None;
    }
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    match (&parts[..], form.get("do")) {
        (["accounts", _, "sources", _, "settings"], "revoke") => Some(KEY),
        (["accounts", _, "sources", _, "settings"], "rotate") => {
            (form.get("overlap") == "0").then_some(ROTATE)
        }
        (["accounts", _, "sources", _, "settings"], "pause") => Some(PAUSE),
        (["accounts", _, "sources", _, "settings"], "copy") => Some(COPY),
        (["accounts", _, "sources", _, "map", "versions"], _) => Some(RESTORE),
        (["accounts", _, "settings"], "delete-field") => Some(FIELD),
        (["accounts", _, "settings", "tokens"], "revoke") => Some(TOKEN),
        _ => None,
    }
}

/// The question, in the place of what the form would do.
pub fn ask(path: &str, form: &Form, form_token: &str, theme: &'static str) -> Option<Response> {
    let (asks, says, does) = question(path, form)?;
    let back = match form.get("name") {
        "" => path.to_owned(),
        name => format!("{path}?name={}", html::query(name)),
    };
    Some(respond::page(&SurePage {
        theme,
        asks,
        says,
        does,
        path: path.to_owned(),
        back,
        form_token: html::hidden("form_token", form_token),
        sent: Sent::of(form),
    }))
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
            (format!("{source}/map/versions"), "restore=3"),
            ("/accounts/a/settings".to_owned(), "do=delete-field&field=f"),
            (
                "/accounts/a/settings/tokens".to_owned(),
                "do=revoke&token=t",
            ),
        ] {
            assert!(question(&path, &form(says)).is_some(), "{path} {says}");
            let sure = form(&format!("{says}&sure=1"));
            assert!(question(&path, &sure).is_none(), "{path} {says}");
        }
        for says in ["do=resume", "do=rotate&overlap=24", "do=rename&name=n", ""] {
            let path = format!("{source}/settings");
            assert!(question(&path, &form(says)).is_none(), "{says}");
        }
    }
}
