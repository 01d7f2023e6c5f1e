//! The row of an account: everything of it is anchored on it, and locks begin with it.

use weir_ids::AccountId;
use weir_postgres::Failure;

use super::{Connection, Store, Tx};

pub(super) const SHARE: &str = "SELECT FROM accounts WHERE account_id = $1 FOR KEY SHARE";

impl Store {
    /// Sees to it that the account's row is there. For accounts that mapping knows.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn ensure_account(
        &self,
        connection: &mut Connection,
        account: AccountId,
    ) -> Result<(), Failure> {
        if !self.known.contains(account) {
            let insert = "INSERT INTO accounts (account_id) VALUES ($1)
                ON CONFLICT (account_id) DO NOTHING";
            connection.execute(account, insert, &[&account.0]).await?;
            self.known.insert(account);
        }
        Ok(())
    }

    /// Whether the account's row is there.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn has_account(&self, account: AccountId) -> Result<bool, Failure> {
        if self.known.contains(account) {
            return Ok(true);
        }
        let mut connection = self.connection().await?;
        let select = "SELECT FROM accounts WHERE account_id = $1";
        let found = connection
            .query_opt(account, select, &[&account.0])
            .await?
            .is_some();
        if found {
            self.known.insert(account);
        }
        Ok(found)
    }

    /// A row that was known is gone (the database was set back): look again.
    pub fn forget_account(&self, account: AccountId) {
        self.known.forget(account);
    }
}

impl Tx<'_> {
    /// Keeps merges of contacts out until the end, but not other batches. `false`: there is
    /// no such account.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn share_account(&self) -> Result<bool, Failure> {
        let found = self.query_opt(SHARE, &[&self.account.0]).await?;
        Ok(found.is_some())
    }

    /// Keeps everybody else out until the end. `false`: there is no such account.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn own_account(&self) -> Result<bool, Failure> {
        let own = "SELECT FROM accounts WHERE account_id = $1 FOR UPDATE";
        let found = self.query_opt(own, &[&self.account.0]).await?;
        Ok(found.is_some())
    }
}
