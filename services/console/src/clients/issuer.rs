//! The issuer of OpenID Connect: where people sign in.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use serde_json::Value;

use super::web::Web;

const PATIENCE: Duration = Duration::from_secs(8);
/// What an issuer answers is small.
const MAX_ANSWER: usize = 256 * 1024;

/// It does not answer, or not as an issuer does; says what happened, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct IssuerAway(String);

/// Asks one.
#[derive(Clone)]
pub struct Issuer {
    url: String,
    client_id: String,
    client_secret: String,
    web: Web,
}

#[derive(Debug, Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Issuer {
    pub fn new(url: &str, client_id: &str, client_secret: &str) -> Self {
        Self {
            url: url.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            web: Web::new(),
        }
    }

    /// Where people are sent to sign in.
    ///
    /// # Errors
    /// The issuer is away.
    pub async fn authorization_endpoint(&self) -> Result<String, IssuerAway> {
        Ok(self.discovered().await?.authorization_endpoint)
    }

    /// The claims of the id token that a code stands for.
    ///
    /// # Errors
    /// The issuer is away, or does not know the code.
    pub async fn claims(
        &self,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
    ) -> Result<Value, IssuerAway> {
        let endpoint = self.discovered().await?.token_endpoint;
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "authorization_code"),
                ("code", code),
                ("code_verifier", verifier),
                ("redirect_uri", redirect_uri),
                ("client_id", &self.client_id),
            ])
            .finish();
        let encoded =
            |text: &str| -> String { form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        let pair = format!(
            "{}:{}",
            encoded(&self.client_id),
            encoded(&self.client_secret)
        );
        let request = Request::post(&endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header(
                header::AUTHORIZATION,
                format!("Basic {}", BASE64.encode(pair.as_bytes())),
            )
            .body(Full::from(form));
        let tokens: Tokens = self.ask(request).await?;
        let claims = tokens.id_token.split('.').nth(1).unwrap_or_default();
        let claims = BASE64URL_NOPAD.decode(claims.trim_end_matches('=').as_bytes());
        let claims = claims
            .ok()
            .and_then(|claims| serde_json::from_slice(&claims).ok());
        claims.ok_or_else(|| IssuerAway("its id token can't be read".to_owned()))
    }

    /// What it says of itself.
    async fn discovered(&self) -> Result<Discovered, IssuerAway> {
        let url = self.url.trim_end_matches('/');
        let request =
            Request::get(format!("{url}/.well-known/openid-configuration")).body(Full::default());
        let found: Discovered = self.ask(request).await?;
        if found.issuer != self.url {
            return Err(IssuerAway(
                "it calls itself otherwise than WEIR_OIDC_ISSUER".to_owned(),
            ));
        }
        Ok(found)
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        request: Result<Request<Full<Bytes>>, http::Error>,
    ) -> Result<T, IssuerAway> {
        let request = request.map_err(|error| IssuerAway(error.to_string()))?;
        let asking = async {
            let answer = self.web.ask(request).await.map_err(IssuerAway)?;
            let status = answer.status();
            if status != StatusCode::OK {
                return Err(IssuerAway(format!("it answered {status}")));
            }
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| IssuerAway(error.to_string()))?;
            serde_json::from_slice(&body.to_bytes())
                .map_err(|_| IssuerAway("its answer is not what it should be".to_owned()))
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        answered.map_err(|_| IssuerAway("it does not answer".to_owned()))?
    }
}
