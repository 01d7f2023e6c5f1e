//! Single sign-on, with an issuer of the test's own (semantics 9.4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use weir_proto::access::v1 as access;

use crate::harness::{Answer, Console};
use crate::stub::WRITE;

const CREATE: &str = "/weir.access.v1.TokenService/CreateToken";
const URL: &str = "http://weir.example.org";

/// An issuer: whoever is sent there is Lana.
#[derive(Clone, Default)]
struct Issuer(Arc<Known>);

#[derive(Default)]
struct Known {
    url: Mutex<String>,
    /// What the next id token says beside the usual.
    claims: Mutex<Value>,
    /// Of codes that were given: challenge and nonce.
    codes: Mutex<HashMap<String, (String, String)>>,
}

impl Issuer {
    async fn start() -> Self {
        let issuer = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        *issuer.0.url.lock().unwrap() = url;
        *issuer.0.claims.lock().unwrap() = json!({"groups": ["shop"]});
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/token", post(token))
            .with_state(issuer.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        issuer
    }

    fn url(&self) -> String {
        self.0.url.lock().unwrap().clone()
    }

    /// As somebody who signs in there does: the address that they are sent back to.
    fn sign_in(&self, sent_to: &str) -> String {
        let sent = url::Url::parse(sent_to).unwrap();
        assert!(sent_to.starts_with(&format!("{}/authorize?", self.url())));
        let asked: HashMap<_, _> = sent.query_pairs().into_owned().collect();
        assert_eq!(
            asked["redirect_uri"],
            format!("{URL}/sign-in/oidc/callback")
        );
        assert_eq!(asked["code_challenge_method"], "S256");
        let code = format!("code-{}", asked["state"]);
        let known = (asked["code_challenge"].clone(), asked["nonce"].clone());
        self.0.codes.lock().unwrap().insert(code.clone(), known);
        format!(
            "/sign-in/oidc/callback?state={}&code={code}",
            asked["state"]
        )
    }
}

async fn discovery(State(issuer): State<Issuer>) -> String {
    let url = issuer.url();
    json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
    })
    .to_string()
}

async fn token(
    State(issuer): State<Issuer>,
    headers: http::HeaderMap,
    body: String,
) -> axum::response::Response {
    let form: HashMap<_, _> = form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let shown = format!("Basic {}", BASE64.encode(b"weir:what+the+issuer+knows"));
    let known = issuer.0.codes.lock().unwrap().remove(&form["code"]);
    let Some((challenge, nonce)) = known else {
        return http::StatusCode::BAD_REQUEST.into_response();
    };
    let digest = ring::digest::digest(&ring::digest::SHA256, form["code_verifier"].as_bytes());
    assert_eq!(BASE64URL_NOPAD.encode(digest.as_ref()), challenge);
    assert_eq!(headers["authorization"], shown);
    let mut claims = json!({
        "iss": issuer.url(), "aud": "weir", "nonce": nonce, "sub": "1",
        "email": "lana@example.org", "exp": 4_000_000_000_i64,
    });
    let more = issuer.0.claims.lock().unwrap().clone();
    claims
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let encoded = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let token = format!(
        "{}.{}.sig",
        encoded(&json!({"alg": "RS256"})),
        encoded(&claims)
    );
    json!({"id_token": token, "token_type": "Bearer"})
        .to_string()
        .into_response()
}

async fn console(issuer: &Issuer) -> Console {
    let console = Console::start_with(&[
        "--url",
        URL,
        "--oidc-issuer",
        &issuer.url(),
        "--oidc-client-id",
        "weir",
        "--oidc-client-secret",
        "what the issuer knows",
        "--oidc-roles",
        "shop=write,auditors=read",
    ])
    .await;
    // It knows the tokens that there are, of which the next one is made.
    console.sign_in(&weir_access::token(WRITE)).await;
    let made = access::CreateTokenResponse {
        secret: weir_access::token(WRITE),
        ..Default::default()
    };
    console.stub.answer(CREATE, &made);
    console.stub.forget_calls();
    console
}

/// To the issuer and back.
async fn through(console: &Console, issuer: &Issuer) -> Answer {
    let sent = console.get("/sign-in/oidc?next=/accounts", "").await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let back = issuer.sign_in(sent.location());
    console.get(&back, &sent.cookie()).await
}

