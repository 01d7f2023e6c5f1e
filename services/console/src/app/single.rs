//! Single sign-on: an issuer says who somebody is, and they get a token of their own for the time
//! of a session, by which everything else goes as for anybody (semantics 9.4, decision 20).

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use weir_service::read_secret;

use super::sign_in::SESSION;
use super::{App, Purpose};
use crate::clients::Issuer;
use crate::config::Config;
use crate::domain::model::NewToken;
use crate::domain::oidc::{self, Expected, Grant};
use crate::metrics;

/// Between the question and the answer somebody may look for their password.
const ASKED: TimeDelta = TimeDelta::minutes(15);

/// How people of an issuer come in.
pub struct Single {
    issuer: Issuer,
    issuer_url: String,
    client_id: String,
    groups_claim: String,
    grants: Vec<Grant>,
    redirect_uri: String,
    /// Makes tokens.
    administrator: String,
}

/// In a cookie, sealed, while somebody is at the issuer.
#[derive(Serialize, Deserialize)]
struct Asked {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    end: i64,
}

/// Where to go on, and what to keep.
pub struct Begun {
    pub url: String,
    pub cookie: String,
}

impl Single {
    /// None where no issuer is named.
    ///
    /// # Errors
    /// What is missing beside it.
    pub fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        let options = &config.oidc;
        if options.issuer.trim().is_empty() {
            return Ok(None);
        }
        if options.client_id.is_empty() || config.url.is_empty() {
            bail!("WEIR_OIDC_ISSUER takes WEIR_OIDC_CLIENT_ID and WEIR_CONSOLE_URL as well");
        }
        let issuer_url = options.issuer.trim();
        let is_near = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        if !issuer_url.starts_with("https://")
            && !is_near.iter().any(|near| issuer_url.starts_with(near))
        {
            bail!("WEIR_OIDC_ISSUER must begin with https:// (but on this very machine)");
        }
        let grants = oidc::grants(&options.roles);
        let grants = grants.map_err(|fault| anyhow::anyhow!("WEIR_OIDC_ROLES: {fault}"))?;
        if grants.is_empty() {
            bail!("WEIR_OIDC_ROLES is empty: nobody who signs in could do anything");
        }
        let (given, file) = (&options.client_secret, &options.client_secret_file);
        let secret = read_secret("WEIR_OIDC_CLIENT_SECRET", given.as_ref(), file.as_deref())?;
        let administrator = config.access.administrator()?;
        let administrator = administrator
            .context("WEIR_OIDC_ISSUER takes WEIR_ADMIN_TOKEN, by which people get tokens")?;
        Ok(Some(Self {
            issuer: Issuer::new(issuer_url, &options.client_id, &secret.unwrap_or_default()),
            issuer_url: issuer_url.to_owned(),
            client_id: options.client_id.clone(),
            groups_claim: options.groups_claim.clone(),
            grants,
            redirect_uri: format!("{}/sign-in/oidc/callback", config.url.trim_end_matches('/')),
            administrator,
        }))
    }
}

impl App {
    /// Sends somebody to the issuer.
    ///
    /// # Errors
    /// A sentence for them.
    pub async fn begin_single(&self, single: &Single, next: &str) -> Result<Begun, String> {
        let endpoint = single.issuer.authorization_endpoint().await;
        let endpoint = endpoint.map_err(|error| away(&error))?;
        let mut url = url::Url::parse(&endpoint).map_err(|error| away(&error))?;
        let seal = self.sign_in.sealing();
        let asked = Asked {
            state: seal.random(),
            nonce: seal.random(),
            verifier: seal.random(),
            next: next.to_owned(),
            end: (self.clock.now() + ASKED).timestamp(),
        };
        let challenge = ring::digest::digest(&ring::digest::SHA256, asked.verifier.as_bytes());
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("scope", "openid email profile")
            .append_pair("client_id", &single.client_id)
            .append_pair("redirect_uri", &single.redirect_uri)
            .append_pair("state", &asked.state)
            .append_pair("nonce", &asked.nonce)
            .append_pair(
                "code_challenge",
                &BASE64URL_NOPAD.encode(challenge.as_ref()),
            )
            .append_pair("code_challenge_method", "S256");
        let asked = serde_json::to_vec(&asked).expect("texts become JSON");
        Ok(Begun {
            url: url.into(),
            cookie: seal.seal(Purpose::Single, &asked),
        })
    }

    /// Takes whoever comes back from the issuer; answers the session, and where to go on.
    ///
    /// # Errors
    /// A sentence for them.
    pub async fn finish_single(
        &self,
        single: &Single,
        cookie: Option<&str>,
        state: &str,
        code: &str,
    ) -> Result<(String, String), String> {
        let done = self.taken(single, cookie, state, code).await;
        metrics::sign_in("oidc", if done.is_ok() { "done" } else { "refused" });
        done
    }

    async fn taken(
        &self,
        single: &Single,
        cookie: Option<&str>,
        state: &str,
        code: &str,
    ) -> Result<(String, String), String> {
        let again = || "That took too long, or began in another window: sign in again.".to_owned();
        let now = self.clock.now();
        let opened = cookie.and_then(|cookie| self.sign_in.sealing().open(Purpose::Single, cookie));
        let asked: Asked = opened
            .and_then(|asked| serde_json::from_slice(&asked).ok())
            .ok_or_else(again)?;
        if asked.state != state || asked.end <= now.timestamp() || code.is_empty() {
            return Err(again());
        }
        let claims = single
            .issuer
            .claims(code, &asked.verifier, &single.redirect_uri)
            .await
            .map_err(|error| away(&error))?;
        let expected = Expected {
            issuer: &single.issuer_url,
            client_id: &single.client_id,
            nonce: &asked.nonce,
            groups_claim: &single.groups_claim,
        };
        let person = oidc::person(&claims, &expected, now).map_err(|why| {
            tracing::warn!(why, "an id token is not taken");
            "The sign-in service answered something that is not meant for this console.".to_owned()
        })?;
        let granted = oidc::granted(&single.grants, &person.groups).ok_or_else(|| {
            "You are known, but none of your groups may use this console: ask its administrator."
                .to_owned()
        })?;
        let token = self.token_of(single, &person.name, granted, now).await?;
        Ok((self.sign_in.session_of(&token, now), asked.next))
    }

    /// One of their own, for the time of a session.
    async fn token_of(
        &self,
        single: &Single,
        name: &str,
        granted: oidc::Granted,
        now: DateTime<Utc>,
    ) -> Result<String, String> {
        let new = NewToken {
            name: name.to_owned(),
            role: granted.role.name().to_owned(),
            all_accounts: granted.accounts.is_none(),
            accounts: granted.accounts.unwrap_or_default(),
            end: Some(now + SESSION),
            wish: weir_ids::random().to_string(),
        };
        let calls = self.clients.of(&single.administrator);
        let made = calls.create_token(&new).await;
        made.map_err(|trouble| format!("You are known, but got no token. {}", trouble.says()))
    }
}

fn away(error: &dyn std::fmt::Display) -> String {
    tracing::warn!(%error, "the issuer can't be asked");
    "The sign-in service does not answer as it should. Try again in a moment.".to_owned()
}
