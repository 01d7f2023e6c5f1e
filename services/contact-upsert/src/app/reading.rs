//! Contacts, read back.

use std::borrow::Cow;

use weir_ids::{AccountId, ContactId, SourceId};
use weir_rpc::Deadline;

use super::{App, Error};
use crate::domain::{
    Beside, ContactKey, Register, StoredProfile, is_unique_key, normalise, read_row,
};
use crate::metrics;

/// Contacts that are read at once: the largest are of some megabytes.
const PIECE: usize = 50;

/// A contact, read back.
#[derive(Debug)]
pub struct Profile<'a> {
    pub stored: &'a StoredProfile,
    /// By field id; cleared ones are left out.
    pub fields: Vec<Register<'a>>,
    /// What is known beside them.
    pub beside: Beside<'a>,
}

impl App {
    /// One contact, or the one that it was merged into.
    ///
    /// # Errors
    /// When there is no such contact or account, or PostgreSQL is away.
    pub async fn contact(
        &self,
        account: AccountId,
        key: &ContactKey,
        deadline: Deadline,
    ) -> Result<StoredProfile, Error> {
        if let Some(found) = self.store.contact(account, key).await? {
            return Ok(found);
        }
        // E-mail addresses are kept without case, whichever field of that type holds them.
        if let ContactKey::Identifier(kind, value) = key
            && is_unique_key(kind)
            && let Cow::Owned(folded) = normalise(value.into(), true)
            && self.store.is_caseless(account, kind).await?
        {
            let folded = ContactKey::Identifier(kind.clone(), folded);
            if let Some(found) = self.store.contact(account, &folded).await? {
                return Ok(found);
            }
        }
        self.must_know(account, deadline).await?;
        if let ContactKey::Identifier(kind, _) = key
            && is_unique_key(kind)
        {
            self.must_identify(account, kind, deadline).await?;
        }
        Err(Error::ContactUnknown)
    }

    /// By a field that tells nobody apart no contact is ever found, which is said.
    async fn must_identify(
        &self,
        account: AccountId,
        field: &str,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let fields = match self.store.unique_identifiers(account).await? {
            Some(stand) => {
                let next = stand.next.map(|next| next.fields).unwrap_or_default();
                [stand.fields, next].concat()
            }
            None => match self.mapping.setup(account, deadline).await {
                Ok(setup) => setup.unique_identifiers.fields,
                // Then it is not said.
                Err(_) => return Ok(()),
            },
        };
        if fields.iter().any(|unique| unique == field) {
            return Ok(());
        }
        let expected = match &fields[..] {
            [] => "contacts of this account have no unique identifiers".to_owned(),
            fields => format!(
                "must be a unique identifier of this account: {}",
                fields.join(" or ")
            ),
        };
        Err(Error::InvalidRequest(vec![(
            "field.field_id".to_owned(),
            expected,
        )]))
    }

    /// The account's sources, in the order of their numbers.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    pub async fn sources(&self, account: AccountId) -> Result<Vec<SourceId>, Error> {
        Ok(self.store.sources(account).await?)
    }

    /// Contacts by age, up to `wanted` of them, in pieces; `take` says whether it wants more.
    ///
    /// # Errors
    /// When there is no such account, or PostgreSQL is away.
    pub async fn contacts(
        &self,
        account: AccountId,
        after: Option<ContactId>,
        wanted: usize,
        deadline: Deadline,
        mut take: impl FnMut(&StoredProfile) -> bool,
    ) -> Result<(), Error> {
        let (mut after, mut missing) = (after, wanted);
        while missing > 0 {
            let limit = missing.min(PIECE);
            let piece = self.store.contacts(account, after, limit).await?;
            if piece.is_empty() && missing == wanted {
                self.must_know(account, deadline).await?;
            }
            for stored in &piece {
                if !take(stored) {
                    return Ok(());
                }
            }
            if piece.len() < limit {
                return Ok(());
            }
            after = piece.last().map(|stored| stored.id);
            missing -= piece.len();
        }
        Ok(())
    }

    /// An account for which nothing was ever stored here may be new, or none at all.
    pub(super) async fn must_know(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        if self.store.knows(account).await? {
            return Ok(());
        }
        self.must_exist(account, deadline).await
    }

    /// As mapping says: what is written for an account makes it known here ever after.
    pub(super) async fn must_exist(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        match self.accounts.exists(account, deadline).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::AccountUnknown),
            Err(silent) => Err(silent.into()),
        }
    }
}

/// Reads a stored contact's fields. Of a row that is broken there are none: it must not keep
/// others from being read.
pub fn profile_of(stored: &StoredProfile) -> Profile<'_> {
    let read = read_row(&stored.fields, &stored.registers);
    let (registers, beside) = read.unwrap_or_else(|error| {
        tracing::error!(contact = %stored.id, %error, "a contact's row is broken");
        metrics::unreadable("row");
        Default::default()
    });
    let fields = registers.into_iter().filter(|r| r.value.is_some());
    Profile {
        stored,
        fields: fields.collect(),
        beside,
    }
}
