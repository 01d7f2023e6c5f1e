//! API keys.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::sources::missing;
use super::{App, Change, Error};
use crate::domain::Listed;
use crate::domain::invalid::Invalid;
use crate::domain::key::{ApiKey, FoundKey, Key, KeyHash, MAX_VALID_KEYS, is_as_asked};
use crate::domain::record::{Change as Changed, Thing, shown_key};
use crate::store;

/// Revoked keys stay listed: nobody has as many.
const MOST_LISTED: i64 = 10_000;

/// What is asked of a rotation.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Which key ends; all that are valid where none is named.
    pub key_id: Option<Uuid>,
    pub overlap: TimeDelta,
    pub region: String,
    /// By which the same call is known again.
    pub request_id: Option<Uuid>,
}

/// What came of it.
#[derive(Debug)]
pub struct Rotated {
    pub key: Key,
    /// Empty where the same call made it before.
    pub secret: String,
    pub expiring: Vec<Key>,
}

/// What was made under the same request: the key that was given, where one was, and else one like
/// that which would be made now.
async fn known_again(
    client: &mut store::Connection,
    key: Key,
    (asked, hashes, is_given): (&ApiKey, &[KeyHash], bool),
    end: Option<DateTime<Utc>>,
) -> Result<(Key, String, Change), Error> {
    if !is_as_asked(&key, (!is_given).then_some(asked), end) {
        return Err(super::request_taken());
    }
    if is_given {
        let found = store::find_key(client, hashes).await?;
        if found.is_none_or(|found| found.key.key_id != key.key_id) {
            return Err(super::request_taken());
        }
    }
    Ok((key, String::new(), Change::Unchanged))
}

/// Rotations are known apart from keys that were made: what is asked of one is not what was asked
/// of the other.
fn of_rotation(request_id: Uuid) -> Uuid {
    Uuid::from_u128(request_id.as_u128() ^ u128::from_be_bytes(*b"weir: a rotation"))
}

impl App {
    /// Whose key it is.
    pub async fn authenticate(&self, key: &str) -> Result<FoundKey, Error> {
        let key = ApiKey::given(key).map_err(|_| Error::UnknownKey)?;
        let hashes = self.secret.hashes(&key);
        let mut client = self.client().await?;
        let found = store::find_key(&mut client, &hashes)
            .await?
            .filter(|found| found.key.revoke_time.is_none())
            .ok_or(Error::UnknownKey)?;
        let now = self.now();
        if found.key.is_past(now) {
            return Err(Error::ExpiredKey);
        }
        self.uses.note(&found, &hashes[0], now);
        Ok(found)
    }

    /// Adds a key that was given, or one of 256 random bits, which is answered. It ends where an
    /// end is said, also one that was there.
    pub async fn create_key(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        given: &str,
        region: &str,
        expire_time: Option<DateTime<Utc>>,
        request_id: Option<Uuid>,
    ) -> Result<(Key, String, Change), Error> {
        if expire_time.is_some_and(|end| end <= self.now()) {
            return Err(Invalid::new("expire_time", "must lie ahead").into());
        }
        let api_key = if given.is_empty() {
            ApiKey::generated(region, random()?)?
        } else {
            ApiKey::given(given)?
        };
        let hashes = self.secret.hashes(&api_key);
        let key = self.new_key(&api_key, expire_time);
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        // Of two calls of one request the second finds what the first made.
        store::lock_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        let source = store::get_source(&transaction, account_id, source_id).await?;
        source.ok_or(Error::NotFound("source"))?;
        if let Some(request_id) = request_id {
            let made = store::key_of_request(&transaction, account_id, source_id, request_id);
            if let Some(key) = made.await? {
                drop(transaction);
                let asked = (&api_key, &hashes[..], !given.is_empty());
                return known_again(&mut client, key, asked, expire_time).await;
            }
        }
        let owner = (account_id, source_id);
        let inserted = store::insert_key(&transaction, owner, &hashes, &key, request_id);
        if inserted.await? {
            self.record_key(&transaction, account_id, source_id, (None, &key))
                .await?;
            store::commit(transaction).await?;
            let secret = if given.is_empty() {
                api_key.reveal()
            } else {
                String::new()
            };
            return Ok((key, secret, Change::Created));
        }
        drop(transaction);
        let mut found = store::find_key(&mut client, &hashes)
            .await?
            .ok_or(Error::Store(weir_postgres::Failure::Conflict))?;
        if (found.account_id, found.source_id) != owner {
            return Err(Error::AlreadyExists(
                Reason::KeyTaken,
                "the key is in use elsewhere".to_owned(),
            ));
        }
        if found.key.revoke_time.is_some() {
            return Err(Error::Precondition(
                Reason::KeyRevoked,
                "the key was revoked, and stays so: choose another one".to_owned(),
            ));
        }
        if expire_time.is_some() && found.key.expire_time != expire_time {
            let transaction = store::begin(&mut client, account_id);
            store::set_key_end(&transaction, account_id, found.key.key_id, expire_time).await?;
            let before = found.key.clone();
            found.key.expire_time = expire_time;
            let keys = (Some(&before), &found.key);
            self.record_key(&transaction, account_id, source_id, keys)
                .await?;
            store::commit(transaction).await?;
            return Ok((found.key, String::new(), Change::Updated));
        }
        Ok((found.key, String::new(), Change::Unchanged))
    }

