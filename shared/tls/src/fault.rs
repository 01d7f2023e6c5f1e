//! What is wrong with a configuration of TLS, for whoever has to put it right.

/// Each names the variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// One of two that belong together.
    #[error("{missing} is missing: {given} is set, and takes it")]
    Alone {
        /// The variable that is set.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// Two that make no sense together, or a value that can't be used.
    #[error("{variable}: {why}")]
    Unusable {
        /// The variable.
        variable: &'static str,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The system does not give it.
    #[error("{variable}: can't read {path}: {why}")]
    Unreadable {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// As the system says it.
        why: String,
    },
    /// It is no file of this kind.
    #[error("{variable}: there is no {what} in {path}")]
    Empty {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// What was looked for.
        what: &'static str,
    },
    /// Something is there, and can't be understood.
    #[error("{variable}: {path} can't be used: {why}")]
    Broken {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate has another key.
    #[error("{variable}: the key in {path} does not belong to the certificate of {certificate}")]
    OtherKey {
        /// The key's variable.
        variable: &'static str,
        /// The key's file.
        path: String,
        /// The certificate's variable.
        certificate: &'static str,
    },
    /// It was good.
    #[error("{variable}: the certificate in {path} has expired: it was good until {until}")]
    Expired {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// When it ended.
        until: String,
    },
    /// It will be.
    #[error("{variable}: the certificate in {path} is not good yet: it is from {from} on")]
    Early {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: String,
        /// When it begins.
        from: String,
    },
}
