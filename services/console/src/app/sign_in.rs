//! Who is signed in, and how somebody comes to be (semantics 9.4, decision 20).

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use weir_access::{Accounts, Refused, Role, Who};
use weir_ids::AccountId;
use weir_rpc::Access;

use super::password::{Password, PasswordFailure};
use super::{Purpose, Seal, Secret};
use crate::config::Config;
use crate::metrics;

/// Whoever signed in signs in anew after so long.
pub(super) const SESSION: TimeDelta = TimeDelta::hours(12);
/// A link that signs in is good for so long, and once.
const LINK: TimeDelta = TimeDelta::minutes(15);
/// So many links that were used are kept in mind until they would have ended anyway.
const MAX_USED: usize = 10_000;
/// Longer than any token.
const MAX_TOKEN: usize = 500;

/// Signs in, and knows who did.
pub struct SignIn {
    access: Access,
    seal: Seal,
    url: String,
    is_secure: bool,
    /// Where there is a local administrator.
    password: Option<Password>,
    /// Links that were used here, and when they end.
    used: Mutex<HashMap<String, DateTime<Utc>>>,
    /// As well sessions that somebody signed out of: copies of their cookies are good no longer.
    ended: Mutex<HashMap<String, DateTime<Utc>>>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct Me {
    /// Of the token.
    pub name: String,
    pub role: Role,
    /// Not some accounts alone.
    pub all_accounts: bool,
    accounts: Accounts,
    /// What calls show.
    pub token: String,
    /// What forms bring back.
    pub form_token: String,
}

impl Me {
    /// Whether pages of this account are any of theirs. The services say so of each call; a page
    /// that makes none, or shows what is missing, says it by this.
    pub fn may_see(&self, account: Uuid) -> bool {
        self.accounts.contain(AccountId(account))
    }

    pub fn may_write(&self) -> bool {
        self.role >= Role::Write
    }

