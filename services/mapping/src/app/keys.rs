//! API keys.

use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::sources::missing;
use super::{App, Change, Error};
use crate::domain::Listed;
use crate::domain::invalid::Invalid;
use crate::domain::key::{ApiKey, FoundKey, Key};
use crate::store;

impl App {
    /// Whose key it is.
    pub async fn authenticate(&self, key: &str) -> Result<FoundKey, Error> {
        let key = ApiKey::given(key).map_err(|_| Error::UnknownKey)?;
        let hash = self.secret.hash(&key);
        let client = self.client().await?;
        store::find_key(&client, &hash)
            .await?
            .filter(|found| found.key.revoke_time.is_none())
            .ok_or(Error::UnknownKey)
    }

    /// Adds a key that was given, or one of 256 random bits, which is answered.
    pub async fn create_key(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        given: &str,
        region: &str,
    ) -> Result<(Key, String, Change), Error> {
        let api_key = if given.is_empty() {
            ApiKey::generated(region, random()?)?
        } else {
            ApiKey::given(given)?
        };
        let hash = self.secret.hash(&api_key);
        let key = Key {
            key_id: weir_ids::fresh(),
            hint: api_key.hint().to_owned(),
            create_time: self.now(),
            revoke_time: None,
        };
        // Also checks that the source is the account's.
        self.get_source(account_id, source_id).await?;
        let client = self.client().await?;
        if store::insert_key(&client, account_id, source_id, &hash, &key).await? {
            let secret = if given.is_empty() {
                api_key.reveal()
            } else {
                String::new()
            };
            return Ok((key, secret, Change::Created));
        }
        let found = store::find_key(&client, &hash)
            .await?
            .ok_or(Error::Store(weir_postgres::Failure::Conflict))?;
        if (found.account_id, found.source_id) != (account_id, source_id) {
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
        Ok((found.key, String::new(), Change::Unchanged))
    }

    pub async fn list_keys(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Key>>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.client().await?;
        Ok(store::list_keys(&client, account_id, source_id, after, limit).await?)
    }

    pub async fn revoke_key(&self, account_id: AccountId, key_id: Uuid) -> Result<(), Error> {
        let client = self.client().await?;
        if store::revoke_key(&client, account_id, key_id, self.now()).await? {
            return Ok(());
        }
        Err(missing(&client, account_id, "key").await?)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes keys")]
fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::from(Invalid::new("key", "no random numbers now: give a key")))?;
    Ok(bytes)
}
