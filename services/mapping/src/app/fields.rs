//! Fields of contacts.

use weir_ids::AccountId;
use weir_reasons::Reason;

use super::{App, Change, Error};
use crate::domain::field::{self, Field, MAX_CUSTOM_FIELDS};
use crate::domain::record::{Change as Changed, Thing, shown_field};
use crate::store;

impl App {
    /// Name and type are fixed once made: the same again is a success.
    pub async fn create_field(
        &self,
        account_id: AccountId,
        field: Field,
    ) -> Result<(Field, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        store::lock_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        if self
            .is_done(&transaction, account_id, field.id.as_str())
            .await?
        {
            return Ok((field, Change::Unchanged));
        }
        if Field::is_built_in_name(&field.name) {
            return Err(Error::AlreadyExists(
                Reason::FieldExists,
                format!("there is a built-in field named {}", field.name),
            ));
        }
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
        if store::count_fields(&transaction, account_id).await? >= MAX_CUSTOM_FIELDS {
            return Err(Error::Exhausted(
                Reason::FieldLimit,
                format!("an account has at most {MAX_CUSTOM_FIELDS} custom fields"),
            ));
        }
        store::insert_field(&transaction, account_id, &field).await?;
        let made = Changed::made(Thing::Field, &field.id, &shown_field(&field));
        self.record(&transaction, account_id, &made).await?;
        store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((field, Change::Created))
    }

    /// Built-in and custom ones, alphabetically: those that contain `contains`, in any case
    /// (semantics 7.9).
    pub async fn list_fields(
        &self,
        account_id: AccountId,
        contains: &str,
    ) -> Result<Vec<Field>, Error> {
        let client = self.scoped(account_id).await?;
        if store::read_version(&client, account_id).await?.is_none() {
            return Err(Error::NotFound("account"));
        }
        let custom = store::list_fields(&client, account_id).await?;
        Ok(field::containing(field::all(custom), contains))
    }
}
