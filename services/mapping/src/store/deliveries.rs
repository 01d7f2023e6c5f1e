//! The outbox of mails and webhook calls.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_ids::{AccountId, SourceId};
use weir_postgres::{Failure, Tx, work};

use super::accounts::read_webhook;
use super::codes::Code;
use super::{Client, Connection, begin, commit, corrupt, execute, listed, row, rows};
use crate::domain::Listed;
use crate::domain::alert::AlertKind;
use crate::domain::delivery::{Channel, Delivery, DeliveryState, Undelivered};
use crate::domain::news::{AlertNews, News, NewsSource, What};
use crate::domain::webhook::{self, Webhook};

/// With all that it tells of; `d` is the delivery.
const SELECT: &str = "SELECT d.account_id, d.delivery_id, d.channel, d.state, d.alert_id,
        d.source_id, d.receiver, d.file, d.error, d.tries, d.create_time, d.next_try_time,
        d.sent_time, a.name AS account_name, a.notification_address, a.webhook_url,
        a.webhook_secret, s.name AS source_name, l.kind, l.subject, l.message, l.value
    FROM deliveries d JOIN accounts a ON a.account_id = d.account_id
    LEFT JOIN sources s ON s.account_id = d.account_id AND s.source_id = d.source_id
    LEFT JOIN alerts l ON l.account_id = d.account_id AND l.alert_id = d.alert_id";

/// As [`work`] names what an account has of it: a mail, or a call, from when on; and anything
/// that did not get through.
const MAIL: &str = "mail";
const WEBHOOK: &str = "webhook";
const UNDELIVERED: &str = "undelivered";

fn task_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Mail => MAIL,
        Channel::Webhook => WEBHOOK,
    }
}

/// What a delivery tells of.
#[derive(Debug, Clone, Copy)]
pub enum Told {
    Arrived(SourceId),
    Alert(Uuid, Option<SourceId>),
}

/// One that was claimed, and where it goes now.
#[derive(Debug)]
pub struct Claimed {
    pub delivery: Delivery,
    pub webhook: Option<Webhook>,
}

/// One for the account's notification address, and one for its webhook where it has one.
pub async fn insert_deliveries(
    client: &impl Client,
    account_id: AccountId,
    told: Told,
    has_webhook: bool,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let (alert, source) = match told {
        Told::Arrived(source) => (None, Some(source)),
        Told::Alert(alert, source) => (Some(alert), source),
    };
    let channels: &[Channel] = match has_webhook {
        true => &[Channel::Mail, Channel::Webhook],
        false => &[Channel::Mail],
    };
    for channel in channels {
        work::note(client, account_id, task_of(*channel), now).await?;
    }
    work::note(client, account_id, UNDELIVERED, now).await?;
    let ids: Vec<Uuid> = channels.iter().map(|_| weir_ids::fresh()).collect();
    let channels: Vec<i16> = channels.iter().map(|channel| channel.code()).collect();
    let insert = "INSERT INTO deliveries (account_id, delivery_id, channel, state, alert_id,
            source_id, receiver, file, error, tries, create_time, next_try_time)
        SELECT a.account_id, u.id, u.channel, 1, $4::uuid, $5::uuid, '', '', '', 0,
            $6::timestamptz, $6
        FROM accounts a CROSS JOIN unnest($2::uuid[], $3::smallint[]) AS u (id, channel)
        WHERE a.account_id = $1";
    let source = source.map(|id| id.0);
    let params: super::Params<'_> = &[&account_id.0, &ids, &channels, &alert, &source, &now];
    execute(client, insert, params).await?;
    Ok(())
}

/// One that is due.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    pub account_id: AccountId,
    pub delivery_id: Uuid,
    pub channel: Channel,
}

