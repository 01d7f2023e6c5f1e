//! The desk: writes news down, and sees to it that it gets to the people of an account.
//!
//! **Invariant:** news is written with what it tells of, in one transaction, and is dropped only
//! once it was delivered, or after 90 days. A try is claimed in the row before it begins, so that
//! two replicas don't make it at once; one that a crash cut short comes again when its claim ran
//! out. So news comes once, but for a crash between the server's answer and our note of it.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::{Failure, Pool, Scoped, Sole};
use weir_service::{Clock, Pulse};

use super::Error;
use crate::clients::{Mailer, Webhooks};
use crate::domain::account::Account;
use crate::domain::alert::{KEPT_DAYS, MAX_ALERTS_A_DAY, NewAlert, Raised};
use crate::domain::delivery::{Channel, Delivery, DeliveryState, Failed, next_try};
use crate::domain::news::{News, What};
use crate::domain::webhook::{self, Webhook};
use crate::metrics;
use crate::store::{self, Claimed, Due, Told};

/// How soon news leaves.
const POLL: Duration = Duration::from_millis(500);
/// In one round: webhooks at once, mails one after another.
const ROUND: i64 = 32;
/// Longer than a try takes.
const CLAIM: TimeDelta = TimeDelta::minutes(2);
/// The longest between two beats is one mail, or the slowest webhook.
pub const WITHIN: Duration = Duration::from_secs(60);
/// A mail server that is away is left alone, for all mails, for so long: doubled up to the last.
const FIRST_REST: Duration = Duration::from_secs(1);
const LAST_REST: Duration = Duration::from_secs(60);
/// How often what is kept is looked at again, and what is old forgotten.
const REVIVE: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(3_600);
/// A round that failed gives another replica its turn.
const REST: Duration = Duration::from_secs(5);
/// A test is answered before the ten seconds of a call are over.
const TEST: Duration = Duration::from_secs(8);
/// Accounts in one look.
const ACCOUNTS: i64 = 500;

/// What news needs.
#[derive(Clone)]
pub struct Desk {
    pool: Pool,
    mailer: Mailer,
    webhooks: Webhooks,
    clock: Clock,
}

impl Desk {
    pub fn new(pool: Pool, mailer: Mailer, webhooks: Webhooks, clock: Clock) -> Self {
        Self {
            pool,
            mailer,
            webhooks,
            clock,
        }
    }

    pub fn mailer(&self) -> &Mailer {
        &self.mailer
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) async fn connection(&self) -> Result<store::Connection, Failure> {
        store::connection(&self.pool).await
    }

    pub(super) async fn scoped(&self, account: AccountId) -> Result<Scoped, Failure> {
        store::scoped(&self.pool, account).await
    }

    /// Raises alerts, each with the deliveries that tell of it, in one transaction.
    pub async fn raise(&self, account_id: AccountId, alerts: &[NewAlert]) -> Result<Raised, Error> {
        let mut client = store::connection(&self.pool).await?;
        let transaction = store::begin(&mut client, account_id);
        let locked = store::lock_account(&transaction, account_id).await?;
        let locked = locked.ok_or(Error::NotFound("account"))?;
        let has_webhook = locked.settings.webhook.is_some();
        let mut raised = Raised::default();
        for alert in alerts {
            if store::repeat_alert(&transaction, account_id, alert).await? {
                raised.repeated += 1;
                continue;
            }
            let today = store::count_alerts(&transaction, account_id, alert.day()).await?;
            if today >= MAX_ALERTS_A_DAY {
                raised.dropped += 1;
                continue;
            }
            let id = weir_ids::fresh();
            store::insert_alert(&transaction, account_id, id, alert).await?;
            let (told, now) = (Told::Alert(id, alert.source_id), self.clock.now());
            store::insert_deliveries(&transaction, account_id, told, has_webhook, now).await?;
            raised.raised += 1;
        }
        store::commit(transaction).await?;
        metrics::alerts(raised);
        if raised.dropped > 0 {
            tracing::warn!(account = %account_id, dropped = raised.dropped, "too many alerts a day");
        }
        Ok(raised)
    }

    /// A mail and a call to where the account's news goes, now, and what came of each.
    pub async fn test(&self, account: Account) -> Vec<Delivery> {
        let settings = account.settings;
        let of = |channel, receiver: String| Delivery {
            account_id: account.account_id,
            delivery_id: weir_ids::fresh(),
            channel,
            state: DeliveryState::Waiting,
            news: News {
                account_id: account.account_id,
                account: settings.name.clone(),
                source: None,
                what: What::Test,
                time: self.clock.now(),
            },
            receiver,
            file: String::new(),
            error: String::new(),
            tries: 1,
            create_time: self.clock.now(),
            sent_time: None,
            next_try_time: self.clock.now(),
        };
        let address = settings.notification_address.clone();
        let mail = (!address.is_empty()).then(|| of(Channel::Mail, address));
        let webhook = settings.webhook.as_ref();
        let call = webhook.map(|webhook| of(Channel::Webhook, webhook::shown(&webhook.url)));
        let (mail, call) = tokio::join!(
            self.attempt_now(mail, None),
            self.attempt_now(call, webhook)
        );
        mail.into_iter().chain(call).collect()
    }

