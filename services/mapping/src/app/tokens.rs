//! Tokens of internal teams (semantics 9.2).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;
use uuid::Uuid;
use weir_access::{Accounts, Caller, HashKey, LiveToken, MAX_TOKENS, Use};
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool, Tx};
use weir_reasons::Reason;
use weir_service::{Clock, Current, TokenSource};

use super::keys::random;
use super::{App, Error};
use crate::domain::Listed;
use crate::domain::access::{Person, Token, Wish, Within};
use crate::domain::invalid::Invalid;
use crate::domain::record::{Change, NO_ACCOUNT, Thing, shown_token};
use crate::metrics;
use crate::store;

/// One more than there can be: then something is wrong, and is seen.
const MOST: i64 = MAX_TOKENS as i64 + 1;

/// Changes that are on their way to PostgreSQL at once.
const AT_ONCE: usize = 500;

/// The tokens that are good, and under which version that is so.
pub struct Listing {
    pub version: i64,
    pub tokens: Vec<LiveToken>,
}

impl App {
    /// Makes a token; its text is answered once, and empty where the same request made it before.
    pub async fn create_token(
        &self,
        caller: &Caller,
        wish: &Wish,
        request_id: Option<Uuid>,
    ) -> Result<(Token, String), Error> {
        if !wish.is_within(caller) {
            let message = "nobody makes a token that may more than they may themselves";
            return Err(Error::Forbidden(
                Reason::TokenBeyondCaller,
                message.to_owned(),
            ));
        }
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, NO_ACCOUNT);
        store::change_tokens(&transaction).await?;
        if let Some(request_id) = request_id
            && let Some(made) = store::token_of_request(&transaction, request_id).await?
        {
            if wish.is(&made) {
                return Ok((made, String::new()));
            }
            let message = "another token was asked for under this request_id".to_owned();
            return Err(Error::AlreadyExists(Reason::RequestIdTaken, message));
        }
        if let Accounts::Only(some) = &wish.accounts {
            for (index, account_id) in some.iter().enumerate() {
                check_account(&transaction, index, *account_id).await?;
            }
        }
        if store::count_tokens(&transaction, now).await? >= MAX_TOKENS {
            let message = format!("there are {MAX_TOKENS} tokens that are good");
            return Err(Error::Exhausted(Reason::TokenLimit, message));
        }
        let text = weir_access::token(random()?);
        let hash = self.secret.token_key().hash(&text);
        let token = wish
            .clone()
            .granted(weir_ids::fresh(), &text, now, self.author.name());
        store::insert_token(&transaction, &token, &hash, request_id).await?;
        let change = Change::made(Thing::Token, token.token_id, &shown_token(&token));
        self.record_of_tokens(&transaction, &[(&token, change)])
            .await?;
        store::commit(transaction).await?;
        Ok((token, text))
    }

    /// Each in each account that its token is good for, or among what belongs to none.
    async fn record_of_tokens(
        &self,
        transaction: &Tx<'_>,
        changes: &[(&Token, Change)],
    ) -> Result<(), Error> {
        let mut by_account: BTreeMap<AccountId, Vec<&Change>> = BTreeMap::new();
        for (token, change) in changes {
            let of = match &token.accounts {
                Accounts::All => &[NO_ACCOUNT][..],
                Accounts::Only(some) => some,
            };
            for account_id in of {
                by_account.entry(*account_id).or_default().push(change);
            }
        }
        for (account_id, changes) in by_account {
            transaction
                .turn_to(account_id)
                .await
                .map_err(Failure::from)?;
            // One way to PostgreSQL and back for many.
            for some in changes.chunks(AT_ONCE) {
                let recorded = some.iter();
                let recorded = recorded.map(|change| self.record(transaction, account_id, change));
                try_join_all(recorded).await?;
            }
        }
        Ok(())
    }

    /// Oldest first, after `after`.
    pub async fn list_tokens(
        &self,
        accounts: &Within,
        only_good: bool,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Token>>, Error> {
        let client = self.client().await?;
        let good_at = only_good.then(|| self.now());
        Ok(store::list_tokens(&client, accounts, good_at, after, limit).await?)
    }

    /// By name, behind `after`; of one name alone where one is said.
    pub async fn list_people(
        &self,
        accounts: &Within,
        (name, after): (Option<&str>, &str),
        limit: i64,
    ) -> Result<Vec<Listed<String, Person>>, Error> {
        let client = self.client().await?;
        Ok(store::list_people(&client, accounts, self.now(), (name, after), limit).await?)
    }

    /// Ends a token; one that ended so before stays as it is.
    pub async fn revoke_token(&self, accounts: &Within, token_id: Uuid) -> Result<Token, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, NO_ACCOUNT);
        store::change_tokens(&transaction).await?;
        let found = store::get_token(&transaction, accounts, token_id).await?;
        let before = found.ok_or(Error::NotFound("token"))?;
        if before.revoke_time.is_some() {
            return Ok(before);
        }
        let now = self.now();
        let by = self.author.name();
        let token = before.revoked(now, by);
        store::revoke_tokens(&transaction, &[token_id], now, by).await?;
        self.record_of_tokens(&transaction, &[(&token, end_of(&before, &token))])
            .await?;
        store::commit(transaction).await?;
        Ok(token)
    }

    /// Ends those of one name that are good; answers how many. Whoever makes one waits for the
    /// lock that this has, so that theirs is ended, or made behind it.
    pub async fn revoke_tokens_by_name(
        &self,
        accounts: &Within,
        name: &str,
    ) -> Result<usize, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, NO_ACCOUNT);
        store::change_tokens(&transaction).await?;
        let (now, by) = (self.now(), self.author.name());
        let good = store::good_tokens_by_name(&transaction, accounts, name, now).await?;
        if good.is_empty() {
            return Ok(0);
        }
        let ids: Vec<_> = good.iter().map(|token| token.token_id).collect();
        store::revoke_tokens(&transaction, &ids, now, by).await?;
        let ends = good.iter();
        let ends = ends.map(|token| (token, end_of(token, &token.revoked(now, by))));
        let ends: Vec<_> = ends.collect();
        self.record_of_tokens(&transaction, &ends).await?;
        store::commit(transaction).await?;
        Ok(ends.len())
    }

    /// The tokens that are good, unless `known` is still their version.
    pub async fn live_tokens(&self, known: i64) -> Result<Option<Listing>, Error> {
        Ok(listing(&self.pool, known, self.now()).await?)
    }

    /// With what tokens are hashed; what the older ones behind the first hashed is found.
    pub fn token_keys(&self) -> Vec<Vec<u8>> {
        let secrets = self.secret.token_secrets();
        secrets.iter().map(|secret| secret.to_vec()).collect()
    }

    pub async fn note_token_uses(&self, uses: &[Use]) -> Result<(), Error> {
        Ok(note(&self.pool, &self.secret.token_key(), uses).await?)
    }
}

