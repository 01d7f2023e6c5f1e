//! The tokens that are good, kept right in every process (semantics 9.2): mapping is asked each
//! second whether its list is another one, and told once a minute when tokens were used.
//!
//! **Invariant:** a list is as old as the moment before it was asked for. Where mapping is away,
//! nothing here makes it younger: it ends by itself.

use std::collections::HashMap;
use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use weir_access::{Accounts, HashKey, LiveToken, LiveTokens, Role, STANDS, Use};
use weir_proto::access::v1 as wire;
use weir_proto::access::v1::token_service_client::TokenServiceClient;
use weir_rpc::wire::{read_id, read_time, timestamp};
use weir_rpc::{Access, Channel, Deadline, MAX_MESSAGE, NotAnAddress, Peer};

use crate::{Background, Clock, Pulse};

/// Between two questions: how long a token that was revoked is still good, at most.
const EACH: Duration = Duration::from_secs(1);
/// Between two notes of uses.
const MINUTE: Duration = Duration::from_secs(60);
/// A question, or a note, takes no longer.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two beats: a question, a note and a pause.
const WITHIN: Duration = Duration::from_secs(20);

const FAILURES: &str = "token_list_failures_total";

/// What a source says of the list that one has.
pub enum Current {
    Unchanged,
    Changed {
        version: i64,
        key: HashKey,
        tokens: Vec<LiveToken>,
    },
}

/// Where the list comes from: mapping, or the tables of mapping itself.
pub trait TokenSource: Send + 'static {
    /// Whether `known` is still its version; None where nobody can say.
    fn current(&mut self, known: i64) -> impl Future<Output = Option<Current>> + Send;

    /// Notes when tokens were used; whether that was done.
    fn note(&mut self, uses: Vec<Use>) -> impl Future<Output = bool> + Send;
}

/// Keeps those right that `access` asks for, in the background.
pub fn know_tokens(
    background: &Background,
    access: &Access,
    source: impl TokenSource,
    clock: &Clock,
) {
    let (live, clock) = (access.live_tokens(), clock.clone());
    background.spawn("tokens", WITHIN, |pulse| follow(live, source, clock, pulse));
}

/// Keeps a list right, for ever.
async fn follow(live: LiveTokens, mut source: impl TokenSource, clock: Clock, pulse: Pulse) {
    metrics::describe_counter!(
        FAILURES,
        "Times that nobody could say which tokens are good."
    );
    let (mut known, mut noted) = (0, Instant::now());
    let (mut uses, mut said) = (HashMap::new(), Said::default());
    loop {
        pulse.beat();
        let asked = clock.now();
        let answered = timeout(ANSWER, source.current(known)).await;
        match answered.ok().flatten() {
            Some(Current::Unchanged) => {
                live.still_right(asked);
                said.right();
            }
            Some(Current::Changed {
                version,
                key,
                tokens,
            }) => match live.replace(key, tokens, asked) {
                Ok(()) => {
                    known = version;
                    said.right();
                }
                Err(error) => said.wrong(&error.to_string()),
            },
            None => said.wrong("mapping does not say which tokens are good"),
        }
        if noted.elapsed() >= MINUTE {
            noted = Instant::now();
            // Later ones replace those that could not be told.
            uses.extend(live.take_uses().into_iter().map(|used| (used.token, used)));
            let told: Vec<Use> = uses.values().copied().collect();
            if told.is_empty() || timeout(ANSWER, source.note(told)).await == Ok(true) {
                uses.clear();
            }
        }
        tokio::time::sleep(EACH).await;
    }
}

/// What the log says of the list: once that it can't be kept right, not each second.
#[derive(Default)]
struct Said {
    is_wrong: bool,
}

impl Said {
    fn wrong(&mut self, why: &str) {
        metrics::counter!(FAILURES).increment(1);
        if self.is_news(true) {
            let seconds = STANDS.num_seconds();
            tracing::warn!(why, seconds, "the list of tokens stands so long as it was");
        }
    }

    fn right(&mut self) {
        if self.is_news(false) {
            tracing::info!("the list of tokens is right again");
        }
    }

    fn is_news(&mut self, is_wrong: bool) -> bool {
        mem::replace(&mut self.is_wrong, is_wrong) != is_wrong
    }
}

/// Mapping, asked by the other services.
pub struct MappingTokens(TokenServiceClient<Channel>);

impl MappingTokens {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where the URL is not one.
    pub fn connect(mapping_url: &str) -> Result<Self, NotAnAddress> {
        let client = TokenServiceClient::new(Peer::MAPPING.connect(mapping_url)?);
        Ok(Self(client.max_decoding_message_size(MAX_MESSAGE)))
    }
}

