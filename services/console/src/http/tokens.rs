//! Tokens of people and teams, which the console signs in with as well.

use askama::Template;

use super::failure::{Page, Part};
use super::frame::Frame;
use super::settings::SECTION;
use super::visit::{Post, Visit};
use super::{html, respond};
use crate::domain::model::{NewToken, Page as List, Token};

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Part<List<Token>>,
    fault: String,
    /// Shown once.
    secret: String,
}

impl TokensPage {
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
    show(&visit, String::new(), String::new()).await
}

async fn show(visit: &Visit, fault: String, secret: String) -> Page {
    let (frame, tokens) = tokio::join!(
        visit.frame("Tokens", SECTION),
        visit.calls.tokens(Vec::new(), visit.query.get("page"))
    );
    let base = frame.base();
    Ok(respond::page(&TokensPage {
        frame: frame.under("Settings", &format!("{base}/settings")),
        tokens: tokens.into(),
        fault,
        secret,
    }))
}

pub async fn change(post: Post) -> Page {
    let Post { visit, form } = post;
    let here = format!("/accounts/{}/settings/tokens", visit.account());
    if form.get("do") == "revoke" {
        return match visit.calls.revoke_token(form.get("token")).await {
            Ok(()) => Ok(respond::go(&format!("{here}?done=token-revoked"))),
            Err(trouble) => show(&visit, trouble.says(), String::new()).await,
        };
    }
    let all_accounts = form.get("accounts") == "all";
    let new = NewToken {
        name: form.get("name").to_owned(),
        role: form.get("role").to_owned(),
        all_accounts,
        accounts: match all_accounts {
            true => Vec::new(),
            false => vec![visit.account().to_owned()],
        },
        hours: form.number("days").map(|days: i64| days.saturating_mul(24)),
        wish: form.get("wish").to_owned(),
    };
    match visit.calls.create_token(&new, visit.now).await {
        Ok(secret) if secret.is_empty() => {
            let says = "This token was made already, and is shown once only. Where nobody has it, \
                        revoke it and make another one.";
            show(&visit, says.to_owned(), String::new()).await
        }
        Ok(secret) => show(&visit, String::new(), secret).await,
        Err(trouble) => show(&visit, trouble.says(), String::new()).await,
    }
}
