//! What Segment's SDKs send, and browsers among them (semantics 8).

use std::sync::Arc;

use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::Bytes;
use hyper::body::Incoming;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::body::Announced;
use super::methods::Methods;
use super::problem::Problem;
use super::{Answer, Front, answer, keys};
use crate::app::ClassicIncoming;
use crate::clients::{Caller, SourceKind};
use crate::domain::classic::{Call, MAX_BODY, Opened, Type, Verdict};
use crate::domain::split::without_mark;

/// How long a browser need not ask again whether it may send, in seconds.
const PREFLIGHT_AGE: &str = "600";
/// What a host may consist of, as far as it is written into settings.
const HOST_SIGNS: &str = ".-_:[]";

/// What is served for classic sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Call(Call),
    /// What an SDK tells of itself; of no use here.
    Metrics,
    /// What an SDK in a browser asks for before anything else.
    Settings,
}

impl Endpoint {
    /// Those that the description of the API has, by their long names.
    pub const DESCRIBED: [(&str, Self); 10] = [
        ("/classic/v1/batch", Self::Call(Call::Batch)),
        ("/classic/v1/import", Self::Call(Call::Batch)),
        (
            "/classic/v1/identify",
            Self::Call(Call::One(Type::Identify)),
        ),
        ("/classic/v1/track", Self::Call(Call::One(Type::Track))),
        ("/classic/v1/page", Self::Call(Call::One(Type::Page))),
        ("/classic/v1/screen", Self::Call(Call::One(Type::Screen))),
        ("/classic/v1/group", Self::Call(Call::One(Type::Group))),
        ("/classic/v1/alias", Self::Call(Call::One(Type::Alias))),
        ("/classic/v1/m", Self::Metrics),
        ("/classic/v1/projects/{key}/settings", Self::Settings),
    ];

    /// What is at a path such as `/v1/batch`; the letters are what browsers use.
    pub fn named(path: &str) -> Option<Self> {
        let one = |of| Some(Self::Call(Call::One(of)));
        match path.strip_prefix("/v1/")? {
            "batch" | "b" | "import" => Some(Self::Call(Call::Batch)),
            "identify" | "i" => one(Type::Identify),
            "track" | "t" => one(Type::Track),
            "page" | "p" => one(Type::Page),
            "screen" | "s" => one(Type::Screen),
            "group" | "g" => one(Type::Group),
            "alias" | "a" => one(Type::Alias),
            "m" => Some(Self::Metrics),
            path => project(path).map(|_| Self::Settings),
        }
    }

    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call(Call::Batch) => "classic_batch",
            Self::Call(Call::One(Type::Identify)) => "classic_identify",
            Self::Call(Call::One(Type::Track)) => "classic_track",
            Self::Call(Call::One(_)) => "classic_not_stored",
            Self::Metrics => "classic_metrics",
            Self::Settings => "classic_settings",
        }
    }

    pub fn methods(self) -> Methods {
        match self {
            Self::Call(_) | Self::Metrics => Methods::PostFromPages,
            Self::Settings => Methods::GetFromPages,
        }
    }
}

/// The key in `projects/KEY/settings`.
fn project(path: &str) -> Option<&str> {
    let key = path.strip_prefix("projects/")?.strip_suffix("/settings")?;
    (keys::is_plausible(key) && !key.contains('/')).then_some(key)
}

/// Answers a request; what is refused says `"success": false` as well.
pub async fn take(
    front: &Front,
    endpoint: Endpoint,
    head: &Parts,
    body: &mut Incoming,
    deadlines: (Deadline, Deadline),
) -> Answer {
    if head.method == Method::OPTIONS {
        return preflight(endpoint, &head.headers);
    }
    let answered = match endpoint {
        Endpoint::Call(call) => take_call(front, call, &head.headers, body, deadlines).await,
        Endpoint::Metrics => Ok(success()),
        Endpoint::Settings => settings(front, head, deadlines.1).await,
    };
    match answered {
        Ok(answer) => readable(answer, &head.headers),
        Err(problem) => {
            let is_foreign = problem.code() == Reason::OriginNotAllowed;
            let answer = problem.into_classic().into_answer();
            // Why it is refused another page may read; that it is refused no page may.
            match is_foreign {
                true => answer,
                false => readable(answer, &head.headers),
            }
        }
    }
}

