//! Accounts, and what tells their contacts apart.

use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as wire;
use weir_proto::settings::v1::{BlockedValue, BlockedValues, KeyStrategy};

use super::convert::time;
use super::trouble::call;
use super::{Answer, Calls};
use crate::domain::Trouble;
use crate::domain::model::{Account, Blocked, Page, Reindex, Strategy};

const PAGE: i32 = 50;
/// As many as a page of the API may have.
const LOOKED_AT: i32 = 1_000;

/// What of an account is changed at a time.
pub enum AccountPart {
    Plan,
    /// A secret that is empty stays as it is.
    News {
        webhook_secret: String,
    },
    Identity,
    /// Refused once there are contacts.
    Strategy,
}

impl Calls {
    pub async fn accounts(&self, page_token: &str) -> Answer<Page<Account>> {
        self.account_page(PAGE, page_token).await
    }

    /// Those whose names contain this, in whatever letters, as many as a page has; looked for among
    /// the first 2,000.
    pub async fn accounts_named(&self, part: &str) -> Answer<Vec<Account>> {
        let wanted = part.to_lowercase();
        let (mut found, mut token) = (Vec::new(), String::new());
        for _ in 0..2 {
            let page = self.account_page(LOOKED_AT, &token).await?;
            let named = page.items.into_iter();
            found.extend(named.filter(|account| account.name.to_lowercase().contains(&wanted)));
            token = page.next;
            if token.is_empty() {
                break;
            }
        }
        found.truncate(PAGE as usize);
        Ok(found)
    }

    async fn account_page(&self, size: i32, page_token: &str) -> Answer<Page<Account>> {
        let request = wire::ListAccountsRequest {
            page_size: size,
            page_token: page_token.to_owned(),
            ..Default::default()
        };
        let answer = call!("mapping", self.mapping, list_accounts, request)?;
        Ok(Page {
            items: answer.accounts.into_iter().map(account).collect(),
            next: answer.next_page_token,
        })
    }

    pub async fn account(&self, id: &str) -> Answer<Account> {
        let request = wire::GetAccountRequest {
            account_id: id.to_owned(),
            name: String::new(),
        };
        let answer = call!("mapping", self.mapping, get_account, request)?;
        answer.account.map(account).ok_or_else(nothing)
    }

    /// Changes one part of an account, which stands as it was seen; refused where anything was
    /// changed since. Other parts stay.
    pub async fn put_account(
        &self,
        account: &Account,
        part: AccountPart,
        wish: &str,
    ) -> Answer<()> {
        let mut request = wire::PutAccountRequest {
            account_id: account.id.clone(),
            name: account.name.clone(),
            request_id: wish.to_owned(),
            expected_version: Some(account.settings_version),
            ..Default::default()
        };
        match part {
            AccountPart::Plan => {
                request.plan = Some(wire::Plan {
                    included_contacts: Some(account.included_contacts),
                    additional_contacts: Some(account.additional_contacts),
                    activity_slots: Some(account.activity_slots),
                    profile_factor: Some(account.profile_factor),
                    activity_factor: Some(account.activity_factor),
                });
            }
            AccountPart::News { webhook_secret } => {
                request.notification_address = Some(account.notification_address.clone());
                request.webhook_url = Some(account.webhook_url.clone());
                request.webhook_secret = (!webhook_secret.is_empty()).then_some(webhook_secret);
            }
            AccountPart::Identity => {
                let blocked = account.blocked.iter().map(|blocked| BlockedValue {
                    pattern: blocked.pattern.clone(),
                    kind: blocked.kind.clone(),
                });
                request.blocked_values = Some(BlockedValues {
                    blocked: blocked.collect(),
                    allowed_defaults: account.allowed_defaults.clone(),
                });
                request.keep_user_ids_apart = Some(account.keep_user_ids_apart);
            }
            AccountPart::Strategy => {
                request.key_strategy = wire_strategy(account.strategy).into();
            }
        }
        call!("mapping", self.mapping, put_account, request)?;
        Ok(())
    }