fn made(console: &Console) -> usize {
    let calls = console.stub.calls();
    calls.iter().filter(|(path, _)| path == CREATE).count()
}

#[tokio::test]
async fn who_signs_in_at_the_issuer_gets_a_token_of_their_own() {
    let issuer = Issuer::start().await;
    let console = console(&issuer).await;
    let page = console.get("/sign-in", "").await;
    assert!(page.text.contains("/sign-in/oidc"));
    let back = through(&console, &issuer).await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert!(back.text.contains("url=/accounts"));
    let cookie = back.cookie();
    assert!(cookie.starts_with("weir-session="), "{cookie}");
    assert_eq!(console.get("/accounts", &cookie).await.status, 200);
    assert_eq!(made(&console), 1);
}

#[tokio::test]
async fn a_form_goes_to_the_issuer_and_back() {
    let issuer = Issuer::start().await;
    let console = console(&issuer).await;
    let form = [("form_token", "old"), ("address", "maps@example.org")];
    let path = format!("/accounts/{}/settings", crate::stub::ACCOUNT);
    let ended = console.post(&path, "", &form).await;
    assert_eq!(ended.status, 401);
    let sent = console
        .get(&format!("/sign-in/oidc?next={path}"), &ended.cookie())
        .await;
    let cookies = format!("{}; {}", sent.cookie(), ended.cookie());
    let back = console
        .get(&issuer.sign_in(sent.location()), &cookies)
        .await;
    assert!(back.text.contains("url=/sign-in/go-on"), "{}", back.text);
    let cookies = format!("{}; {}", back.cookie(), ended.cookie());
    let page = console.get("/sign-in/go-on", &cookies).await;
    assert!(page.text.contains("maps@example.org"), "{}", page.text);
}

#[tokio::test]
async fn who_is_in_no_group_that_may_gets_none() {
    let issuer = Issuer::start().await;
    let console = console(&issuer).await;
    for claims in [
        json!({"groups": ["others"]}),
        json!({}),
        json!({"groups": 7}),
    ] {
        *issuer.0.claims.lock().unwrap() = claims;
        let back = through(&console, &issuer).await;
        assert_eq!(back.status, 422);
        assert!(back.text.contains("none of your groups"), "{}", back.text);
    }
    assert_eq!(made(&console), 0);
}

#[tokio::test]
async fn what_is_of_another_window_issuer_or_time_leads_nowhere() {
    let issuer = Issuer::start().await;
    let console = console(&issuer).await;
    for claims in [
        json!({"aud": "another"}),
        json!({"iss": "https://evil.example"}),
        json!({"nonce": "another"}),
        json!({"exp": 1}),
    ] {
        *issuer.0.claims.lock().unwrap() = claims;
        assert_eq!(through(&console, &issuer).await.status, 422);
    }
    *issuer.0.claims.lock().unwrap() = json!({"groups": ["shop"]});
    let sent = console.get("/sign-in/oidc", "").await;
    let back = issuer.sign_in(sent.location());
    let cookie = sent.cookie();
    // Without its cookie, under another state, without a code.
    assert_eq!(console.get(&back, "").await.status, 422);
    let other = back.replace("state=", "state=x");
    assert_eq!(console.get(&other, &cookie).await.status, 422);
    let codeless = back.split("&code").next().unwrap();
    assert_eq!(console.get(codeless, &cookie).await.status, 422);
    // Later than a quarter of an hour.
    console.clock.advance(16 * 60_000);
    assert_eq!(console.get(&back, &cookie).await.status, 422);
    assert_eq!(made(&console), 0);
}

#[tokio::test]
async fn an_issuer_that_is_away_costs_nothing_else() {
    let console = Console::start_with(&[
        "--url",
        URL,
        "--oidc-issuer",
        "http://127.0.0.1:1",
        "--oidc-client-id",
        "weir",
        "--oidc-roles",
        "*=read",
    ])
    .await;
    let answer = console.get("/sign-in/oidc", "").await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("does not answer as it should"));
    let cookie = console.administrator().await;
    assert_eq!(console.get("/accounts", &cookie).await.status, 200);
}
