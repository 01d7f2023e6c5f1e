//! To the issuer of OpenID Connect, and back.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;

use super::visit::{pairs, theme};
use super::{guard, respond, sign_in};
use crate::app::App;

const COOKIE: &str = "weir-single";

pub async fn begin(State(app): State<Arc<App>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let theme = theme(&request.headers);
    let Some(single) = &app.single else {
        return respond::go("/sign-in");
    };
    let query = pairs(request.uri.query().unwrap_or_default().as_bytes());
    let next = guard::own_path(query.get("next")).unwrap_or("/");
    match app.begin_single(single, next).await {
        Ok(begun) => respond::go_with(&begun.url, &kept(&app, &begun.cookie, 900)),
        Err(says) => sign_in::refused(&app, says, theme),
    }
}

/// For the way back the browser comes from another site: `Lax`, or it would not bring it along.
fn kept(app: &App, value: &str, age: u32) -> String {
    let secure = if app.sign_in.is_secure() {
        "; Secure"
    } else {
        ""
    };
    format!("{COOKIE}={value}; Path=/sign-in/oidc; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage {
    theme: &'static str,
    next: String,
}

pub async fn back(State(app): State<Arc<App>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let theme = theme(&request.headers);
    let Some(single) = &app.single else {
        return respond::go("/sign-in");
    };
    let query = pairs(request.uri.query().unwrap_or_default().as_bytes());
    let cookie = guard::cookie(&request.headers, COOKIE);
    let denied = query.get("error");
    if !denied.is_empty() {
        return sign_in::refused(&app, crate::domain::oidc::denied(denied), theme);
    }
    let finished = app.finish_single(single, cookie, query.get("state"), query.get("code"));
    match finished.await {
        Ok((session, next)) => {
            // A page of its own goes on: the session's cookie comes along with nothing that
            // another site began. And the token is good everywhere in two seconds.
            let next = sign_in::after(&app, &request.headers, &next);
            let answer = respond::page(&SignedInPage { theme, next });
            let answer = respond::with_cookie(answer, &app.sign_in.cookie(&session));
            respond::with_cookie(answer, &kept(&app, "", 0))
        }
        Err(says) => sign_in::refused(&app, says, theme),
    }
}
