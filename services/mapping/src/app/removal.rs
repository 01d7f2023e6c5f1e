//! What is taken away, and what gets another name.

use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::{App, Change, Error};
use crate::domain::field::{self, Field};
use crate::domain::invalid::Invalid;
use crate::domain::record::{Change as Changed, Thing, shown_field, shown_source};
use crate::domain::source::Source;
use crate::store;

impl App {
    /// Gives a source another name.
    pub async fn rename_source(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        name: &str,
    ) -> Result<(Source, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        lock(&transaction, account_id).await?;
        let source = store::get_source(&transaction, account_id, source_id).await?;
        let mut source = source.ok_or(Error::NotFound("source"))?;
        if source.settings.name == name {
            return Ok((source, Change::Unchanged));
        }
        let same = store::find_source(&transaction, account_id, name).await?;
        if same.iter().any(|other| other.settings.name == name) {
            return Err(Error::AlreadyExists(
                Reason::NameTaken,
                format!("the account has another source named {name}"),
            ));
        }
        let before = shown_source(&source.settings);
        source.settings.name = name.to_owned();
        let after = shown_source(&source.settings);
        let renamed = Changed::between(Thing::Source, source_id, &before, &after);
        self.record(&transaction, account_id, &renamed).await?;
        store::rename_source(&transaction, account_id, source_id, name).await?;
        source.settings_version = store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((source, Change::Updated))
    }

    /// Takes a source away with all that belongs to it; answers whether it was there. Its rings
    /// go last, and also when it was gone before: the same again finishes what broke off.
    pub async fn delete_source(
        &self,
        account_id: AccountId,
        source_id: SourceId,
    ) -> Result<bool, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        lock(&transaction, account_id).await?;
        store::lock_kept(&transaction, account_id).await?;
        let before = store::get_source(&transaction, account_id, source_id).await?;
        if before
            .as_ref()
            .is_some_and(|source| source.pause_time.is_some())
        {
            store::set_pause(&transaction, account_id, source_id, None).await?;
        }
        let deleted = store::delete_source(&transaction, account_id, source_id).await?;
        if let Some(source) = before.filter(|_| deleted) {
            let gone = Changed::gone(Thing::Source, source_id, &shown_source(&source.settings));
            self.record(&transaction, account_id, &gone).await?;
            store::recount_deferred(&transaction, account_id).await?;
            store::raise_version(&transaction, account_id).await?;
            store::commit(transaction).await?;
        }
        self.rings.erase(account_id, source_id).await?;
        Ok(deleted)
    }

    /// Takes a custom field away that nothing uses; answers whether it was there. The same request
    /// again leaves one that was made anew since.
    pub async fn delete_field(&self, account_id: AccountId, field_id: &str) -> Result<bool, Error> {
        if Field::is_built_in(field_id) {
            let expected = "must be a custom field: those that are built in stay";
            return Err(Invalid::new("field_id", expected).into());
        }
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let account = lock(&transaction, account_id).await?;
        if self.is_done(&transaction, account_id, field_id).await? {
            return Ok(false);
        }
        let identifiers = &account.settings.unique_identifiers;
        let tells_apart = identifiers.iter().any(|id| id.as_str() == field_id);
        let mapped = store::sources_with_field(&transaction, account_id, field_id).await?;
        if let Some(users) = field::users(tells_apart, &mapped) {
            let message = format!("the field {field_id} is in use: {users}");
            return Err(Error::Precondition(Reason::FieldInUse, message));
        }
        let before = store::list_fields(&transaction, account_id).await?;
        let before = before
            .into_iter()
            .find(|field| field.id.as_str() == field_id);
        let deleted = store::delete_field(&transaction, account_id, field_id).await?;
        if deleted {
            let shown = before.as_ref().map(shown_field).unwrap_or_default();
            let gone = Changed::gone(Thing::Field, field_id, &shown);
            self.record(&transaction, account_id, &gone).await?;
            store::raise_version(&transaction, account_id).await?;
            store::commit(transaction).await?;
        }
        Ok(deleted)
    }
}

/// Begins a change of an account's configuration.
async fn lock(
    transaction: &impl store::Client,
    account_id: AccountId,
) -> Result<store::LockedAccount, Error> {
    let locked = store::lock_account(transaction, account_id).await?;
    locked.ok_or(Error::NotFound("account"))
}
