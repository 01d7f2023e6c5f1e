//! Accounts and custom fields.

use weir_ids::AccountId;
use weir_reasons::Reason;

use super::{App, Change, Error};
use crate::domain::account::{Account, AccountSettings};
use crate::domain::field::{self, Field, MAX_CUSTOM_FIELDS};
use crate::store;

impl App {
    /// Creates or changes the account of that name.
    pub async fn put_account(&self, settings: AccountSettings) -> Result<(Account, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client).await?;
        let new_id = AccountId::new();
        let account_id = store::reserve_name(&transaction, &settings.name, new_id).await?;
        let change = if account_id == new_id {
            let now = super::now();
            settings.check_types(&std::collections::HashMap::new())?;
            store::insert_account(&transaction, account_id, &settings, now).await?;
            Change::Created
        } else {
            let locked = store::lock_account(&transaction, account_id)
                .await?
                .ok_or(Error::NotFound("account"))?;
            if locked.received_events && !settings.identifies_like(&locked.settings) {
                return Err(Error::Precondition(Reason::ContactsExist,
                    "the account has received events: its unique identifiers and key strategy are fixed".to_owned(),
                ));
            }
            settings.check_types(&store::types_of(&transaction, account_id).await?)?;
            if settings == locked.settings {
                Change::Unchanged
            } else {
                store::update_account(&transaction, account_id, &settings).await?;
                Change::Updated
            }
        };
        let account = store::get_account(&transaction, Some(account_id), "")
            .await?
            .ok_or(Error::NotFound("account"))?;
        store::commit(transaction).await?;
        Ok((account, change))
    }

    /// By id, or by name where there is no id.
    pub async fn get_account(
        &self,
        account_id: Option<AccountId>,
        name: &str,
    ) -> Result<Account, Error> {
        let client = self.client().await?;
        let found = store::get_account(&client, account_id, name).await?;
        found.ok_or(Error::NotFound("account"))
    }

    pub async fn list_accounts(
        &self,
        after: Option<AccountId>,
        limit: i64,
    ) -> Result<Vec<Account>, Error> {
        let client = self.client().await?;
        Ok(store::list_accounts(&client, after, limit).await?)
    }

    /// Name and type are fixed once made: the same again is a success.
    pub async fn create_field(
        &self,
        account_id: AccountId,
        field: Field,
    ) -> Result<(Field, Change), Error> {
        if Field::is_built_in_name(&field.name) {
            return Err(Error::AlreadyExists(
                Reason::FieldExists,
                format!("there is a built-in field named {}", field.name),
            ));
        }
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client).await?;
        let locked = store::lock_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        let same = store::get_field_named(&transaction, account_id, &field).await?;
        match same.as_slice() {
            [] => {}
            [existing] if *existing == field => return Ok((field, Change::Unchanged)),
            [existing, ..] => {
                return Err(Error::AlreadyExists(
                    Reason::FieldExists,
                    format!(
                        "there is a field {} named {} of type {}; name and type are fixed",
                        existing.id,
                        existing.name,
                        existing.value_type.name()
                    ),
                ));
            }
        }
        if store::list_fields(&transaction, account_id).await?.len() >= MAX_CUSTOM_FIELDS {
            return Err(Error::Exhausted(
                Reason::FieldLimit,
                format!("an account has at most {MAX_CUSTOM_FIELDS} custom fields"),
            ));
        }
        let types = [(field.id.to_string(), field.value_type)].into();
        locked.settings.check_types(&types)?;
        store::insert_field(&transaction, account_id, &field).await?;
        store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((field, Change::Created))
    }

    /// Built-in and custom ones, alphabetically.
    pub async fn list_fields(&self, account_id: AccountId) -> Result<Vec<Field>, Error> {
        let client = self.client().await?;
        if store::read_version(&client, account_id).await?.is_none() {
            return Err(Error::NotFound("account"));
        }
        let custom = store::list_fields(&client, account_id).await?;
        Ok(field::all(custom))
    }
}