    /// One try that nobody makes again, within the time that a call has.
    async fn attempt_now(
        &self,
        delivery: Option<Delivery>,
        webhook: Option<&Webhook>,
    ) -> Option<Delivery> {
        let delivery = delivery?;
        let attempt = self.attempt(delivery.clone(), webhook);
        let mut tried = match tokio::time::timeout(TEST, attempt).await {
            Ok((tried, _)) => tried,
            Err(_) => Delivery {
                error: format!("no answer within {} s", TEST.as_secs()),
                ..delivery
            },
        };
        if tried.state == DeliveryState::Waiting {
            tried.state = DeliveryState::GivenUp;
        }
        Some(tried)
    }

    /// One try; also whether the mail server is away.
    async fn attempt(&self, mut delivery: Delivery, webhook: Option<&Webhook>) -> (Delivery, bool) {
        let has_server = self.mailer.server().is_some();
        let tried = match delivery.channel {
            Channel::Mail if delivery.receiver.is_empty() || !has_server => {
                let kept = self.keep(&mut delivery).await;
                kept.map(|()| DeliveryState::Kept)
            }
            Channel::Mail => {
                let (id, to) = (delivery.delivery_id, &delivery.receiver);
                let sent = self.mailer.send(id, &delivery.news, to).await;
                sent.map(|()| DeliveryState::Sent)
            }
            Channel::Webhook => {
                let called = self.call(&delivery, webhook).await;
                called.map(|()| DeliveryState::Sent)
            }
        };
        let now = self.clock.now();
        let mut is_away = false;
        match tried {
            Ok(state) => {
                delivery.state = state;
                delivery.error = String::new();
                if state == DeliveryState::Sent {
                    delivery.sent_time = Some(now);
                    self.mailer.discard(&delivery.file).await;
                    delivery.file = String::new();
                }
            }
            Err(failed) => {
                is_away = failed.is_away;
                delivery.error = failed.line();
                match next_try(&failed, delivery.tries, delivery.create_time, now) {
                    Some(time) => delivery.next_try_time = time,
                    None => {
                        delivery.state = DeliveryState::GivenUp;
                        if delivery.channel == Channel::Mail {
                            // Without a file it is still there, in its row.
                            let _ = self.keep(&mut delivery).await;
                        }
                    }
                }
            }
        }
        metrics::deliveries(delivery.channel, delivery.state);
        (delivery, is_away)
    }

    async fn keep(&self, delivery: &mut Delivery) -> Result<(), Failed> {
        // Of tests the last one is enough.
        let name = match delivery.news.what {
            What::Test => format!("test-{}", delivery.account_id),
            _ => delivery.delivery_id.to_string(),
        };
        let (id, to) = (delivery.delivery_id, &delivery.receiver);
        let file = self.mailer.keep(&name, id, &delivery.news, to).await?;
        delivery.file = file.map_or_else(String::new, |file| file.display().to_string());
        Ok(())
    }

    async fn call(&self, delivery: &Delivery, webhook: Option<&Webhook>) -> Result<(), Failed> {
        let gone = || Failed::for_good("the account has no webhook any more");
        let webhook = webhook.ok_or_else(gone)?;
        let (id, news) = (delivery.delivery_id, &delivery.news);
        let (console, now) = (self.mailer.console(), self.clock.now());
        self.webhooks.call(id, news, console, webhook, now).await
    }

    /// Claims one, tries it, and notes how it went; answers whether the mail server is away.
    async fn handle(&self, due: Due) -> Result<bool, Failure> {
        let client = self.scoped(due.account_id).await?;
        let now = self.clock.now();
        let claimed = store::claim_delivery(&client, due, now, now + CLAIM).await?;
        // Nobody else waits for a connection meanwhile.
        drop(client);
        let Some(Claimed { delivery, webhook }) = claimed else {
            return Ok(false);
        };
        let (delivery, is_away) = self.attempt(delivery, webhook.as_ref()).await;
        let mut client = self.connection().await?;
        store::finish_delivery(&mut client, &delivery).await?;
        Ok(is_away)
    }