fn end_of(before: &Token, after: &Token) -> Change {
    let (old, new) = (shown_token(before), shown_token(after));
    Change::between(Thing::Token, after.token_id, &old, &new)
}

/// What an older key hashed is kept under the hash of the first one from now on, which everybody
/// is told: the list is another one.
async fn note(pool: &Pool, key: &HashKey, uses: &[Use]) -> Result<(), Failure> {
    let mut client = store::connection(pool).await?;
    let times: Vec<_> = uses.iter().map(|used| (used.token, used.time)).collect();
    store::note_token_uses(&client, &times).await?;
    let name = key.name();
    let rehashed = uses.iter().filter_map(|used| {
        let rehashed = used.rehashed.filter(|rehashed| rehashed.key == name)?;
        Some((used.token, rehashed.hash))
    });
    let rehashed: Vec<_> = rehashed.collect();
    if rehashed.is_empty() {
        return Ok(());
    }
    let transaction = store::begin(&mut client, NO_ACCOUNT);
    store::change_tokens(&transaction).await?;
    let changed = store::rehash_tokens(&transaction, &rehashed).await?;
    store::commit(transaction).await?;
    metrics::rehashed("token").increment(changed);
    Ok(())
}

/// Has everybody ask for the list anew: with what it is hashed may be another key from now on.
pub async fn renew_list(pool: &Pool) -> Result<(), Failure> {
    let mut client = store::connection(pool).await?;
    let transaction = store::begin(&mut client, NO_ACCOUNT);
    store::change_tokens(&transaction).await?;
    store::commit(transaction).await
}

async fn check_account(
    transaction: &Tx<'_>,
    index: usize,
    account_id: AccountId,
) -> Result<(), Error> {
    transaction
        .turn_to(account_id)
        .await
        .map_err(Failure::from)?;
    if store::read_version(transaction, account_id)
        .await?
        .is_some()
    {
        return Ok(());
    }
    let field = format!("account_ids[{index}]");
    Err(Invalid::new(field, "is no account").into())
}

/// The version is read first: what changes behind it is seen by the next question.
async fn listing(pool: &Pool, known: i64, now: DateTime<Utc>) -> Result<Option<Listing>, Failure> {
    let client = store::connection(pool).await?;
    let version = store::version_of_tokens(&client).await?;
    if version == known {
        return Ok(None);
    }
    let tokens = store::live_tokens(&client, now, MOST).await?;
    Ok(Some(Listing { version, tokens }))
}

/// This service's own list, which it has without a call.
pub struct OwnTokens {
    pub pool: Pool,
    pub key: HashKey,
    pub clock: Clock,
}

impl TokenSource for OwnTokens {
    async fn current(&mut self, known: i64) -> Option<Current> {
        let found = listing(&self.pool, known, self.clock.now()).await.ok()?;
        Some(
            found.map_or(Current::Unchanged, |listing| Current::Changed {
                version: listing.version,
                key: self.key.clone(),
                tokens: listing.tokens,
            }),
        )
    }

    async fn note(&mut self, uses: Vec<Use>) -> bool {
        note(&self.pool, &self.key, &uses).await.is_ok()
    }
}