    /// What tells contacts apart; refused once there are some, and where anything of the account was
    /// changed since it was seen.
    pub async fn put_identifiers(&self, account: &Account, fields: &[String]) -> Answer<()> {
        let request = wire::PutAccountRequest {
            account_id: account.id.clone(),
            name: account.name.clone(),
            unique_identifiers: Some(wire::UniqueIdentifiers {
                field_ids: fields.to_vec(),
            }),
            key_strategy: wire_strategy(account.strategy).into(),
            expected_version: Some(account.settings_version),
            ..Default::default()
        };
        call!("mapping", self.mapping, put_account, request)?;
        Ok(())
    }

    /// How many contacts, how many of them would go into others, and how many would lose a value.
    pub async fn preview_reindex(
        &self,
        account: &str,
        fields: &[String],
        strategy: Strategy,
    ) -> Answer<(i64, i64, i64)> {
        let request = contact::PreviewReindexRequest {
            account_id: account.to_owned(),
            unique_identifiers: fields.to_vec(),
            key_strategy: wire_strategy(strategy).into(),
        };
        let answer = call!("contact-upsert", self.identity, preview_reindex, request)?;
        Ok((answer.contacts, answer.merged_contacts, answer.lost_values))
    }

    pub async fn start_reindex(
        &self,
        account: &str,
        fields: &[String],
        strategy: Strategy,
        wish: &str,
    ) -> Answer<()> {
        let request = contact::StartReindexRequest {
            account_id: account.to_owned(),
            unique_identifiers: fields.to_vec(),
            key_strategy: wire_strategy(strategy).into(),
            request_id: wish.to_owned(),
        };
        call!("contact-upsert", self.identity, start_reindex, request)?;
        Ok(())
    }

    /// The last one that there was.
    pub async fn reindex(&self, account: &str) -> Answer<Reindex> {
        let request = contact::GetReindexRequest {
            account_id: account.to_owned(),
        };
        let answer = call!("contact-upsert", self.identity, get_reindex, request)?;
        answer.reindex.map(reindex).ok_or_else(nothing)
    }
}

fn reindex(reindex: contact::Reindex) -> Reindex {
    Reindex {
        is_cleaning: reindex.state() == contact::ReindexState::Cleaning,
        is_done: reindex.state() == contact::ReindexState::Done,
        old: reindex.old_unique_identifiers,
        new: reindex.unique_identifiers,
        contacts: reindex.contacts,
        seen: reindex.seen_contacts,
        merged: reindex.merged_contacts,
        lost: reindex.lost_values,
        started: time(reindex.start_time),
        finished: time(reindex.finish_time),
    }
}

/// An answer without what it is about.
pub fn nothing() -> Trouble {
    Trouble::Failed {
        service: "mapping",
        says: "an empty answer".to_owned(),
        request: super::request_id(),
    }
}

fn wire_strategy(strategy: Strategy) -> KeyStrategy {
    match strategy {
        Strategy::Any => KeyStrategy::Any,
        Strategy::NextIfEmpty => KeyStrategy::NextIfEmpty,
    }
}

fn account(account: wire::Account) -> Account {
    let strategy = match account.key_strategy() {
        KeyStrategy::NextIfEmpty => Strategy::NextIfEmpty,
        _ => Strategy::Any,
    };
    let plan = account.plan.unwrap_or_default();
    let blocked = account.blocked_values.unwrap_or_default();
    Account {
        id: account.account_id,
        name: account.name,
        included_contacts: plan.included_contacts.unwrap_or_default(),
        additional_contacts: plan.additional_contacts.unwrap_or_default(),
        activity_slots: plan.activity_slots.unwrap_or_default(),
        profile_factor: plan.profile_factor.unwrap_or_default(),
        activity_factor: plan.activity_factor.unwrap_or_default(),
        mapped_activities: account.mapped_activities,
        notification_address: account.notification_address,
        webhook_url: account.webhook_url,
        unique_identifiers: account.unique_identifiers,
        next_unique_identifiers: account.next_unique_identifiers,
        strategy,
        keep_user_ids_apart: account.keep_user_ids_apart,
        blocked: blocked
            .blocked
            .into_iter()
            .map(|blocked| Blocked {
                pattern: blocked.pattern,
                kind: blocked.kind,
            })
            .collect(),
        allowed_defaults: blocked.allowed_defaults,
        settings_version: account.settings_version,
    }
}