    /// What is kept although there is a server, and an address, is to be sent.
    async fn revive_kept(&self, pulse: &Pulse) -> Result<(), Failure> {
        if self.mailer.server().is_none() {
            return Ok(());
        }
        let mut client = self.connection().await?;
        let mut last = AccountId(Uuid::nil());
        loop {
            let accounts = store::accounts_undelivered(&client, last, ACCOUNTS).await?;
            let Some(newest) = accounts.last() else {
                return Ok(());
            };
            last = *newest;
            for account in accounts {
                pulse.beat();
                let tx = store::begin(&mut client, account);
                if !store::has_kept_mail(&tx, account).await? {
                    continue;
                }
                let (channel, state) = (Channel::Mail, DeliveryState::Kept);
                let now = self.clock.now();
                let mails = store::revive_deliveries(&tx, account, channel, state, now).await?;
                store::commit(tx).await?;
                tracing::info!(account = %account, mails, "kept mail is sent now");
            }
        }
    }

    /// Drops what is older than it is kept, account by account.
    async fn forget(&self, pulse: &Pulse) -> Result<(), Failure> {
        let before = self.clock.now() - TimeDelta::days(KEPT_DAYS);
        let mut last = AccountId(Uuid::nil());
        loop {
            let accounts = {
                let client = self.connection().await?;
                store::accounts_after(&client, last, ACCOUNTS).await?
            };
            let Some(newest) = accounts.last() else {
                return Ok(());
            };
            last = *newest;
            for account in accounts {
                pulse.beat();
                let scoped = self.scoped(account).await?;
                let has_forgotten = self.forget_of(&scoped, account, before).await?;
                drop(scoped);
                if has_forgotten {
                    let mut client = self.connection().await?;
                    let tx = store::begin(&mut client, account);
                    store::settle(&tx, account).await?;
                    store::commit(tx).await?;
                }
            }
        }
    }

    /// Whether any of what was told went.
    async fn forget_of(
        &self,
        client: &impl store::Client,
        account: AccountId,
        before: chrono::DateTime<chrono::Utc>,
    ) -> Result<bool, Failure> {
        let mut has_forgotten = false;
        loop {
            let (unsent, count) = store::forget_deliveries(client, account, before).await?;
            for file in &unsent {
                self.mailer.discard(file).await;
            }
            if !unsent.is_empty() {
                let count = unsent.len();
                tracing::warn!(account = %account, count, "news was never delivered, and is forgotten");
            }
            if count == 0 {
                break;
            }
            has_forgotten = true;
        }
        while store::forget_alerts(client, account, before.date_naive()).await? > 0 {}
        Ok(has_forgotten)
    }
}

/// When a thing is done next.
struct Clockwork {
    mail: Instant,
    rest: Duration,
    revive: Instant,
    forget: Instant,
}

/// Delivers for ever, on the replica whose turn it is.
pub async fn deliver(desk: Desk, mut sole: Sole, pulse: Pulse) {
    let now = Instant::now();
    let mut clockwork = Clockwork {
        mail: now,
        rest: FIRST_REST,
        revive: now,
        forget: now,
    };
    loop {
        pulse.beat();
        let mut is_full = false;
        if sole.is_mine().await {
            match round(&desk, &mut clockwork, &pulse).await {
                Ok(full) => is_full = full,
                Err(failure) => {
                    tracing::warn!(%failure, "news waits");
                    sole.give_up(REST).await;
                }
            }
        } else {
            // Whoever takes over looks at once at what is kept: it may have another server.
            clockwork.revive = Instant::now();
        }
        if !is_full {
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Answers whether there is more.
async fn round(desk: &Desk, clockwork: &mut Clockwork, pulse: &Pulse) -> Result<bool, Failure> {
    if clockwork.revive <= Instant::now() {
        desk.revive_kept(pulse).await?;
        clockwork.revive = Instant::now() + REVIVE;
    }
    if clockwork.forget <= Instant::now() {
        desk.forget(pulse).await?;
        clockwork.forget = Instant::now() + FORGET;
    }
    let mails_may_be = clockwork.mail <= Instant::now();
    let due = {
        let mut client = desk.connection().await?;
        store::due_deliveries(&mut client, desk.clock.now(), mails_may_be, ROUND).await?
    };
    let is_full = due.len() as i64 >= ROUND;
    let (mails, calls): (Vec<_>, Vec<_>) = due
        .into_iter()
        .partition(|due| due.channel == Channel::Mail);
    let mut calling = JoinSet::new();
    for due in calls {
        let desk = desk.clone();
        calling.spawn(async move { desk.handle(due).await.map(drop) });
    }
    for due in mails {
        pulse.beat();
        if desk.handle(due).await? {
            clockwork.mail = Instant::now() + clockwork.rest;
            clockwork.rest = (clockwork.rest * 2).min(LAST_REST);
            break;
        }
        clockwork.rest = FIRST_REST;
    }
    while let Some(called) = calling.join_next().await {
        pulse.beat();
        // One that panicked is claimed, and comes again.
        called.unwrap_or(Ok(()))?;
    }
    Ok(is_full)
}
