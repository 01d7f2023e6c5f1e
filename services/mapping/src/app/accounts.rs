//! Accounts and their plans.

use weir_ids::AccountId;
use weir_postgres::Failure;
use weir_reasons::Reason;
use weir_rpc::Deadline;

use super::{App, Change, Error};
use crate::clients;
use crate::domain::Listed;
use crate::domain::account::{Account, AccountChange, AccountSettings, Identifiers};
use crate::domain::delivery::{Channel, DeliveryState};
use crate::domain::mapping;
use crate::domain::record::{Change as Changed, Thing, account_change, shown_account};
use crate::store::{self, LockedAccount};

/// What a first look at an existing account says of a change.
enum Look {
    /// There was no such account.
    Created,
    /// The same request changed it before.
    Done,
    /// The change concerns nobody but us.
    Ours,
    /// contact-upsert must be asked: contacts would be told apart in another way. With the version
    /// of the account that notes it.
    Identifiers(Box<AccountSettings>, i64),
}

impl App {
    /// Creates or changes the account of that name; with an id, changes the one of both.
    ///
    /// The unique identifiers are contact-upsert's to change (semantics 3.2). It is asked with
    /// no lock held, between two transactions; the first one notes that it will be, so that
    /// after a crash in between the same change, or another one, asks again.
    pub async fn put_account(
        &self,
        change: &AccountChange,
        deadline: Deadline,
    ) -> Result<(Account, Change), Error> {
        let (account_id, look) = self.look_at(change).await?;
        let (expected, answered) = match look {
            Look::Created => {
                let account = self.get_account(Some(account_id), "").await?;
                return Ok((account, Change::Created));
            }
            Look::Done => {
                let account = self.get_account(Some(account_id), "").await?;
                return Ok((account, Change::Unchanged));
            }
            Look::Ours => (change.expected_version, None),
            Look::Identifiers(wanted, noted) => {
                let answered = self.ask_to_change(account_id, &wanted, deadline).await?;
                (change.expected_version.map(|_| noted), Some(answered))
            }
        };
        self.change_account(account_id, change, expected, answered)
            .await
    }