/// Up to `limit` that are due, those of accounts first that wait for longest; mails only where
/// they `may_be`.
pub async fn due_deliveries(
    client: &mut Connection,
    now: DateTime<Utc>,
    mails_may_be: bool,
    limit: i64,
) -> Result<Vec<Due>, Failure> {
    let channels: &[Channel] = match mails_may_be {
        true => &[Channel::Webhook, Channel::Mail],
        false => &[Channel::Webhook],
    };
    let mut due = Vec::new();
    for channel in channels {
        for (account_id, _) in work::due(client, task_of(*channel), now, limit).await? {
            let left = limit - i64::try_from(due.len()).unwrap_or(limit);
            if left <= 0 {
                return Ok(due);
            }
            let tx = begin(client, account_id);
            let select = "SELECT delivery_id FROM deliveries
                WHERE account_id = $1 AND state = 1 AND channel = $2 AND next_try_time <= $3
                ORDER BY next_try_time LIMIT $4";
            let params: super::Params<'_> = &[&account_id.0, &channel.code(), &now, &left];
            let found = rows(&tx, select, params).await?;
            if found.is_empty() {
                // They are being tried.
                settle(&tx, account_id).await?;
                commit(tx).await?;
            }
            due.extend(found.iter().map(|row| Due {
                account_id,
                delivery_id: row.get("delivery_id"),
                channel: *channel,
            }));
        }
    }
    Ok(due)
}

/// Notes when the account's next mail and call are due, and whether anything did not get through.
pub async fn settle(tx: &Tx<'_>, account_id: AccountId) -> Result<(), Failure> {
    for task in [MAIL, WEBHOOK, UNDELIVERED] {
        work::hold(tx, account_id, task).await?;
    }
    let select = "SELECT channel, min(next_try_time) AS next FROM deliveries
        WHERE account_id = $1 AND state = 1 GROUP BY channel";
    let waiting = rows(tx, select, &[&account_id.0]).await?;
    let next_of = |channel: Channel| {
        let row = waiting
            .iter()
            .find(|row| row.get::<_, i16>("channel") == channel.code());
        row.map(|row| row.get("next"))
    };
    for channel in [Channel::Mail, Channel::Webhook] {
        let task = task_of(channel);
        match next_of(channel) {
            Some(next) => work::put_off(tx, account_id, task, next).await?,
            None => work::strike(tx, account_id, task).await?,
        }
    }
    let select = "SELECT FROM deliveries WHERE account_id = $1 AND state > 2 LIMIT 1";
    if waiting.is_empty() && row(tx, select, &[&account_id.0]).await?.is_none() {
        work::strike(tx, account_id, UNDELIVERED).await?;
    }
    Ok(())
}

