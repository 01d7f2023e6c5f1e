//! Who calls, and how far it reaches.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;
use weir_ids::AccountId;

/// What a token or a person may do; each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look.
    Read,
    /// Configure, and change contacts.
    Write,
    /// Make and end accounts and tokens.
    Admin,
}

impl Role {
    /// From the least to the most.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// As people write it, and as it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be read, write or admin")]
pub struct NoRole;

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        let mut all = Self::ALL.into_iter();
        all.find(|role| role.name() == text).ok_or(NoRole)
    }
}

/// Which accounts may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Those that are there, and those that will be.
    All,
    /// In order, each once: made by [`Accounts::only`].
    Only(Arc<[AccountId]>),
}

impl Accounts {
    /// Only these.
    pub fn only(accounts: impl IntoIterator<Item = AccountId>) -> Self {
        let mut accounts: Vec<_> = accounts.into_iter().collect();
        accounts.sort_unstable();
        accounts.dedup();
        Self::Only(accounts.into())
    }

    /// Whether this one is among them.
    pub fn contain(&self, account: AccountId) -> bool {
        match self {
            Self::All => true,
            Self::Only(accounts) => accounts.binary_search(&account).is_ok(),
        }
    }
}

/// Who it is that calls; nobody is no caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// One of our own services.
    Service,
    /// Whoever holds this token. Of the administrator's first one, which no table knows, the id
    /// is nil.
    Token {
        /// Of the token.
        id: Uuid,
        /// As whoever made it called it.
        name: Arc<str>,
    },
    /// Somebody who signed in to the console.
    Person {
        /// As the sign-in has it.
        name: Arc<str>,
    },
    /// Anybody: access is open, and nobody was asked.
    Anybody,
}

/// Who calls, and what it may. It travels in a request's extensions, for whoever records changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub who: Who,
    /// Up to what.
    pub role: Role,
    /// In which accounts.
    pub accounts: Accounts,
}

impl Caller {
    /// One of our own services, which may call whatever there is.
    pub const fn service() -> Self {
        Self::unlimited(Who::Service)
    }

    /// Anybody, where access is open.
    pub const fn anybody() -> Self {
        Self::unlimited(Who::Anybody)
    }

    /// The administrator by the token of the configuration, with which the first others are made.
    pub fn administrator() -> Self {
        Self::unlimited(Who::Token {
            id: Uuid::nil(),
            name: "administrator".into(),
        })
    }

    const fn unlimited(who: Who) -> Self {
        Self {
            who,
            role: Role::Admin,
            accounts: Accounts::All,
        }
    }

    /// Whether it may call what is for services alone.
    pub(crate) fn is_inside(&self) -> bool {
        matches!(self.who, Who::Service | Who::Anybody)
    }
}