impl TokenSource for MappingTokens {
    async fn current(&mut self, known: i64) -> Option<Current> {
        let request = wire::ListLiveTokensRequest {
            known_version: known,
        };
        let request = Deadline::after(ANSWER).request(request).ok()?;
        let answer = self.0.list_live_tokens(request).await.ok()?.into_inner();
        if answer.unchanged {
            return Some(Current::Unchanged);
        }
        // One that can't be read is none that is good; the others are.
        let tokens = answer.tokens.into_iter().filter_map(read);
        Some(Current::Changed {
            version: answer.version,
            key: HashKey::of([answer.hash_key].iter().chain(&answer.older_hash_keys)),
            tokens: tokens.collect(),
        })
    }

    async fn note(&mut self, uses: Vec<Use>) -> bool {
        let uses = uses.into_iter().map(|used| {
            let rehashed = used.rehashed;
            let bytes = rehashed.map(|rehashed| (rehashed.hash.to_vec(), rehashed.key.to_vec()));
            let (hash, key) = bytes.unwrap_or_default();
            wire::TokenUse {
                token_id: used.token.to_string(),
                use_time: Some(timestamp(used.time)),
                hash: hash.into(),
                hash_key_name: key.into(),
            }
        });
        let request = wire::NoteTokenUsesRequest {
            uses: uses.collect(),
        };
        let Ok(request) = Deadline::after(ANSWER).request(request) else {
            return false;
        };
        self.0.note_token_uses(request).await.is_ok()
    }
}

fn read(token: wire::LiveToken) -> Option<LiveToken> {
    let role = match token.role() {
        wire::Role::Read => Role::Read,
        wire::Role::Write => Role::Write,
        wire::Role::Admin => Role::Admin,
        wire::Role::Unspecified | wire::Role::Service => return None,
    };
    let accounts = match token.all_accounts {
        true => Accounts::All,
        false => {
            let ids = token.account_ids.iter().map(read_id);
            Accounts::only(ids.collect::<Option<Vec<_>>>()?)
        }
    };
    let expire_time = match token.expire_time {
        None => None,
        Some(end) => Some(read_time(end)?),
    };
    Some(LiveToken {
        hash: token.hash.as_ref().try_into().ok()?,
        id: read_id(&token.token_id)?,
        name: Arc::from(token.name),
        role,
        accounts,
        expire_time,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicI64, Ordering};

    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    /// A source whose list has a version, and one token from version 2 on; 0: it is away.
    #[derive(Clone, Default)]
    struct Source {
        version: Arc<AtomicI64>,
        noted: Arc<Mutex<Vec<Uuid>>>,
    }

    fn token(key: &HashKey) -> LiveToken {
        LiveToken {
            hash: key.hash(&weir_access::token([1; 32])),
            id: Uuid::max(),
            name: "a team".into(),
            role: Role::Read,
            accounts: Accounts::All,
            expire_time: None,
        }
    }

    impl TokenSource for Source {
        async fn current(&mut self, known: i64) -> Option<Current> {
            let key = HashKey::new(b"key");
            match self.version.load(Ordering::SeqCst) {
                0 => None,
                version if version == known => Some(Current::Unchanged),
                version => Some(Current::Changed {
                    version,
                    tokens: (version == 2).then(|| token(&key)).into_iter().collect(),
                    key,
                }),
            }
        }

        async fn note(&mut self, uses: Vec<Use>) -> bool {
            self.noted
                .lock()
                .unwrap()
                .extend(uses.iter().map(|one| one.token));
            true
        }
    }

    #[test]
    fn that_a_list_can_not_be_kept_right_is_said_once_until_it_is_right_again() {
        let mut said = Said::default();
        let all = [false, true, true, false, false, true];
        let news = all.map(|is_wrong| said.is_news(is_wrong));
        assert_eq!(news, [false, true, false, true, false, true]);
    }

    // Semantics 9.2.
    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_while_it_is_listed_and_for_a_minute_without_mapping() {
        let (live, source) = (LiveTokens::new(), Source::default());
        let (began, start) = (Instant::now(), Clock::system().now());
        let clock = Clock::of(move || start + TimeDelta::from_std(began.elapsed()).unwrap());
        let pulse = Pulse::default();
        tokio::spawn(follow(live.clone(), source.clone(), clock.clone(), pulse));
        let text = weir_access::token([1; 32]);
        let found = || live.find(&text, clock.now()).is_ok();
        let wait = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        wait(2).await;
        assert!(!found(), "nobody said that it is good");
        source.version.store(2, Ordering::SeqCst);
        wait(2).await;
        assert!(found());
        wait(100).await;
        assert!(found(), "it is still listed");
        source.version.store(0, Ordering::SeqCst);
        wait(57).await;
        assert!(found(), "mapping is away for less than a minute");
        wait(5).await;
        assert!(!found(), "and now for longer");
        source.version.store(2, Ordering::SeqCst);
        wait(2).await;
        assert!(found());
        source.version.store(3, Ordering::SeqCst);
        wait(2).await;
        assert!(!found(), "it was revoked");
        wait(60).await;
        assert!(source.noted.lock().unwrap().contains(&Uuid::max()));
    }
}