/// Takes one for a try, until `until`; none where another took it. Counts the try.
pub async fn claim_delivery(
    client: &impl Client,
    due: Due,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Claimed>, Failure> {
    let (account_id, delivery_id) = (due.account_id, due.delivery_id);
    let update = "UPDATE deliveries SET tries = tries + 1, next_try_time = $4
        WHERE account_id = $1 AND delivery_id = $2 AND state = 1 AND next_try_time <= $3";
    let params: super::Params<'_> = &[&account_id.0, &delivery_id, &now, &until];
    if execute(client, update, params).await? == 0 {
        return Ok(None);
    }
    let select = format!("{SELECT} WHERE d.account_id = $1 AND d.delivery_id = $2");
    let Some(row) = row(client, &select, &[&account_id.0, &delivery_id]).await? else {
        return Ok(None);
    };
    Ok(Some(Claimed {
        delivery: read_delivery(&row)?,
        webhook: read_webhook(&row)?,
    }))
}

/// Stores how a try went. One that another took meanwhile, since this one took too long, keeps
/// what that one says, but for a success.
pub async fn finish_delivery(
    connection: &mut Connection,
    delivery: &Delivery,
) -> Result<(), Failure> {
    let tx = begin(connection, delivery.account_id);
    let update = "UPDATE deliveries SET state = $3, receiver = $4, file = $5, error = $6,
            next_try_time = $7, sent_time = $8
        WHERE account_id = $1 AND delivery_id = $2 AND state <> 2 AND (tries = $9 OR $3::smallint = 2)";
    execute(
        &tx,
        update,
        &[
            &delivery.account_id.0,
            &delivery.delivery_id,
            &delivery.state.code(),
            &delivery.receiver,
            &delivery.file,
            &delivery.error,
            &delivery.next_try_time,
            &delivery.sent_time,
            &i32::try_from(delivery.tries).unwrap_or(i32::MAX),
        ],
    )
    .await?;
    settle(&tx, delivery.account_id).await?;
    commit(tx).await
}

/// Accounts behind `after` of which something did not get through, in order.
pub async fn accounts_undelivered(
    client: &Connection,
    after: AccountId,
    limit: i64,
) -> Result<Vec<AccountId>, Failure> {
    let accounts = work::after(client, UNDELIVERED, after, limit).await?;
    Ok(accounts.into_iter().map(|(account, _)| account).collect())
}

/// Whether the account has mail that is kept although it has an address to go to.
pub async fn has_kept_mail(client: &impl Client, account_id: AccountId) -> Result<bool, Failure> {
    let select = "SELECT FROM deliveries d JOIN accounts a ON a.account_id = d.account_id
        WHERE d.account_id = $1 AND d.state = 3 AND a.notification_address <> '' LIMIT 1";
    Ok(row(client, select, &[&account_id.0]).await?.is_some())
}

/// Has what was kept or given up of an account tried anew.
pub async fn revive_deliveries(
    client: &impl Client,
    account_id: AccountId,
    channel: Channel,
    state: DeliveryState,
    now: DateTime<Utc>,
) -> Result<u64, Failure> {
    let update = "UPDATE deliveries SET state = 1, tries = 0, next_try_time = $4
        WHERE account_id = $1 AND channel = $2 AND state = $3";
    let params: super::Params<'_> = &[&account_id.0, &channel.code(), &state.code(), &now];
    let revived = execute(client, update, params).await?;
    if revived > 0 {
        work::note(client, account_id, task_of(channel), now).await?;
    }
    Ok(revived)
}

/// Newest first, before `before`.
pub async fn list_deliveries(
    client: &impl Client,
    account_id: AccountId,
    unsent: bool,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Listed<Uuid, Delivery>>, Failure> {
    let before = before.unwrap_or(Uuid::max());
    let select = format!(
        "{SELECT} WHERE d.account_id = $1 AND d.delivery_id < $2 AND (NOT $3 OR d.state <> 2)
         ORDER BY d.delivery_id DESC LIMIT $4"
    );
    let found = rows(client, &select, &[&account_id.0, &before, &unsent, &limit]).await?;
    Ok(listed(&found, |row| row.get("delivery_id"), read_delivery))
}

/// The mail that data arrived from a source.
pub async fn arrival_mail(
    client: &impl Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<Option<Delivery>, Failure> {
    let select = format!(
        "{SELECT} WHERE d.account_id = $1 AND d.source_id = $2 AND d.alert_id IS NULL
            AND d.channel = 1
         ORDER BY d.delivery_id DESC LIMIT 1"
    );
    let found = row(client, &select, &[&account_id.0, &source_id.0]).await?;
    found.as_ref().map(read_delivery).transpose()
}

/// How many mails and calls of an account are where.
pub async fn count_undelivered(
    client: &impl Client,
    account_id: AccountId,
) -> Result<Undelivered, Failure> {
    let select = "SELECT count(*) FILTER (WHERE state = 1) AS waiting,
            count(*) FILTER (WHERE state = 3) AS kept, count(*) FILTER (WHERE state = 4) AS given_up
        FROM deliveries WHERE account_id = $1 AND (state = 1 OR state > 2)";
    let found = row(client, select, &[&account_id.0]).await?;
    Ok(found.map_or_else(Undelivered::default, |row| Undelivered {
        waiting: row.get("waiting"),
        kept: row.get("kept"),
        given_up: row.get("given_up"),
    }))
}

/// The last of an account that did not get through at once.
pub async fn last_undelivered(
    client: &impl Client,
    account_id: AccountId,
    limit: i64,
) -> Result<Vec<Listed<Uuid, Delivery>>, Failure> {
    let select = format!(
        "{SELECT} WHERE d.account_id = $1 AND ((d.state = 1 AND d.error <> '') OR d.state > 2)
         ORDER BY d.delivery_id DESC LIMIT $2"
    );
    let found = rows(client, &select, &[&account_id.0, &limit]).await?;
    Ok(listed(&found, |row| row.get("delivery_id"), read_delivery))
}

/// Drops what was written before a time, up to a thousand; answers the files of those that were
/// never sent, and how many there were in all.
pub async fn forget_deliveries(
    client: &impl Client,
    account_id: AccountId,
    before: DateTime<Utc>,
) -> Result<(Vec<String>, usize), Failure> {
    let delete = "DELETE FROM deliveries WHERE account_id = $1 AND delivery_id IN
        (SELECT delivery_id FROM deliveries WHERE account_id = $1 AND create_time < $2 LIMIT 1000)
        RETURNING state, file";
    let found = rows(client, delete, &[&account_id.0, &before]).await?;
    let unsent = |row: &&Row| row.get::<_, i16>("state") != DeliveryState::Sent.code();
    let files = found.iter().filter(unsent).map(|row| row.get("file"));
    Ok((files.collect(), found.len()))
}

/// Mails that tell of these alerts have no file any more; answers those that they had. What is
/// kept is written anew when it is sent.
pub async fn forget_files(
    client: &impl Client,
    account_id: AccountId,
    alerts: &[Uuid],
) -> Result<Vec<String>, Failure> {
    let select = "SELECT file FROM deliveries
        WHERE account_id = $1 AND alert_id = ANY ($2) AND file <> '' FOR UPDATE";
    let found = rows(client, select, &[&account_id.0, &alerts]).await?;
    let update = "UPDATE deliveries SET file = ''
        WHERE account_id = $1 AND alert_id = ANY ($2) AND file <> ''";
    execute(client, update, &[&account_id.0, &alerts]).await?;
    Ok(found.iter().map(|row| row.get("file")).collect())
}

fn read_delivery(row: &Row) -> Result<Delivery, Failure> {
    let channel = Channel::of(row.get("channel"))?;
    let sent_time: Option<DateTime<Utc>> = row.get("sent_time");
    let mut receiver: String = row.get("receiver");
    if sent_time.is_none() {
        receiver = match channel {
            Channel::Mail => row.get("notification_address"),
            Channel::Webhook => webhook::shown(row.get("webhook_url")),
        };
    }
    let source_id: Option<Uuid> = row.get("source_id");
    let source_name: Option<String> = row.get("source_name");
    let alert_id: Option<Uuid> = row.get("alert_id");
    let account_id = AccountId(row.get("account_id"));
    let create_time = row.get("create_time");
    Ok(Delivery {
        account_id,
        delivery_id: row.get("delivery_id"),
        channel,
        state: DeliveryState::of(row.get("state"))?,
        news: News {
            account_id,
            account: row.get("account_name"),
            source: source_id.map(|id| NewsSource {
                source_id: SourceId(id),
                name: source_name.unwrap_or_default(),
            }),
            what: match alert_id {
                Some(alert_id) => What::Alert(read_alert(row, alert_id)?),
                None => What::Arrived,
            },
            time: create_time,
        },
        receiver,
        file: row.get("file"),
        error: row.get("error"),
        tries: row.get::<_, i32>("tries").try_into().unwrap_or(0),
        create_time,
        sent_time,
        next_try_time: row.get("next_try_time"),
    })
}

/// Alerts and their deliveries are forgotten together; an alert never first.
fn read_alert(row: &Row, alert_id: Uuid) -> Result<AlertNews, Failure> {
    let (kind, subject): (Option<i16>, Option<String>) = (row.get("kind"), row.get("subject"));
    let (message, value): (Option<String>, Option<String>) = (row.get("message"), row.get("value"));
    let gone = || corrupt("alert of a delivery");
    Ok(AlertNews {
        alert_id,
        kind: AlertKind::of(kind.ok_or_else(gone)?)?,
        subject: subject.ok_or_else(gone)?,
        message: message.ok_or_else(gone)?,
        value: value.ok_or_else(gone)?,
    })
}
