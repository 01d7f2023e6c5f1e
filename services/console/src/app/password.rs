//! The local administrator: a name, and the hash of a password (semantics 9.4).

use std::sync::{Arc, Mutex};

use anyhow::{Context, anyhow, bail};
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use chrono::{DateTime, Utc};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use weir_service::read_secret;

use crate::config::Config;
use crate::domain::Attempts;

/// What a hash may ask for is taken from the memory of all: 256 MiB.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// Longer than any that somebody types.
const MAX_PASSWORD: usize = 1_000;
/// A hash takes a whole core for a while: one at a time, and so many may wait for their turn.
const MAX_WAITING: usize = 8;

/// Signs in by name and password.
pub struct Password {
    name: String,
    hash: Arc<str>,
    /// As whom.
    token: String,
    attempts: Mutex<Attempts>,
    waiting: Semaphore,
    turn: Arc<Semaphore>,
}

/// Why somebody is not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordFailure {
    /// The name or the password.
    Wrong,
    /// It was wrong too often: again in so many seconds.
    Wait(i64),
    /// Nobody signs in like this here.
    NotHere,
}

impl Password {
    /// None where no hash is configured.
    ///
    /// # Errors
    /// It is none of argon2id, asks for too much, or what is needed beside it is missing.
    pub fn of(config: &Config) -> anyhow::Result<Option<Self>> {
        const VARIABLE: &str = "WEIR_CONSOLE_ADMIN_PASSWORD_HASH";
        let options = &config.password;
        let (given, file) = (options.hash.as_ref(), options.hash_file.as_deref());
        let Some(hash) = read_secret(VARIABLE, given, file)? else {
            return Ok(None);
        };
        let made = "make one with `./weir console password`";
        let parsed = PasswordHash::new(&hash)
            .map_err(|_| anyhow!("{VARIABLE} is no hash of a password: {made}"))?;
        if parsed.algorithm != argon2::ARGON2ID_IDENT || parsed.hash.is_none() {
            bail!("{VARIABLE} must be of argon2id: {made}");
        }
        let parameters = Params::try_from(&parsed);
        let parameters = parameters.map_err(|_| anyhow!("{VARIABLE} can't be read: {made}"))?;
        if parameters.m_cost() > MAX_MEMORY_KIB {
            bail!("{VARIABLE} asks for more than {MAX_MEMORY_KIB} KiB of memory: {made}");
        }
        let token = config.access.administrator()?;
        let token = token.with_context(|| {
            format!("{VARIABLE} takes WEIR_ADMIN_TOKEN, as which its administrator signs in")
        })?;
        Ok(Some(Self {
            name: options.name.trim().to_owned(),
            hash: hash.into(),
            token,
            attempts: Mutex::default(),
            waiting: Semaphore::new(MAX_WAITING),
            turn: Arc::new(Semaphore::new(1)),
        }))
    }

    /// By which sessions are known that another password began.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The administrator's token, for whoever knows name and password.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(
        &self,
        name: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<&str, PasswordFailure> {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(PasswordFailure::Wait(1));
        };
        {
            // It counts as wrong from the beginning: whoever tries many at once has no more of them
            // than whoever tries one after another.
            let mut attempts = self.attempts();
            attempts.may_try(now).map_err(PasswordFailure::Wait)?;
            attempts.was_wrong(now);
        }
        // Whatever the name is, it takes as long.
        let is_theirs = self.is_right(password).await;
        let is_named = bool::from(name.as_bytes().ct_eq(self.name.as_bytes()));
        if is_theirs && is_named {
            *self.attempts() = Attempts::default();
            return Ok(&self.token);
        }
        tracing::warn!("a wrong name or password of the local administrator");
        Err(PasswordFailure::Wrong)
    }

    async fn is_right(&self, password: &str) -> bool {
        if password.is_empty() || password.len() > MAX_PASSWORD {
            return false;
        }
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else {
            return false;
        };
        let (hash, password) = (Arc::clone(&self.hash), password.to_owned());
        let verified = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let hash = PasswordHash::new(&hash);
            hash.is_ok_and(|hash| {
                let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
                verified.is_ok()
            })
        });
        verified.await.unwrap_or(false)
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().expect("nobody panics in here")
    }
}
