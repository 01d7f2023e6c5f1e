//! The relay: tells activity and audience what happened to identifiers and contacts.
//!
//! At least once, any number of replicas, in any order: receivers go by versions. A message
//! is dropped after both have taken it. Each replica tells what it wrote itself; what was left in
//! the table is looked for by one of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;
use weir_ids::AccountId;
use weir_postgres::Sole;
use weir_service::Pulse;

use super::{App, Error};
use crate::clients::{Peers, Undelivered};
use crate::domain::Message;
use crate::metrics;
use crate::store::{OutboxRow, Parcel, first_id_of};

/// What another replica left is found in the table, as is what failed before.
const POLL: Duration = Duration::from_secs(1);
/// A row of the outbox that is younger is under way in some replica's memory. Where clocks
/// differ by more, it is told twice, or later.
const UNDER_WAY: TimeDelta = TimeDelta::seconds(2);
/// Receivers that are away are asked again after this, then twice as long, up to the last.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// Accounts in one round, so that a loud one waits for the others.
const ACCOUNTS: i64 = 100;
/// Accounts whose rows could not be read or dropped in one round; then all of the table is
/// taken to be away.
const MAX_FAILURES: u32 = 3;
/// Behind it come all.
const FIRST_ACCOUNT: AccountId = AccountId(Uuid::nil());
/// One delivery, of several calls and statements, each at the end of its time.
pub const RELAY_BEATS: Duration = Duration::from_secs(60);
/// Batches in one call.
const MESSAGES: usize = 16;

/// Delivers for ever: what batches of this process wrote, as they write it; and what was left
/// in the table, by a process that ended or while somebody was away, every second, in the replica
/// whose turn that is. With growing pauses while a receiver is away, in which others have their
/// turn; while only the table is, what is in memory is told on.
pub async fn relay(
    app: App,
    peers: Peers,
    mut written: mpsc::Receiver<OutboxRow>,
    mut sole: Sole,
    pulse: Pulse,
) {
    let (mut receivers, mut table) = (FIRST_BACKOFF, FIRST_BACKOFF);
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows = Vec::new();
    let mut lap = Lap::default();
    loop {
        pulse.beat();
        let round = tokio::select! {
            _ = poll.tick() => if sole.is_mine().await {
                tell_left(&app, &peers, &mut lap, &pulse).await
            } else {
                lap = Lap::default();
                metrics::outbox_waits(None, app.clock.now());
                Round::Quiet
            },
            _ = written.recv_many(&mut rows, MESSAGES) => {
                tell_written(&app, &peers, std::mem::take(&mut rows), &pulse).await
            }
        };
        match round {
            Round::Quiet => (receivers, table) = (FIRST_BACKOFF, FIRST_BACKOFF),
            Round::More => {
                (receivers, table) = (FIRST_BACKOFF, FIRST_BACKOFF);
                poll.reset_immediately();
            }
            Round::Refused => metrics::undelivered(),
            Round::TableAway => {
                metrics::undelivered();
                sole.give_up(table).await;
                poll.reset_after(table);
                table = (table * 2).min(LAST_BACKOFF);
            }
            Round::ReceiversAway => {
                metrics::undelivered();
                sole.give_up(receivers).await;
                tokio::time::sleep(receivers).await;
                receivers = (receivers * 2).min(LAST_BACKOFF);
            }
        }
    }
}

/// Once through all accounts that are marked.
#[derive(Default)]
struct Lap {
    /// The last account that was looked at; none at its beginning.
    after: Option<AccountId>,
    /// The oldest message that was found to wait.
    oldest: Option<Uuid>,
}

/// How a round went; where several things happened, the last of these counts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Round {
    Quiet,
    /// Some account's messages were, which is for itself.
    Refused,
    TableAway,
    /// There may be more in the table.
    More,
    ReceiversAway,
}

/// What batches wrote lately, a call for each account.
async fn tell_written(app: &App, peers: &Peers, mut rows: Vec<OutboxRow>, pulse: &Pulse) -> Round {
    rows.sort_by_key(OutboxRow::account);
    let mut round = Round::Quiet;
    for rows in rows.chunk_by(|one, next| one.account() == next.account()) {
        pulse.beat();
        match app.deliver_written(peers, rows).await {
            Ok(Delivery::Done | Delivery::Nothing) => {}
            // What one account's messages fail at must not hold up the others; a receiver
            // that is away is so for all.
            Ok(Delivery::Failed(Undelivered::Refused)) => round = round.max(Round::Refused),
            Ok(Delivery::Failed(Undelivered::Away)) => return Round::ReceiversAway,
            // They were told, and will be once more.
            Err(_) => round = round.max(Round::Refused),
        }
    }
    round
}

