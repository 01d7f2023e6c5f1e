//! Who asks: API keys, remembered for a while by their hash.

use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, header};
use moka::future::Cache;
use sha2::{Digest, Sha256};
use weir_rpc::Deadline;

use super::problem::Problem;
use crate::clients::{Caller, Clients, Failure};

/// A revoked key is good for this long at most; half of the 60 s that are promised.
const REMEMBERED: Duration = Duration::from_secs(30);
/// About 300 bytes each.
const MOST: u64 = 20_000;
/// Keys have at most 128 characters; what is longer is not worth asking for.
const LONGEST: usize = 256;

/// Good keys. The keys themselves are not kept, only their SHA-256.
pub struct Keys(Cache<[u8; 32], Arc<Caller>>);

#[derive(Debug, Clone, Copy)]
enum Denied {
    Bad,
    Failed(Failure),
}

impl Keys {
    pub fn new() -> Self {
        let cache = Cache::builder()
            .max_capacity(MOST)
            .time_to_live(REMEMBERED)
            .build();
        Self(cache)
    }

    /// Whose key the request carries.
    ///
    /// # Errors
    /// 401 when mapping says that it is no good, and only then; 503 when it can't say.
    pub async fn caller(
        &self,
        clients: &Clients,
        headers: &HeaderMap,
        deadline: Deadline,
    ) -> Result<Arc<Caller>, Problem> {
        let key = bearer(headers).ok_or_else(Problem::no_key)?;
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let ask = async {
            match clients.authenticate(key, deadline).await {
                Ok(Some(caller)) => Ok(Arc::new(caller)),
                Ok(None) => Err(Denied::Bad),
                Err(failure) => Err(Denied::Failed(failure)),
            }
        };
        // Many at once ask once.
        self.0
            .try_get_with(hash, ask)
            .await
            .map_err(|denied| match *denied {
                Denied::Bad => Problem::bad_key(),
                Denied::Failed(failure) => failure.into(),
            })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.trim().split_once(' ')?;
    let key = key.trim();
    let plausible = !key.is_empty() && key.len() <= LONGEST;
    (scheme.eq_ignore_ascii_case("bearer") && plausible).then_some(key)
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
}
