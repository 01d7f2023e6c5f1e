//! Who asks: API keys, remembered for a while by their hash.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, header};
use data_encoding::BASE64;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use weir_rpc::Deadline;

use super::problem::Problem;
use crate::clients::{Caller, Clients, Failure, KeyRefused};

/// A revoked key is good for this long at most; half of the 60 s that are promised.
const REMEMBERED: Duration = Duration::from_secs(30);
/// About 300 bytes each.
const MOST: u64 = 20_000;
/// Keys have at most 128 characters; what is longer is not worth asking for.
const LONGEST: usize = 256;

/// A key that is created is good, and a source that is resumed goes on, after this at most.
const REFUSED: Duration = Duration::from_secs(3);

type Hash = [u8; 32];

/// Good keys and refused ones, apart: who tries many pushes out no good one. The keys themselves
/// are not kept, only their SHA-256.
pub struct Keys {
    good: Cache<Hash, Arc<Caller>>,
    refused: Cache<Hash, KeyRefused>,
    /// Of sources that are paused.
    paused: Cache<Hash, Arc<Caller>>,
}

#[derive(Debug, Clone)]
enum Denied {
    Refused(KeyRefused),
    /// Good, and not to be kept for long.
    Paused(Arc<Caller>),
    Failed(Failure),
}

impl Keys {
    pub fn new() -> Self {
        let good = Cache::builder().time_to_live(REMEMBERED);
        let refused = Cache::builder().time_to_live(REFUSED);
        let paused = Cache::builder().time_to_live(REFUSED);
        Self {
            good: good.max_capacity(MOST).build(),
            refused: refused.max_capacity(MOST).build(),
            paused: paused.max_capacity(MOST).build(),
        }
    }

    /// Whose key it is.
    ///
    /// # Errors
    /// 401 when mapping says that it is no good, and only then; 503 when it can't say.
    pub async fn caller(
        &self,
        clients: &Clients,
        key: &str,
        deadline: Deadline,
    ) -> Result<Arc<Caller>, Problem> {
        let hash: Hash = Sha256::digest(key.as_bytes()).into();
        let caller = self.remembered(clients, key, hash, deadline).await?;
        if !caller.is_overtaken() {
            return Ok(caller);
        }
        // Whoever sees it first asks; the next one finds what was answered.
        self.good.invalidate(&hash).await;
        self.remembered(clients, key, hash, deadline).await
    }

    async fn remembered(
        &self,
        clients: &Clients,
        key: &str,
        hash: Hash,
        deadline: Deadline,
    ) -> Result<Arc<Caller>, Problem> {
        let ask = async {
            if let Some(why) = self.refused.get(&hash).await {
                return Err(Denied::Refused(why));
            }
            if let Some(caller) = self.paused.get(&hash).await {
                return Err(Denied::Paused(caller));
            }
            match clients.authenticate(key, deadline).await {
                Ok(Ok(caller)) if caller.is_paused => {
                    let caller = Arc::new(caller);
                    self.paused.insert(hash, caller.clone()).await;
                    Err(Denied::Paused(caller))
                }
                Ok(Ok(caller)) => Ok(Arc::new(caller)),
                Ok(Err(why)) => {
                    self.refused.insert(hash, why).await;
                    Err(Denied::Refused(why))
                }
                Err(failure) => Err(Denied::Failed(failure)),
            }
        };
        // Many at once ask once.
        let asked = self.good.try_get_with(hash, ask).await;
        asked.or_else(|denied| match &*denied {
            Denied::Paused(caller) => Ok(caller.clone()),
            Denied::Refused(KeyRefused::Unknown) => Err(Problem::bad_key()),
            Denied::Refused(KeyRefused::Expired) => Err(Problem::expired_key()),
            Denied::Failed(failure) => Err((*failure).into()),
        })
    }
}

/// `Authorization: Bearer KEY`
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let key = credentials(headers, "bearer")?;
    is_plausible(key).then_some(key)
}

/// The user of `Authorization: Basic …`, as SDKs send the key, with an empty password.
pub fn basic_user(headers: &HeaderMap) -> Option<String> {
    let encoded = credentials(headers, "basic")?;
    let decoded = BASE64.decode(encoded.as_bytes()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let user = text.split(':').next().unwrap_or_default().trim();
    is_plausible(user).then(|| user.to_owned())
}

fn credentials<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.trim().split_once(' ')?;
    let is_wanted = scheme.eq_ignore_ascii_case(wanted);
    is_wanted.then(|| credentials.trim())
}

/// Whether a text may be a key: what is not is not worth asking for.
pub fn is_plausible(key: &str) -> bool {
    !key.is_empty() && key.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_keys_are_read_and_nothing_else() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer pau-key").as_deref(), Some("pau-key"));
        assert_eq!(read("bearer  pau-key ").as_deref(), Some("pau-key"));
        for bad in [
            "Bearer",
            "Bearer ",
            "Basic pau-key",
            "pau-key",
            &format!("Bearer {}", "x".repeat(300)),
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn the_user_of_basic_credentials_is_the_key() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
            basic_user(&headers)
        };
        let of = |pair: &str| read(&format!("Basic {}", BASE64.encode(pair.as_bytes())));
        assert_eq!(of("pau-key:").as_deref(), Some("pau-key"));
        assert_eq!(of("pau-key").as_deref(), Some("pau-key"));
        assert_eq!(of("pau-key:ignored:too").as_deref(), Some("pau-key"));
        for bad in ["", ":", ":password", &format!("{}:", "x".repeat(300))] {
            assert_eq!(of(bad), None, "{bad}");
        }
        for bad in ["Basic", "Basic !", "Basic /w==", "Bearer pau-key"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