/// A browser asks before it sends. It says nothing of the source: pages of which origins may send
/// is decided once the key is there.
fn preflight(endpoint: Endpoint, headers: &HeaderMap) -> Answer {
    let mut answer = Response::new(Bytes::new().into());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let methods = HeaderValue::from_static(endpoint.methods().allow());
    let to = answer.headers_mut();
    to.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        to.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    let age = HeaderValue::from_static(PREFLIGHT_AGE);
    to.insert(header::ACCESS_CONTROL_MAX_AGE, age);
    readable(answer, headers)
}

/// Lets the page that asked read the answer. No cookies play a part: keys are sent by hand.
fn readable(mut answer: Answer, headers: &HeaderMap) -> Answer {
    let to = answer.headers_mut();
    to.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = headers.get(header::ORIGIN) {
        to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let retry = HeaderValue::from_static("retry-after");
        to.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, retry);
    }
    answer
}

fn success() -> Answer {
    answer::json(StatusCode::OK, r#"{"success":true}"#)
}

/// Events. The key may stand in the body, which is read on nobody's account then: all that is
/// read in this way has one share of the memory.
async fn take_call(
    front: &Front,
    call: Call,
    headers: &HeaderMap,
    body: &mut Incoming,
    (body_deadline, deadline): (Deadline, Deadline),
) -> Result<Answer, Problem> {
    let key = keys::basic_user(headers).or_else(|| keys::bearer(headers).map(str::to_owned));
    let known = match &key {
        Some(key) => Some(caller(front, key, headers, deadline).await?),
        None => None,
    };
    let reader = known.clone().unwrap_or_default();
    let mut reading = front.admission.hold(reader);
    let arrival = front.app.now();
    let announced = Announced::of_any_type(headers, body, MAX_BODY)?;
    let body = announced.read(body, &mut reading, body_deadline).await?;
    let opened = Opened::new(without_mark(&body), call).map_err(Problem::malformed)?;
    let caller = match (known, &opened.write_key) {
        (Some(known), _) => known,
        (None, Some(key)) if keys::is_plausible(key) => {
            caller(front, key, headers, deadline).await?
        }
        (None, _) => return Err(Problem::no_write_key()),
    };
    let sorted = opened.sort().map_err(Problem::malformed)?;
    let mut held = front.admission.hold(caller.clone());
    held.grow(sorted.size())?;
    drop((opened, body, reading));
    let sent = ClassicIncoming {
        caller,
        sorted,
        arrival,
        deadline,
        held: Arc::new(held),
    };
    let said = front.app.process_classic(sent).await?;
    match said.verdict {
        Verdict::Taken => Ok(success()),
        Verdict::Limited(code) => Err(Problem::limited(code, said.seconds_left)),
        Verdict::Failed(code) => Err(Problem::failed(code)),
    }
}

/// Whose key it is: that of a classic source which takes what comes from this page.
async fn caller(
    front: &Front,
    key: &str,
    headers: &HeaderMap,
    deadline: Deadline,
) -> Result<Arc<Caller>, Problem> {
    let caller = front
        .keys
        .caller(front.app.clients(), key, deadline)
        .await?;
    check(&caller, headers)?;
    if caller.is_paused {
        return Err(Problem::paused());
    }
    front.app.has_room(&caller.account_id)?;
    Ok(caller)
}

fn check(caller: &Caller, headers: &HeaderMap) -> Result<(), Problem> {
    if caller.source_kind != SourceKind::Classic {
        return Err(Problem::key_of_actions());
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    if weir_values::allows(&caller.allowed_origins, origin) {
        Ok(())
    } else {
        Err(Problem::origin_not_allowed())
    }
}

/// What `@segment/analytics-next` needs to know: that it is to send events to where it got this.
async fn settings(front: &Front, head: &Parts, deadline: Deadline) -> Result<Answer, Problem> {
    let path = head.uri.path();
    let is_below = path.starts_with("/classic/");
    let path = path
        .trim_start_matches("/classic")
        .trim_start_matches("/v1/");
    let key = project(path).ok_or_else(Problem::no_path)?;
    let clients = front.app.clients();
    let caller = front.keys.caller(clients, key, deadline).await;
    let caller = caller.map_err(|problem| match problem.code() {
        Reason::KeyUnknown | Reason::KeyExpired => Problem::no_such_project(),
        _ => problem,
    })?;
    check(&caller, &head.headers)?;
    let mut segment = serde_json::json!({
        "apiKey": key,
        "unbundledIntegrations": [],
        "addBundledMetadata": false,
        "maybeBundledConfigIds": {},
        "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
    });
    if let Some(host) = host(head) {
        let below = if is_below { "classic/v1" } else { "v1" };
        segment["apiHost"] = format!("{host}/{below}").into();
        segment["protocol"] = protocol(&head.headers, front.tls.is_some()).into();
    }
    let enabled = serde_json::json!({"__default": {"enabled": true, "integrations": {}}});
    let settings = serde_json::json!({
        "integrations": {"Segment.io": segment},
        "plan": {"track": enabled, "identify": enabled, "group": enabled},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    });
    let mut answer = answer::json(StatusCode::OK, settings.to_string());
    // By the host that was asked, which a cache may not know.
    let private = HeaderValue::from_static("private, max-age=60");
    answer.headers_mut().insert(header::CACHE_CONTROL, private);
    Ok(answer)
}

/// The host that was asked, where it is one.
fn host(head: &Parts) -> Option<&str> {
    let host = head.headers.get(header::HOST)?.to_str().ok()?;
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || HOST_SIGNS.contains(sign);
    (!host.is_empty() && host.chars().all(is_sign)).then_some(host)
}

/// What whoever ends TLS in front of us says; without anybody it is what we speak.
fn protocol(headers: &HeaderMap, is_secure: bool) -> &'static str {
    let said = headers.get("x-forwarded-proto");
    let said = said.and_then(|said| said.to_str().ok()?.split(',').next());
    match said.map(str::trim) {
        Some("https") => "https",
        None if is_secure => "https",
        _ => "http",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_the_path_of_their_settings() {
        let found = |path: &str| Endpoint::named(path);
        assert_eq!(
            found("/v1/projects/pau-key/settings"),
            Some(Endpoint::Settings)
        );
        for none in [
            "/v1/projects//settings",
            "/v1/projects/settings",
            "/v1/projects/a/b/settings",
            "/v2/projects/pau-key/settings",
            "/v1/projects/pau-key",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn every_endpoint_that_is_described_is_there() {
        for (path, endpoint) in Endpoint::DESCRIBED {
            let path = path.strip_prefix("/classic").unwrap();
            assert_eq!(Endpoint::named(path), Some(endpoint), "{path}");
        }
    }

    #[test]
    fn the_protocol_is_that_of_whoever_ends_tls() {
        let of = |said: Option<&str>, is_secure| {
            let headers = said.map(|said| {
                let name = header::HeaderName::from_static("x-forwarded-proto");
                (name, said.parse().unwrap())
            });
            protocol(&headers.into_iter().collect(), is_secure)
        };
        assert_eq!(of(None, false), "http");
        assert_eq!(of(None, true), "https");
        assert_eq!(of(Some("https, http"), false), "https");
        assert_eq!(of(Some("http"), true), "http");
    }

    #[test]
    fn what_is_no_host_is_not_repeated() {
        let of = |host: &str| {
            let request = ::http::Request::builder().header("host", host).body(());
            let (head, ()) = request.unwrap().into_parts();
            super::host(&head).map(str::to_owned)
        };
        assert_eq!(
            of("weir.example:8443").as_deref(),
            Some("weir.example:8443")
        );
        assert_eq!(of("[::1]:8090").as_deref(), Some("[::1]:8090"));
        for bad in ["", "a/b", "a\"b", "<x>"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
