//! A console in front of stubs, and a browser without a script.

use std::net::SocketAddr;

use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use weir_console::Config;
use weir_testkit::{ADMIN_TOKEN, Running, TOKENS, TestClock, eventually};

use crate::stub::{ACCOUNT, Stub};

pub const SECRET: &str = "what the console of a test seals with";
pub const START: &str = "2026-11-27T10:00:00Z";
pub const SOURCE: &str = "00000000-0000-0000-0000-0000000000b1";

pub struct Console {
    pub stub: Stub,
    pub clock: TestClock,
    pub address: SocketAddr,
    http: Client<HttpConnector, Full<Bytes>>,
    _running: Running,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn location(&self) -> &str {
        let location = self.headers.get(header::LOCATION);
        location.map_or("", |location| location.to_str().unwrap())
    }

    /// What is set as a cookie, as it is sent back.
    pub fn cookie(&self) -> String {
        let set = self.headers.get(header::SET_COOKIE).unwrap();
        set.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

    /// What the form of a part of the settings brings back of its page.
    pub fn seen(&self, part: &str) -> String {
        let parts = ["plan", "news", "identity", "strategy"];
        let place = parts.iter().position(|one| *one == part).unwrap();
        let behind = "name=\"seen\" value=\"";
        let seen = self.text.split(behind).nth(place + 1).unwrap();
        unescaped(seen.split('"').next().unwrap())
    }

    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let behind = format!("name=\"{name}\" value=\"");
        let found = self.text.split(&behind[..]).nth(1);
        let found = found.unwrap_or_else(|| panic!("no {name} in {}", self.text));
        found.split('"').next().unwrap().to_owned()
    }
}

impl Console {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub async fn start_with(arguments: &[&str]) -> Self {
        let (stub, url) = Stub::start().await;
        let mut all = vec!["weir-console", "--secret", SECRET];
        // Nothing is there.
        all.extend(["--edge-health-url", "http://127.0.0.1:1"]);
        let places = [
            "--mapping-url",
            "--contact-url",
            "--activity-url",
            "--audience-url",
            "--quota-url",
        ];
        for place in places {
            all.extend([place, &url]);
        }
        all.extend(TOKENS);
        all.extend(arguments);
        let config = Config::try_parse_from(all).unwrap();
        let clock = TestClock::at(START);
        let told = clock.clock();
        let running = Running::start(|listener, shutdown| {
            weir_console::serve(config, told, listener, shutdown)
        })
        .await;
        Self {
            stub,
            clock,
            address: running.address,
            http: Client::builder(TokioExecutor::new()).build_http(),
            _running: running,
        }
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = format!("http://{}{path}", self.address);
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        let (head, body) = self.http.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// As somebody who is signed in, or with an empty cookie as nobody.
    pub async fn get(&self, path: &str, cookie: &str) -> Answer {
        self.send("GET", path, &[("cookie", cookie)], "").await
    }

    /// A form of a page of ours.
    pub async fn post(
        &self,
        path: &str,
        cookie: &str,
        form: &[(impl AsRef<str>, impl AsRef<str>)],
    ) -> Answer {
        let origin = format!("http://{}", self.address);
        let headers = [("cookie", cookie), ("origin", &*origin)];
        self.send("POST", path, &headers, &encoded(form)).await
    }

    /// Signs in with a token, once the console knows it; answers the cookie.
    pub async fn sign_in(&self, token: &str) -> String {
        let answer = eventually("the console knows the token", async || {
            let answer = self.post("/sign-in", "", &[("token", token)]).await;
            (answer.status == 303).then_some(answer)
        })
        .await;
        answer.cookie()
    }

    pub async fn administrator(&self) -> String {
        self.sign_in(ADMIN_TOKEN).await
    }

    /// What forms of this session bring back.
    pub async fn form_token(&self, cookie: &str) -> String {
        self.get("/accounts", cookie).await.hidden("form_token")
    }
}

/// As a browser reads what stands in an attribute.
pub fn unescaped(text: &str) -> String {
    let pairs = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    pairs
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

pub fn encoded(form: &[(impl AsRef<str>, impl AsRef<str>)]) -> String {
    let pairs = form
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_ref()));
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(pairs);
    encoded.finish()
}

/// Every page of an account, and those of one of its sources and contacts.
pub fn pages() -> Vec<String> {
    let contact = "00000000-0000-0000-0000-0000000000c1";
    let of_account = [
        "/sources".to_owned(),
        "/sources/new".to_owned(),
        "/sources/new?kind=segment_classic".to_owned(),
        "/contacts".to_owned(),
        format!("/contacts/{contact}"),
        format!("/contacts/{contact}/merge?with={SOURCE}"),
        format!("/contacts/{contact}/split?merge=x"),
        format!("/contacts/{contact}/delete"),
        format!("/deletions/{contact}"),
        "/activities".to_owned(),
        "/audiences".to_owned(),
        format!("/audiences/{contact}?contact={contact}"),
        "/logs".to_owned(),
        "/usage".to_owned(),
        "/settings".to_owned(),
        "/settings/tokens".to_owned(),
        "/settings/changes".to_owned(),
        "/settings/plan".to_owned(),
        "/reindex".to_owned(),
        "/health".to_owned(),
    ];
    let of_source = [
        "waiting",
        "map",
        "map/versions?from=1&to=2",
        "activities",
        "activities/add",
        "activities/edit?name=x",
        "logs",
        "events",
        "events/story?message=m",
        "kept",
        "kept/replay",
        "replays/r1",
        "samples",
        "settings",
    ];
    let base = format!("/accounts/{ACCOUNT}");
    let mut all = vec!["/accounts".to_owned()];
    all.extend(of_account.iter().map(|page| format!("{base}{page}")));
    all.extend(
        of_source
            .iter()
            .map(|page| format!("{base}/sources/{SOURCE}/{page}")),
    );
    all
}
