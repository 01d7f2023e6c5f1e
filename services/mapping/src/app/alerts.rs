//! Alerts, and what told of them: for whoever calls.

use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::{App, Error};
use crate::domain::Listed;
use crate::domain::alert::{Alert, AlertFilter, NewAlert, Raised};
use crate::domain::delivery::{Delivery, Undelivered};
use crate::domain::record::{Change as Changed, Shown, Thing, shown_alert, shown_test};
use crate::store;

/// Of those that did not get through, in the status of mail.
const SHOWN: i64 = 10;
/// Accounts in one look.
const ACCOUNTS: i64 = 500;

/// Where mail goes, and what did not get there.
#[derive(Debug)]
pub struct MailStatus {
    pub server: String,
    pub sender: String,
    pub folder: String,
    pub counts: Undelivered,
    pub undelivered: Vec<Delivery>,
}

impl App {
    /// Raises each of them, or counts it up.
    pub async fn raise_alerts(
        &self,
        account_id: AccountId,
        alerts: &[NewAlert],
    ) -> Result<Raised, Error> {
        self.desk.raise(account_id, alerts).await
    }

    /// Newest first, before `before`.
    pub async fn list_alerts(
        &self,
        account_id: AccountId,
        filter: AlertFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Alert>>, Error> {
        let client = self.scoped(account_id).await?;
        self.must_exist(&client, account_id).await?;
        if let Some(source) = filter.source_id {
            let found = store::get_source(&client, account_id, source).await?;
            found.ok_or(Error::NotFound("source"))?;
        }
        Ok(store::list_alerts(&client, account_id, filter, before, limit).await?)
    }

    /// Notes that somebody saw to it.
    pub async fn resolve_alert(
        &self,
        account_id: AccountId,
        alert_id: Uuid,
    ) -> Result<Alert, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let now = self.now();
        let resolved = store::resolve_alert(&transaction, account_id, alert_id, now).await?;
        let Some((alert, is_new)) = resolved else {
            self.must_exist(&transaction, account_id).await?;
            return Err(Error::NotFound("alert"));
        };
        if is_new {
            let resolved = Changed::made(Thing::Alert, alert_id, &shown_alert(&alert));
            self.record(&transaction, account_id, &resolved).await?;
            store::commit(transaction).await?;
        }
        Ok(alert)
    }

    /// Newest first, before `before`.
    pub async fn list_deliveries(
        &self,
        account_id: AccountId,
        unsent: bool,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Listed<Uuid, Delivery>>, Error> {
        let client = self.scoped(account_id).await?;
        self.must_exist(&client, account_id).await?;
        Ok(store::list_deliveries(&client, account_id, unsent, before, limit).await?)
    }

    /// The mail that data arrived from a source (semantics 7.2).
    pub async fn arrival_mail(
        &self,
        account_id: AccountId,
        source_id: SourceId,
    ) -> Result<Option<Delivery>, Error> {
        let client = self.scoped(account_id).await?;
        Ok(store::arrival_mail(&client, account_id, source_id).await?)
    }

    /// Of all accounts.
    pub async fn mail_status(&self) -> Result<MailStatus, Error> {
        let mut client = self.client().await?;
        let mut counts = Undelivered::default();
        let mut undelivered = Vec::new();
        let mut last = AccountId(Uuid::nil());
        loop {
            let accounts = store::accounts_undelivered(&client, last, ACCOUNTS).await?;
            let Some(newest) = accounts.last() else { break };
            last = *newest;
            for account in accounts {
                let tx = store::begin(&mut client, account);
                counts.add(store::count_undelivered(&tx, account).await?);
                undelivered.extend(store::last_undelivered(&tx, account, SHOWN).await?);
            }
            undelivered.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
            undelivered.truncate(usize::try_from(SHOWN).unwrap_or(0));
        }
        let mailer = self.desk.mailer();
        let folder = mailer.folder().map(|folder| folder.display().to_string());
        Ok(MailStatus {
            server: mailer.server().unwrap_or_default().to_owned(),
            sender: mailer.sender(),
            folder: folder.unwrap_or_default(),
            counts,
            undelivered: undelivered.into_iter().filter_map(|(_, one)| one).collect(),
        })
    }

    /// Sends a mail and calls the webhook now, and tells how that went; None where the same
    /// request did before.
    pub async fn send_test_mail(
        &self,
        account_id: AccountId,
    ) -> Result<Option<Vec<Delivery>>, Error> {
        let account = self.get_account(Some(account_id), "").await?;
        let shown = shown_test(&account.settings);
        if shown.is_empty() {
            return Err(Error::Precondition(
                Reason::NoNotificationAddress,
                "the account has neither a notification address nor a webhook".to_owned(),
            ));
        }
        if !self.may_send_test(account_id, &shown).await? {
            return Ok(None);
        }
        Ok(Some(self.desk.test(account).await))
    }

    /// Written down before it is done: a request is carried out once at most.
    async fn may_send_test(&self, account_id: AccountId, shown: &Shown) -> Result<bool, Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let id = account_id.to_string();
        if self.is_done(&transaction, account_id, &id).await? {
            return Ok(false);
        }
        let asked = Changed::made(Thing::TestMail, id, shown);
        self.record(&transaction, account_id, &asked).await?;
        store::commit(transaction).await?;
        Ok(true)
    }

    async fn must_exist(
        &self,
        client: &impl store::Client,
        account_id: AccountId,
    ) -> Result<(), Error> {
        let version = store::read_version(client, account_id).await?;
        version.map(drop).ok_or(Error::NotFound("account"))
    }
}