    /// Makes the account where there is none; else decides who must be asked.
    async fn look_at(&self, change: &AccountChange) -> Result<(AccountId, Look), Error> {
        let mut client = self.client().await?;
        let new_id = AccountId::new();
        let transaction = store::begin(&mut client, new_id);
        let account_id = match change.account_id {
            Some(account_id) => account_id,
            None => store::reserve_name(&transaction, &change.name, new_id).await?,
        };
        if account_id == new_id {
            if change.expected_version.is_some() {
                return Err(Error::NotFound("account"));
            }
            let new = AccountSettings::new(change.name.clone());
            let settings = change.applied_to(&new, &[].into())?;
            store::insert_account(&transaction, account_id, &settings, self.now()).await?;
            let made = Changed::made(Thing::Account, account_id, &shown_account(&settings));
            self.record(&transaction, account_id, &made).await?;
            store::commit(transaction).await?;
            return Ok((account_id, Look::Created));
        }
        drop(transaction);
        let transaction = store::begin(&mut client, account_id);
        let locked = locked(&transaction, account_id).await?;
        if change.account_id.is_some() && locked.settings.name != change.name {
            return Err(Error::NotFound("account"));
        }
        if self
            .is_done(&transaction, account_id, &account_id.to_string())
            .await?
        {
            let custom = store::types_of(&transaction, account_id).await?;
            let settings = change.applied_to(&locked.settings, &custom)?;
            let changed = account_change(account_id, &locked.settings, &settings);
            self.repeats(&transaction, account_id, &changed).await?;
            return Ok((account_id, Look::Done));
        }
        let settings = decide(&transaction, account_id, change, &locked).await?;
        let doubted = locked.identifiers_in_doubt && change.is_about_identifiers();
        if settings.identifies_like(&locked.settings) && !doubted {
            return Ok((account_id, Look::Ours));
        }
        if !has_seen(change.expected_version, &locked) {
            return Err(Error::Overtaken(locked.version));
        }
        let noted = store::doubt_identifiers(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((account_id, Look::Identifiers(Box::new(settings), noted)))
    }

    async fn ask_to_change(
        &self,
        account_id: AccountId,
        wanted: &AccountSettings,
        deadline: Deadline,
    ) -> Result<Identifiers, Error> {
        let contacts = &self.contacts;
        match contacts
            .change_identifiers(account_id, wanted, deadline)
            .await
        {
            Ok(identifiers) => Ok(identifiers),
            Err(clients::Error::ContactsExist) => {
                // Nothing changed there; what stands there is no longer in doubt here.
                let stands = self.adopt_identifiers(account_id, deadline).await?;
                if (&stands.unique_identifiers, stands.key_strategy)
                    == (&wanted.unique_identifiers, wanted.key_strategy)
                {
                    return Ok(stands);
                }
                Err(Error::Precondition(
                    Reason::ContactsExist,
                    "the account has contacts: what tells them apart changes through \
                     weir.contact.v1.IdentityService alone (PreviewReindex, StartReindex)"
                        .to_owned(),
                ))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn change_account(
        &self,
        account_id: AccountId,
        change: &AccountChange,
        expected: Option<i64>,
        answered: Option<Identifiers>,
    ) -> Result<(Account, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let locked = locked(&transaction, account_id).await?;
        let mut settings = decide(&transaction, account_id, change, &locked).await?;
        // Of two changes at once the one counts that contact-upsert took last.
        let version = match answered {
            Some(answered) if answered.version >= locked.identifiers_version => {
                settings.unique_identifiers = answered.unique_identifiers;
                settings.key_strategy = answered.key_strategy;
                Some((answered.version, answered.next_unique_identifiers))
            }
            _ => {
                settings.unique_identifiers = locked.settings.unique_identifiers.clone();
                settings.key_strategy = locked.settings.key_strategy;
                None
            }
        };
        if let Some((version, answered_next)) = version {
            let identifiers = Identifiers {
                unique_identifiers: settings.unique_identifiers.clone(),
                key_strategy: settings.key_strategy,
                next_unique_identifiers: answered_next,
                version,
            };
            store::put_identifiers(&transaction, account_id, &identifiers).await?;
        }
        // What tells contacts apart is changed already, by whoever had seen it; the rest is not.
        let only_identifiers = AccountSettings {
            unique_identifiers: settings.unique_identifiers.clone(),
            key_strategy: settings.key_strategy,
            ..locked.settings.clone()
        };
        let is_overtaken = settings != only_identifiers && !has_seen(expected, &locked);
        let id = account_id.to_string();
        if is_overtaken && self.is_done(&transaction, account_id, &id).await? {
            // The same request came in between: it is looked at anew.
            return Err(Error::Store(Failure::Conflict));
        }
        let (settings, app) = match is_overtaken {
            false => (settings, self.clone()),
            true => (only_identifiers, self.by(self.author.clone().request(None))),
        };
        let changed = if settings == locked.settings {
            Change::Unchanged
        } else {
            store::update_account(&transaction, account_id, &settings).await?;
            let changed = account_change(account_id, &locked.settings, &settings);
            app.record(&transaction, account_id, &changed).await?;
            self.revive(&transaction, account_id, &locked.settings, &settings)
                .await?;
            Change::Updated
        };
        let account = store::get_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        store::commit(transaction).await?;
        match is_overtaken {
            true => Err(Error::Overtaken(account.settings_version)),
            false => Ok((account, changed)),
        }
    }

    /// What could not be delivered may be where it goes now.
    async fn revive(
        &self,
        transaction: &impl store::Client,
        account_id: AccountId,
        before: &AccountSettings,
        settings: &AccountSettings,
    ) -> Result<(), Error> {
        use DeliveryState::{GivenUp, Kept};
        let mut anew = Vec::new();
        if before.notification_address != settings.notification_address {
            anew.extend([(Channel::Mail, Kept), (Channel::Mail, GivenUp)]);
        }
        if before.webhook != settings.webhook {
            anew.push((Channel::Webhook, GivenUp));
        }
        for (channel, state) in anew {
            let now = self.now();
            store::revive_deliveries(transaction, account_id, channel, state, now).await?;
        }
        Ok(())
    }

    /// Stores what contact-upsert says of the account's unique identifiers, unless they were
    /// changed here meanwhile. Answers what stands then.
    pub async fn adopt_identifiers(
        &self,
        account_id: AccountId,
        deadline: Deadline,
    ) -> Result<Identifiers, Error> {
        let before = {
            let client = self.scoped(account_id).await?;
            store::get_identifiers(&client, account_id)
                .await?
                .ok_or(Error::NotFound("account"))?
        };
        // Never changed there: what the account was made with counts, as version 0.
        let told = self.contacts.identifiers(account_id, deadline).await?;
        let told = told.unwrap_or_else(|| Identifiers {
            version: 0,
            ..before.clone()
        });
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let locked = locked(&transaction, account_id).await?;
        let stands = if locked.identifiers_version == before.version {
            store::put_identifiers(&transaction, account_id, &told).await?;
            told
        } else {
            Identifiers {
                unique_identifiers: locked.settings.unique_identifiers,
                key_strategy: locked.settings.key_strategy,
                next_unique_identifiers: locked.next_unique_identifiers,
                version: locked.identifiers_version,
            }
        };
        store::commit(transaction).await?;
        Ok(stands)
    }

    /// By id, or by name where there is no id.
    pub async fn get_account(
        &self,
        account_id: Option<AccountId>,
        name: &str,
    ) -> Result<Account, Error> {
        // No account has such a name, and PostgreSQL would not even take it.
        if name.contains('\0') {
            return Err(Error::NotFound("account"));
        }
        let mut client = self.client().await?;
        let account_id = match account_id {
            Some(id) => Some(id),
            None => store::account_named(&client, name).await?,
        };
        let account_id = account_id.ok_or(Error::NotFound("account"))?;
        let tx = store::begin(&mut client, account_id);
        let found = store::get_account(&tx, account_id).await?;
        found.ok_or(Error::NotFound("account"))
    }

    /// Of these, or of all where there are none.
    pub async fn list_accounts(
        &self,
        only: &[AccountId],
        after: Option<AccountId>,
        limit: i64,
    ) -> Result<Vec<Listed<AccountId, Account>>, Error> {
        let mut client = self.client().await?;
        Ok(store::list_accounts(&mut client, only, after, limit).await?)
    }
}

/// A change that did not see what stands would undo it unseen.
fn has_seen(expected: Option<i64>, locked: &LockedAccount) -> bool {
    expected.is_none_or(|seen| seen == locked.version)
}

async fn locked(
    transaction: &impl store::Client,
    account_id: AccountId,
) -> Result<LockedAccount, Error> {
    let locked = store::lock_account(transaction, account_id).await?;
    locked.ok_or(Error::NotFound("account"))
}

/// The settings that a change comes to; refused where more activities are mapped than the new
/// plan has slots.
async fn decide(
    transaction: &impl store::Client,
    account_id: AccountId,
    change: &AccountChange,
    locked: &LockedAccount,
) -> Result<AccountSettings, Error> {
    let custom = store::types_of(transaction, account_id).await?;
    let settings = change.applied_to(&locked.settings, &custom)?;
    let slots = settings.plan.activity_slots;
    if slots < locked.settings.plan.activity_slots {
        let names = store::all_mapped_names(transaction, account_id).await?;
        if let Some(message) = mapping::too_few_slots(slots, &names) {
            return Err(Error::Precondition(Reason::SlotsInUse, message));
        }
    }
    Ok(settings)
}
