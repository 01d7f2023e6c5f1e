//! Why Redis did not do it.

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

impl From<redis::RedisError> for Error {
    /// Logs the cause; it goes no further.
    fn from(error: redis::RedisError) -> Self {
        if weir_redis::is_forbidden(&error) {
            tracing::warn!(%error, "Redis does not let this user do it");
            Self::Away
        } else if matches!(
            error.kind(),
            redis::ErrorKind::UnexpectedReturnType | redis::ErrorKind::Parse
        ) || matches!(error.code(), Some("ERR" | "WRONGTYPE"))
        {
            tracing::error!(%error, "a script failed");
            Self::Unreadable
        } else {
            tracing::warn!(%error, "Redis is away");
            Self::Away
        }
    }
}
