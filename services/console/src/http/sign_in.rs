//! Coming in and going out.

use std::sync::Arc;

use ::http::{HeaderMap, StatusCode, header};
use askama::Template;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use weir_access::Refused;

use super::html::{self, Markup};
use super::resend::Sent;
use super::visit::{Post, Visit, pairs, theme};
use super::{assets, guard, respond};
use crate::app::{self, App, LinkFailure, Me, PasswordFailure};
use crate::domain::{Form, words};

/// A token, and what somebody was doing.
const MAX_FORM: usize = 2 * 1024 * 1024;
/// Where a form that was carried on is shown.
pub const GO_ON: &str = "/sign-in/go-on";

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    theme: &'static str,
    version: &'static str,
    next: String,
    /// What was being sent when the session ended.
    body: String,
    /// As well, where it is too long to be carried over other pages.
    too_long: Option<Sent>,
    fault: String,
    /// Whether there is another way in.
    single: bool,
    /// Whether there is a local administrator.
    password: bool,
    /// As they called themselves.
    name: String,
}

impl SignInPage {
    fn new(app: &App, theme: &'static str) -> Self {
        Self {
            theme,
            version: assets::version(),
            next: "/".to_owned(),
            body: String::new(),
            too_long: None,
            fault: String::new(),
            single: app.single.is_some(),
            password: app.sign_in.takes_passwords(),
            name: String::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    theme: &'static str,
    version: &'static str,
    fault: &'static str,
}

#[derive(Template)]
#[template(path = "resume.html")]
struct ResumePage {
    theme: &'static str,
    version: &'static str,
    path: String,
    form_token: Markup,
    sent: Sent,
}

/// On to the sign-in, and back to this address afterwards.
pub fn ask(path: &str) -> Response {
    if path == "/" {
        return respond::go("/sign-in");
    }
    respond::go(&format!("/sign-in?next={}", html::query(path)))
}

/// The sign-in in the middle of a form, which goes on afterwards.
pub fn ask_for(app: &App, path: &str, form: &Form, theme: &'static str) -> Response {
    let body = encoded(form);
    let carried = app.sign_in.carry(path, &body, app.clock.now());
    let page = SignInPage {
        next: path.to_owned(),
        body,
        too_long: carried.is_none().then(|| Sent::of(form)),
        ..SignInPage::new(app, theme)
    };
    let answer = respond::with_status(StatusCode::UNAUTHORIZED, &page);
    // The script asks for previews while somebody writes: nobody was sending that.
    if form.get("do") == PREVIEW {
        return answer;
    }
    // What was carried before is of no use beside this.
    respond::with_cookie(answer, &carried_cookie(app, &carried.unwrap_or_default()))
}

const CARRIED: &str = "weir-form";
/// What a form does that changes nothing.
const PREVIEW: &str = "preview";

/// Keeps a form for the ways in that lead over other pages, or ends that. From an issuer browsers
/// come back from another site: `Lax`, or they would not bring it along.
fn carried_cookie(app: &App, value: &str) -> String {
    let age = if value.is_empty() {
        0
    } else {
        app::CARRIED.num_seconds()
    };
    let secure = if app.sign_in.is_secure() {
        "; Secure"
    } else {
        ""
    };
    format!("{CARRIED}={value}; Path=/sign-in; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

/// Where whoever came in by another page goes on: to the form that they were sending, if it is that.
pub fn after(app: &App, headers: &HeaderMap, next: &str) -> String {
    let cookie = guard::cookie(headers, CARRIED);
    match app.sign_in.carried(cookie, app.clock.now()) {
        Some((path, _)) if next == "/" || next == path => GO_ON.to_owned(),
        _ => next.to_owned(),
    }
}

/// The form that was carried on, for whoever is signed in now.
pub async fn carried(visit: Visit, headers: HeaderMap) -> Response {
    let cookie = guard::cookie(&headers, CARRIED);
    let found = visit.app.sign_in.carried(cookie, visit.now);
    let answer = match found {
        Some((path, body)) => {
            let path = guard::own_path(&path).unwrap_or("/");
            resume(&visit.me, path, &pairs(body.as_bytes()), visit.theme)
        }
        None => respond::go("/"),
    };
    respond::with_cookie(answer, &carried_cookie(&visit.app, ""))
}

/// The sign-in, with why another way led nowhere.
pub fn refused(app: &App, fault: String, theme: &'static str) -> Response {
    let page = SignInPage {
        fault,
        ..SignInPage::new(app, theme)
    };
    respond::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn encoded(form: &Form) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    let kept = form.pairs().iter().filter(|(name, _)| name != "form_token");
    encoded.extend_pairs(kept);
    encoded.finish()
}

/// What was being sent, to be sent by whoever is signed in now.
pub fn resume(me: &Me, path: &str, form: &Form, theme: &'static str) -> Response {
    let page = ResumePage {
        theme,
        version: assets::version(),
        path: path.to_owned(),
        form_token: html::hidden("form_token", &me.form_token),
        sent: Sent::of(form),
    };
    respond::page(&page)
}

pub async fn page(State(app): State<Arc<App>>, request: Request) -> Response {
    let query = pairs(request.uri().query().unwrap_or_default().as_bytes());
    let next = guard::own_path(query.get("next")).unwrap_or("/");
    let cookie = guard::cookie(request.headers(), app.sign_in.cookie_name());
    if app.sign_in.who(cookie, app.clock.now()).is_some() {
        return respond::go(next);
    }
    respond::page(&SignInPage {
        next: next.to_owned(),
        ..SignInPage::new(&app, theme(request.headers()))
    })
}

/// By a token, or by name and password.
pub async fn enter(State(app): State<Arc<App>>, request: Request) -> Response {
    let theme = theme(request.headers());
    let form = match own_form(&app, request).await {
        Ok(form) => form,
        Err(refused) => return refused,
    };
    let next = guard::own_path(form.get("next")).unwrap_or("/").to_owned();
    let entered = match form.has("password") {
        true => by_password(&app, &form).await,
        false => by_token(&app, &form),
    };
    let fault = match entered {
        Ok(session) => return go_on(&app, &session, &next, form.raw("body"), theme),
        Err(fault) => fault,
    };
    let body = form.raw("body").to_owned();
    let carried = app.sign_in.carry(&next, &body, app.clock.now());
    let page = SignInPage {
        too_long: carried.is_none().then(|| Sent::of(&pairs(body.as_bytes()))),
        next,
        body,
        fault,
        name: form.get("name").to_owned(),
        ..SignInPage::new(&app, theme)
    };
    respond::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn by_token(app: &App, form: &Form) -> Result<String, String> {
    let entered = app.sign_in.with_token(form.get("token"), app.clock.now());
    let fault = |refused| match refused {
        Refused::Expired => "This token is past its end: ask for another one.",
        Refused::Unsure => {
            "Nobody can say now which tokens are good: the mapping service is away. Try again in a \
             moment."
        }
        _ => "This token is not known, or was revoked. It begins with weir_.",
    };
    entered.map_err(|refused| fault(refused).to_owned())
}

async fn by_password(app: &App, form: &Form) -> Result<String, String> {
    let (name, password) = (form.get("name"), form.raw("password"));
    let entered = app.sign_in.with_password(name, password, app.clock.now());
    entered.await.map_err(|failure| match failure {
        PasswordFailure::Wrong => "The name or the password is wrong.".to_owned(),
        PasswordFailure::Wait(seconds) => format!(
            "That was wrong too often: try again in {}.",
            words::count(seconds, "second")
        ),
        PasswordFailure::NotHere => "Nobody signs in by a password here.".to_owned(),
    })
}

/// Into the console, or on with what was being sent.
fn go_on(app: &App, session: &str, next: &str, body: &str, theme: &'static str) -> Response {
    let cookie = app.sign_in.cookie(session);
    if body.is_empty() {
        return respond::go_with(next, &cookie);
    }
    // It came along with the page itself.
    let carried = carried_cookie(app, "");
    let Some(me) = app.sign_in.who(Some(session), app.clock.now()) else {
        return respond::go_with(next, &cookie);
    };
    let answer = resume(&me, next, &pairs(body.as_bytes()), theme);
    respond::with_cookie(respond::with_cookie(answer, &cookie), &carried)
}

/// A form of a page for whoever is not signed in.
async fn own_form(app: &App, request: Request) -> Result<Form, Response> {
    if !guard::is_from_here(request.headers(), app.sign_in.url()) {
        return Err(respond::refused(theme(request.headers())));
    }
    let body = Limited::new(request.into_body(), MAX_FORM).collect().await;
    match body {
        Ok(body) => Ok(pairs(&body.to_bytes())),
        Err(_) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    }
}

/// Asks before the link is used up: whoever only looks at addresses (a chat that shows what is
/// behind them) does not.
pub async fn link_page(headers: HeaderMap) -> Response {
    respond::page(&LinkPage {
        theme: theme(&headers),
        version: assets::version(),
        fault: "",
    })
}

pub async fn with_link(
    State(app): State<Arc<App>>,
    Path(link): Path<String>,
    request: Request,
) -> Response {
    let theme = theme(request.headers());
    let next = after(&app, request.headers(), "/");
    if let Err(refused) = own_form(&app, request).await {
        return refused;
    }
    let fault = match app.sign_in.with_link(&link, app.clock.now()) {
        Ok(session) => return respond::go_with(&next, &app.sign_in.cookie(&session)),
        Err(LinkFailure::Used) => "This link was used before, or is older than 15 minutes.",
        Err(LinkFailure::Unknown) => "This link is not whole, or is of another Weir.",
    };
    let page = LinkPage {
        theme,
        version: assets::version(),
        fault,
    };
    respond::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// For `./weir console`: a link for whoever shows a token, as calls show it.
pub async fn make_link(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.and_then(|value| value.to_str().ok());
    let token = shown.and_then(|shown| shown.strip_prefix("Bearer "));
    let made = app.sign_in.link(token.unwrap_or_default(), app.clock.now());
    match made {
        Ok(path) => (StatusCode::OK, path).into_response(),
        Err(_) => (StatusCode::UNAUTHORIZED, "the token is not known").into_response(),
    }
}

pub async fn out(post: Post) -> Response {
    let Visit { app, me, now, .. } = &post.visit;
    app.sign_in.sign_out(me, *now);
    respond::go_with("/sign-in", &app.sign_in.cookie(""))
}

/// Keeps what somebody likes to look at.
pub async fn set_theme(post: Post) -> Response {
    let theme = match post.form.get("theme") {
        "dark" => "dark",
        "light" => "light",
        _ => "",
    };
    let next = guard::own_path(post.form.get("next")).unwrap_or("/");
    let age = if theme.is_empty() { 0 } else { 31_536_000 };
    let cookie = format!("weir-theme={theme}; Path=/; SameSite=Strict; Max-Age={age}");
    respond::go_with(next, &cookie)
}