    /// The source's key of this text, revoked or not; none where nobody has it.
    pub async fn find_key(
        &self,
        owner: Option<(AccountId, SourceId)>,
        given: &str,
    ) -> Result<Option<Key>, Error> {
        let hashes = self.secret.hashes(&ApiKey::given(given)?);
        let mut client = self.client().await?;
        match store::find_key(&mut client, &hashes).await? {
            Some(found) if Some((found.account_id, found.source_id)) != owner => Err(
                Error::AlreadyExists(Reason::KeyTaken, "the key is in use elsewhere".to_owned()),
            ),
            found => Ok(found.map(|found| found.key)),
        }
    }

    /// Makes a new key, and ends those before after the overlap (semantics 9.2 asks the same of
    /// tokens). The call is known again by its id: then it changes nothing, and the key comes
    /// without its secret.
    pub async fn rotate_key(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        rotation: &Rotation,
    ) -> Result<Rotated, Error> {
        let now = self.now();
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        store::lock_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        let source = store::get_source(&transaction, account_id, source_id).await?;
        source.ok_or(Error::NotFound("source"))?;
        let listed =
            store::list_keys(&transaction, account_id, source_id, None, MOST_LISTED).await?;
        let mut before: Vec<Key> = listed.into_iter().filter_map(|(_, key)| key).collect();
        before.retain(|key| key.is_valid(now));
        let request_id = rotation.request_id.map(of_rotation);
        if let Some(request_id) = request_id {
            let made = store::key_of_request(&transaction, account_id, source_id, request_id);
            if let Some(key) = made.await? {
                before.retain(|other| other.key_id != key.key_id && other.expire_time.is_some());
                return Ok(Rotated {
                    key,
                    secret: String::new(),
                    expiring: before,
                });
            }
        }
        if before.len() >= MAX_VALID_KEYS {
            let message = format!("the source has {MAX_VALID_KEYS} keys that are valid");
            return Err(Error::Exhausted(Reason::KeyLimit, message));
        }
        if let Some(key_id) = rotation.key_id {
            before.retain(|key| key.key_id == key_id);
            if before.is_empty() {
                return Err(Error::NotFound("key"));
            }
        }
        let api_key = ApiKey::generated(&rotation.region, random()?)?;
        let key = self.new_key(&api_key, None);
        let (owner, hashes) = ((account_id, source_id), self.secret.hashes(&api_key));
        store::insert_key(&transaction, owner, &hashes, &key, request_id).await?;
        self.record_key(&transaction, account_id, source_id, (None, &key))
            .await?;
        for old in &mut before {
            let was = old.clone();
            old.end(now + rotation.overlap);
            if was.expire_time == old.expire_time {
                continue;
            }
            store::set_key_end(&transaction, account_id, old.key_id, old.expire_time).await?;
            self.record_key(&transaction, account_id, source_id, (Some(&was), old))
                .await?;
        }
        store::commit(transaction).await?;
        Ok(Rotated {
            key,
            secret: api_key.reveal(),
            expiring: before,
        })
    }

    fn new_key(&self, key: &ApiKey, expire_time: Option<DateTime<Utc>>) -> Key {
        Key {
            key_id: weir_ids::fresh(),
            hint: key.hint(),
            create_time: self.now(),
            revoke_time: None,
            expire_time,
            last_use_time: None,
        }
    }

    pub async fn list_keys(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Key>>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        Ok(store::list_keys(&client, account_id, source_id, after, limit).await?)
    }

    pub async fn revoke_key(&self, account_id: AccountId, key_id: Uuid) -> Result<(), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let locked = store::lock_key(&transaction, account_id, key_id).await?;
        let Some((source_id, before)) = locked else {
            return Err(missing(&transaction, account_id, "key").await?);
        };
        if before.revoke_time.is_some() {
            return Ok(());
        }
        let now = self.now();
        store::revoke_key(&transaction, account_id, key_id, now).await?;
        let key = Key {
            revoke_time: Some(now),
            ..before.clone()
        };
        self.record_key(&transaction, account_id, source_id, (Some(&before), &key))
            .await?;
        Ok(store::commit(transaction).await?)
    }

    async fn record_key(
        &self,
        transaction: &impl store::Client,
        account_id: AccountId,
        source_id: SourceId,
        (was, is): (Option<&Key>, &Key),
    ) -> Result<(), Error> {
        let was = was.map(shown_key).unwrap_or_default();
        let changed = Changed::between(Thing::Key, is.key_id, &was, &shown_key(is));
        let changed = changed.within("source_id", source_id.to_string());
        self.record(transaction, account_id, &changed).await
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes keys")]
pub(super) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::from(Invalid::new("key", "no random numbers now: give a key")))?;
    Ok(bytes)
}
