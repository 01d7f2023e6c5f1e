//! Making a data source: the source and its key belong together.

use weir_reasons::Reason;

use super::{App, Me};
use crate::clients::{Answer, Calls};
use crate::domain::Trouble;
use crate::domain::model::Source;

/// What was made.
pub struct NewSource {
    pub source: Source,
    /// Shown now, and never again.
    pub key: String,
}

impl App {
    /// Calls of this person.
    pub fn calls(&self, me: &Me) -> Calls {
        self.clients.of(&me.token)
    }

    /// Makes a source with a key. The same wish again makes neither anew, and answers both; another
    /// one never changes a source that is there.
    ///
    /// # Errors
    /// What the services refuse; the name is that of a source which this wish did not make.
    pub async fn make_source(
        &self,
        me: &Me,
        account: &str,
        wanted: &Source,
        wish: &str,
    ) -> Answer<NewSource> {
        let calls = self.calls(me);
        let source = match calls.create_source(account, wanted, wish).await {
            Err(trouble) if trouble.is(Reason::NameTaken) => return Err(taken()),
            made => made?,
        };
        let key = self.sign_in.source_key(account, wish);
        calls.create_key(account, &source.id, &key).await?;
        Ok(NewSource { source, key })
    }

    /// Another key, in the place of all that the source has; they end at once.
    ///
    /// # Errors
    /// What the services refuse.
    pub async fn renew_key(
        &self,
        me: &Me,
        account: &str,
        source: &str,
        wish: &str,
    ) -> Answer<String> {
        let calls = self.calls(me);
        let before = calls.keys(account, source).await?;
        let key = self.sign_in.source_key(account, wish);
        calls.create_key(account, source, &key).await?;
        for old in before.iter().filter(|old| old.revoked.is_none()) {
            // Where it is the one that an earlier press of the same button made.
            if !old.is_of(&key) {
                calls.revoke_key(account, &old.id).await?;
            }
        }
        Ok(key)
    }
}

fn taken() -> Trouble {
    Trouble::Refused {
        code: Reason::NameTaken.code().to_owned(),
        says: "There is a data source of this name already. Nothing was changed: give the new one \
               another name, or look at that one in the list."
            .to_owned(),
    }
}
