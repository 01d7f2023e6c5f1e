//! Why Redis did not do it.

use weir_service::Outage;

/// What a caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is away, starting, or full, or its user was taken a right; the same again may succeed.
    #[error("Redis is away")]
    Away,
    /// A script failed, or answered what it can't answer: what it worked on is not what scripts
    /// make, or it is ours to mend.
    #[error("an answer of Redis could not be read")]
    Unreadable,
}

impl Error {
    /// Logs the cause; it goes no further.
    pub(super) fn told(error: &redis::RedisError, outage: &Outage) -> Self {
        // Without its details, which may name a script or a key.
        let said = |what: &str| {
            let code = error.code().unwrap_or_default();
            outage.failed(&format!("{what} {:?} {code}", error.kind()))
        };
        if weir_redis::is_forbidden(error) {
            if let Some(left_out) = said("forbidden") {
                tracing::warn!(%error, left_out, "Redis does not let this user do it");
            }
            Self::Away
        } else if matches!(
            error.kind(),
            redis::ErrorKind::UnexpectedReturnType | redis::ErrorKind::Parse
        ) || matches!(error.code(), Some("ERR" | "WRONGTYPE"))
        {
            // Of one account: that is built anew, and does not come again.
            tracing::error!(%error, "a script failed");
            Self::Unreadable
        } else {
            if let Some(left_out) = said("away") {
                tracing::warn!(%error, left_out, "Redis is away");
            }
            Self::Away
        }
    }
}
