//! A request of somebody who is signed in.

use std::sync::Arc;

use ::http::header::CONTENT_TYPE;
use ::http::request::Parts;
use ::http::{HeaderMap, StatusCode};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use uuid::Uuid;

use super::{guard, respond, sign_in, sure};
use crate::app::{App, Me};
use crate::clients::Calls;
use crate::domain::{Form, Time, Trouble};

/// A form of 200 fields with all of their options is a tenth of this.
const MAX_FORM: usize = 2 * 1024 * 1024;

const FORM: &str = "application/x-www-form-urlencoded";

/// Who asks, for what.
pub struct Visit {
    pub app: Arc<App>,
    pub me: Me,
    pub calls: Calls,
    params: Vec<(String, String)>,
    pub query: Form,
    /// What was sent, of a form: a page that came to nothing keeps it.
    pub sent: Form,
    /// With what is asked.
    pub path: String,
    /// `light`, `dark`; empty: as the system.
    pub theme: &'static str,
    pub now: Time,
    /// Whether a page of ours led here, as far as the browser says: a link from elsewhere tells
    /// nobody that something was done.
    pub is_led_here: bool,
}

/// A form that somebody sent.
pub struct Post {
    pub visit: Visit,
    /// Its wish is that of what it asks for; the page's own is in [`Visit::sent`].
    pub form: Form,
}

impl Visit {
    /// A part of the path; empty where the route has none of this name.
    pub fn param(&self, name: &str) -> &str {
        let mut found = self.params.iter().filter(|(key, _)| key == name);
        found.next().map_or("", |(_, value)| value)
    }

    /// The wish that the page carried whose form this is: where it is shown again it still has it.
    pub fn wish(&self) -> String {
        self.sent.get("wish").to_owned()
    }

    /// Of the address.
    pub fn account(&self) -> &str {
        let named = self.param("account");
        if !named.is_empty() {
            return named;
        }
        // Of an address below an account that leads to no page.
        let below = self.path.strip_prefix("/accounts/").unwrap_or_default();
        below.split(['/', '?']).next().unwrap_or_default()
    }

    pub fn source(&self) -> &str {
        self.param("source")
    }

    /// Whether the address is below an account that there can be, and theirs to look at.
    async fn admitted(self) -> Result<Self, Response> {
        let account = self.param("account");
        if account.is_empty() {
            return Ok(self);
        }
        let trouble = match Uuid::try_parse(account) {
            Ok(account) if self.me.may_see(account) => return Ok(self),
            Ok(_) => Trouble::Forbidden {
                says: "your token is not for this account".to_owned(),
            },
            Err(_) => Trouble::Missing {
                says: "no such account".to_owned(),
            },
        };
        Err(self.failed("", trouble).await)
    }

    async fn of(parts: &mut Parts, app: &Arc<App>, me: Me) -> Self {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let params = params.map_or_else(
            |_| Vec::new(),
            |params| {
                let pairs = params.iter();
                pairs
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            },
        );
        let path = parts.uri.path_and_query();
        Self {
            app: app.clone(),
            calls: app.calls(&me),
            me,
            params,
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            sent: Form::default(),
            path: path.map_or_else(|| "/".to_owned(), ToString::to_string),
            theme: theme(&parts.headers),
            now: app.clock.now(),
            is_led_here: guard::is_led_here(&parts.headers),
        }
    }
}

/// Whether a body is sent as our pages send theirs, or without saying how.
fn is_form(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or_default().split(';').next();
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM))
}

/// What a form or an address says.
pub fn pairs(text: &[u8]) -> Form {
    Form::of(form_urlencoded::parse(text).into_owned().collect())
}

pub fn theme(headers: &HeaderMap) -> &'static str {
    match guard::cookie(headers, "weir-theme") {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "",
    }
}

fn who(app: &App, headers: &HeaderMap) -> Option<Me> {
    let cookie = guard::cookie(headers, app.sign_in.cookie_name());
    app.sign_in.who(cookie, app.clock.now())
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Some(me) = who(app, &parts.headers) else {
            let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            return Err(sign_in::ask(path));
        };
        Self::of(parts, app, me).await.admitted().await
    }
}

impl FromRequest<Arc<App>> for Post {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let theme = theme(&parts.headers);
        if !guard::is_from_here(&parts.headers, app.sign_in.url()) {
            return Err(respond::refused(theme));
        }
        if !is_form(&parts.headers) {
            return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
        }
        let body = Limited::new(body, MAX_FORM).collect().await;
        let Ok(body) = body.map(http_body_util::Collected::to_bytes) else {
            return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
        };
        let form = pairs(&body);
        let path = parts.uri.path().to_owned();
        let Some(me) = who(app, &parts.headers) else {
            return Err(sign_in::ask_for(app, &path, &form, theme));
        };
        if !guard::is_same(form.get("form_token"), &me.form_token) {
            // Of a page of the session before.
            return Err(sign_in::resume(&me, &path, &form, theme));
        }
        let mut visit = Visit::of(&mut parts, app, me).await;
        visit.sent = form.clone();
        let visit = visit.admitted().await?;
        // Who may not is refused by the service, and not asked before.
        if visit.me.may_write()
            && let Some(question) = sure::ask(&visit, &form).await
        {
            return Err(question);
        }
        let form = form.of_one_wish();
        Ok(Self { visit, form })
    }
}