/// One delivery for each of the next accounts for which something was left.
async fn tell_left(app: &App, peers: &Peers, lap: &mut Lap, pulse: &Pulse) -> Round {
    let now = app.clock.now();
    let after = lap.after.unwrap_or(FIRST_ACCOUNT);
    let Ok(marked) = app.background.marked(after, ACCOUNTS).await else {
        return Round::TableAway;
    };
    let is_full = marked.len() as i64 >= ACCOUNTS;
    let last = marked.last().filter(|_| is_full);
    lap.after = last.map(|(account, _)| *account);
    let Ok(accounts) = app.with_messages(marked, now, lap, pulse).await else {
        return Round::TableAway;
    };
    if lap.after.is_none() {
        metrics::outbox_waits(lap.oldest.take(), now);
    }
    let mut round = Round::Quiet;
    let mut failures = 0;
    for account in accounts {
        pulse.beat();
        match app.deliver_left(peers, account, MESSAGES as i64).await {
            Ok(Delivery::Done) => round = round.max(Round::More),
            Ok(Delivery::Nothing) => {}
            Ok(Delivery::Failed(Undelivered::Refused)) => round = round.max(Round::Refused),
            Ok(Delivery::Failed(Undelivered::Away)) => return Round::ReceiversAway,
            // Where accounts are spread over servers, one of these may be away.
            Err(_) => {
                failures += 1;
                round = round.max(Round::TableAway);
                if failures == MAX_FAILURES {
                    return Round::TableAway;
                }
            }
        }
    }
    round
}

impl App {
    /// Those of these accounts for which something was not told in time. One that can't be looked
    /// at keeps no other: where accounts are spread over servers, one of these may be away.
    ///
    /// # Errors
    /// When PostgreSQL is away.
    async fn with_messages(
        &self,
        marked: Vec<(AccountId, DateTime<Utc>)>,
        now: DateTime<Utc>,
        lap: &mut Lap,
        pulse: &Pulse,
    ) -> Result<Vec<AccountId>, Error> {
        let before = now - UNDER_WAY;
        let mut waiting = Vec::new();
        let mut failures = 0;
        for (account, until) in marked {
            pulse.beat();
            match self.background.oldest_message(account, until, now).await {
                Ok(Some(row)) if row < first_id_of(before) => {
                    waiting.push(account);
                    lap.oldest = lap.oldest.min(Some(row)).or(Some(row));
                }
                Ok(_) => {}
                Err(failure) => {
                    failures += 1;
                    if failures == MAX_FAILURES {
                        return Err(failure.into());
                    }
                }
            }
        }
        Ok(waiting)
    }

    /// Tells of rows of one account that were written here, and drops them when that succeeded.
    ///
    /// # Errors
    /// When PostgreSQL is away. What could not be told stays in the table, and is no error here.
    async fn deliver_written(&self, peers: &Peers, rows: &[OutboxRow]) -> Result<Delivery, Error> {
        if let Err(undelivered) = tell(peers, rows).await {
            return Ok(Delivery::Failed(undelivered));
        }
        self.background.delivered(rows).await?;
        Ok(Delivery::Done)
    }

    /// Tells of up to `limit` rows of an account that nobody told in time, and drops them when
    /// that succeeded.
    ///
    /// # Errors
    /// When PostgreSQL is away. What could not be told stays, and is no error here.
    async fn deliver_left(
        &self,
        peers: &Peers,
        account: AccountId,
        limit: i64,
    ) -> Result<Delivery, Error> {
        let mut client = self.background.client().await?;
        let before = self.clock.now() - UNDER_WAY;
        let Some(parcel) = Parcel::claim(&mut client, account, before, limit).await? else {
            return Ok(Delivery::Nothing);
        };
        if let Err(undelivered) = tell(peers, parcel.rows()).await {
            return Ok(Delivery::Failed(undelivered));
        }
        parcel.delivered().await?;
        Ok(Delivery::Done)
    }
}

/// Rows of one account.
async fn tell(peers: &Peers, rows: &[OutboxRow]) -> Result<(), Undelivered> {
    let messages: Vec<Message<'_>> = rows.iter().filter_map(OutboxRow::message).collect();
    peers.tell(rows[0].account(), &messages).await?;
    let told = messages.iter();
    metrics::delivered(told.map(|told| told.links.len() + told.merges.len()).sum());
    Ok(())
}

/// What became of a delivery.
enum Delivery {
    /// There was nothing, or another replica has it.
    Nothing,
    Done,
    Failed(Undelivered),
}