    pub fn may_administrate(&self) -> bool {
        self.role >= Role::Admin
    }
}

/// In a cookie, sealed.
#[derive(Serialize, Deserialize)]
struct Session {
    token: String,
    /// Seconds since 1970.
    end: i64,
    /// What it follows from where it began by a password: it ends when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

/// In an address, sealed.
#[derive(Serialize, Deserialize)]
struct Link {
    token: String,
    end: i64,
}

/// Why a link signs nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFailure {
    /// It was not made here, or damaged.
    Unknown,
    /// It is past its end, or was used before.
    Used,
}

impl SignIn {
    /// # Errors
    /// What is said of the local administrator can't be used.
    pub fn new(access: Access, seal: Seal, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            password: Password::of(config)?,
            access,
            seal,
            url: config.url.clone(),
            is_secure: config.is_secure(),
            used: Mutex::default(),
            ended: Mutex::default(),
        })
    }

    /// Whether nobody is asked who they are.
    pub fn is_open(&self) -> bool {
        self.access.is_open()
    }

    /// Whether cookies are for https alone.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Where people reach the console; empty where nobody said.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// For the header that keeps a session, or ends it where `value` is empty.
    pub fn cookie(&self, value: &str) -> String {
        let age = if value.is_empty() {
            0
        } else {
            SESSION.num_seconds()
        };
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!(
            "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}",
            self.cookie_name()
        )
    }

    /// The name of the cookie: browsers take this one of an https page of this very host alone.
    pub fn cookie_name(&self) -> &'static str {
        match self.is_secure {
            true => "__Host-weir-session",
            false => "weir-session",
        }
    }

    /// Takes a token; answers what the cookie holds.
    ///
    /// # Errors
    /// Why a call with it would be refused; one of a service is none of a person.
    pub fn with_token(&self, token: &str, now: DateTime<Utc>) -> Result<String, Refused> {
        let checked = self.check(token);
        metrics::sign_in("token", if checked.is_ok() { "done" } else { "refused" });
        checked?;
        Ok(self.session(token, now))
    }

    /// Whether there is a local administrator, who signs in by a password.
    pub fn takes_passwords(&self) -> bool {
        self.password.is_some()
    }

    /// Takes a name and a password; answers what the cookie holds.
    ///
    /// # Errors
    /// Why nobody is signed in.
    pub async fn with_password(
        &self,
        name: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<String, PasswordFailure> {
        let Some(local) = &self.password else {
            return Err(PasswordFailure::NotHere);
        };
        let checked = local.check(name, password, now).await;
        let said = if checked.is_ok() { "done" } else { "refused" };
        metrics::sign_in("password", said);
        let session = Session {
            token: checked?.to_owned(),
            end: (now + SESSION).timestamp(),
            by: self.mark(self.seal.first()),
        };
        Ok(self.sealed(Purpose::Session, &session))
    }

    /// Of the present password.
    fn mark(&self, secret: &Secret) -> Option<String> {
        let local = self.password.as_ref()?;
        Some(secret.derive("password", &[local.hash()]))
    }

    /// A link for whoever shows this token, without the host.
    ///
    /// # Errors
    /// As of [`Self::with_token`].
    pub fn link(&self, token: &str, now: DateTime<Utc>) -> Result<String, Refused> {
        self.check(token)?;
        let link = Link {
            token: token.to_owned(),
            end: (now + LINK).timestamp(),
        };
        Ok(format!("/sign-in/{}", self.sealed(Purpose::Link, &link)))
    }

    /// Uses a link up; answers what the cookie holds.
    ///
    /// # Errors
    /// It is not good, or not any more.
    pub fn with_link(&self, link: &str, now: DateTime<Utc>) -> Result<String, LinkFailure> {
        let done = self.use_up(link, now);
        metrics::sign_in("link", if done.is_ok() { "done" } else { "refused" });
        done
    }

    fn use_up(&self, sealed: &str, now: DateTime<Utc>) -> Result<String, LinkFailure> {
        let link: Link = self
            .opened(Purpose::Link, sealed)
            .ok_or(LinkFailure::Unknown)?;
        if link.end <= now.timestamp() || self.check(&link.token).is_err() {
            return Err(LinkFailure::Used);
        }
        let mut used = self.used.lock().expect("nobody panics in here");
        used.retain(|_, end| *end > now);
        if used.len() >= MAX_USED || used.contains_key(sealed) {
            return Err(LinkFailure::Used);
        }
        used.insert(sealed.to_owned(), now + LINK);
        Ok(self.session(&link.token, now))
    }

    /// Signs somebody out, here: other replicas, and this one once it is started anew, take copies of
    /// the cookie until its own end.
    pub fn sign_out(&self, me: &Me, now: DateTime<Utc>) {
        let mut ended = self.ended.lock().expect("nobody panics in here");
        ended.retain(|_, end| *end > now);
        if ended.len() < MAX_USED {
            ended.insert(me.form_token.clone(), now + SESSION);
        }
    }

    fn is_signed_out(&self, form_token: &str) -> bool {
        let ended = self.ended.lock().expect("nobody panics in here");
        ended.contains_key(form_token)
    }

    /// Who the cookie says, if they may still be here.
    pub fn who(&self, cookie: Option<&str>, now: DateTime<Utc>) -> Option<Me> {
        if self.is_open() {
            return Some(Me {
                name: "anybody".to_owned(),
                role: Role::Admin,
                all_accounts: true,
                accounts: Accounts::All,
                // No service takes it for one of ours.
                token: "anybody".to_owned(),
                form_token: self.seal.first().derive("form", &["anybody"]),
            });
        }
        let cookie = cookie?;
        let (session, secret) = self.seal.open_by(Purpose::Session, cookie)?;
        let session: Session = serde_json::from_slice(&session).ok()?;
        let is_past = session.end <= now.timestamp();
        if is_past || session.by.is_some() && session.by != self.mark(secret) {
            return None;
        }
        let form_token = secret.derive("form", &[cookie]);
        if self.is_signed_out(&form_token) {
            return None;
        }
        let (name, role, accounts) = match self.check(&session.token) {
            Ok(caller) => (named(&caller.who), caller.role, caller.accounts),
            // Nobody can say now: the services ask as well, and a page says what is away.
            Err(Refused::Unsure) => (String::new(), Role::Read, Accounts::All),
            Err(_) => return None,
        };
        Some(Me {
            name,
            role,
            all_accounts: accounts == Accounts::All,
            accounts,
            form_token,
            token: session.token,
        })
    }

    /// A key of a source, which the same wish makes again: so it is shown again where an answer
    /// was lost, and pressing twice makes one.
    pub fn source_key(&self, account: &str, wish: &str) -> String {
        format!("pau-{}", self.seal.first().derive("key", &[account, wish]))
    }

    fn check(&self, token: &str) -> Result<weir_access::Caller, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::Unknown);
        }
        let caller = self.access.who_shows(token)?;
        match caller.who {
            Who::Service => Err(Refused::Unknown),
            _ => Ok(caller),
        }
    }

    /// For other ways in.
    pub(super) fn sealing(&self) -> &Seal {
        &self.seal
    }

    /// What the cookie holds of whoever has this token, which was made this very moment.
    pub(super) fn session_of(&self, token: &str, now: DateTime<Utc>) -> String {
        self.session(token, now)
    }

    fn session(&self, token: &str, now: DateTime<Utc>) -> String {
        let session = Session {
            token: token.to_owned(),
            end: (now + SESSION).timestamp(),
            by: None,
        };
        self.sealed(Purpose::Session, &session)
    }

    fn sealed(&self, purpose: Purpose, value: &impl Serialize) -> String {
        let text = serde_json::to_vec(value).expect("texts and numbers become JSON");
        self.seal.seal(purpose, &text)
    }

    fn opened<T: for<'a> Deserialize<'a>>(&self, purpose: Purpose, sealed: &str) -> Option<T> {
        serde_json::from_slice(&self.seal.open(purpose, sealed)?).ok()
    }
}

fn named(who: &Who) -> String {
    match who {
        Who::Token { name, .. } | Who::Person { name } => name.to_string(),
        Who::Service | Who::Anybody => String::new(),
    }
}
