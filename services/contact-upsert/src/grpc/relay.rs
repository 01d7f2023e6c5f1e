//! The relay: tells activity and audience what happened to identifiers and contacts.
//!
//! At least once, any number of replicas, in any order: receivers go by versions. A message
//! is dropped after both have taken it.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tonic::{Code, Status};
use uuid::Uuid;
use weir_ids::AccountId;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::{IdentifierKind, IdentifierLink, LinkIdentifiersRequest};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_proto::settings::v1::ContactMerge;
use weir_rpc::wire::timestamp_of;
use weir_rpc::{Channel, Deadline, MAX_MESSAGE, NotAnAddress};
use weir_service::Pulse;

use crate::app::{App, Delivery};
use crate::domain::{Link, Message, Removal, USER_ID};
use crate::metrics;
use crate::store::OutboxRow;

/// What another replica left is found in the table, as is what failed before.
const POLL: Duration = Duration::from_secs(1);
/// Receivers that are away are asked again after this, then twice as long, up to the last.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// A call that attaches a large backlog takes its time; the rows stay claimed meanwhile.
const CALL: Duration = Duration::from_secs(8);
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
/// The contract's limit.
const MAX_LINKS: usize = 10_000;
/// As well.
const MAX_WISHES: usize = 1_000;

/// The services that are told.
#[derive(Clone)]
pub struct Peers {
    activity: ActivityServiceClient<Channel>,
    audience: AudienceServiceClient<Channel>,
}

impl Peers {
    /// Connects on first use.
    ///
    /// # Errors
    /// Where a URL is not one.
    pub fn connect(activity: &str, audience: &str) -> Result<Self, NotAnAddress> {
        Ok(Self {
            activity: ActivityServiceClient::new(weir_rpc::connect(activity)?)
                .max_encoding_message_size(MAX_MESSAGE),
            audience: AudienceServiceClient::new(weir_rpc::connect(audience)?)
                .max_encoding_message_size(MAX_MESSAGE),
        })
    }

    /// Tells both. Links first: an activity that waits for its contact is seen sooner.
    async fn tell(&mut self, account: AccountId, messages: &[Message<'_>]) -> Result<(), Status> {
        let merges: Vec<_> = messages.iter().flat_map(|m| &m.merges).copied().collect();
        let links = || messages.iter().flat_map(|message| &message.links);
        let count = links().count() + merges.len();
        let mut links = links().map(link_of);
        let mut merged = merges.iter().map(|(contact, survivor)| ContactMerge {
            contact_id: contact.to_string(),
            survivor_id: survivor.to_string(),
        });
        loop {
            let request = LinkIdentifiersRequest {
                account_id: account.to_string(),
                links: links.by_ref().take(MAX_LINKS).collect(),
                merges: merged.by_ref().take(MAX_LINKS).collect(),
            };
            if request.links.is_empty() && request.merges.is_empty() {
                break;
            }
            let request = Deadline::after(CALL).request(request)?;
            self.activity.link_identifiers(request).await?;
        }
        for merges in merges.chunks(MAX_LINKS) {
            let merges = merges.iter().map(|(contact, survivor)| ContactMerge {
                contact_id: contact.to_string(),
                survivor_id: survivor.to_string(),
            });
            let request = audience::MergeContactsRequest {
                account_id: account.to_string(),
                merges: merges.collect(),
            };
            let request = Deadline::after(CALL).request(request)?;
            self.audience.merge_contacts(request).await?;
        }
        self.apply_removes(account, messages).await?;
        metrics::delivered(count);
        Ok(())
    }

    /// Removes that were kept until their person became known, at their own times. What
    /// audience says of each is final: it was overtaken, or its audience is gone.
    async fn apply_removes(
        &mut self,
        account: AccountId,
        messages: &[Message<'_>],
    ) -> Result<(), Status> {
        let removals = messages.iter().flat_map(|message| &message.removals);
        let updates: Vec<audience::MembershipUpdate> = removals.map(update_of).collect();
        for updates in updates.chunks(MAX_WISHES) {
            let request = audience::ApplyMembershipUpdatesRequest {
                account_id: account.to_string(),
                updates: updates.to_vec(),
            };
            let request = Deadline::after(CALL).request(request)?;
            self.audience.apply_membership_updates(request).await?;
        }
        Ok(())
    }
}

fn update_of(removal: &Removal<'_>) -> audience::MembershipUpdate {
    let Removal(contact, of, micros, message_id) = removal;
    audience::MembershipUpdate {
        contact_id: contact.to_string().into(),
        audience_id: of.to_string().into(),
        mode: audience::MembershipUpdateMode::Remove.into(),
        update_time: Some(timestamp_of(*micros)),
        message_id: message_id.to_string().into(),
    }
}

fn link_of(link: &Link<'_>) -> IdentifierLink {
    let Link(kind, value, contact, version, linked_micros) = link;
    let kind = if kind == USER_ID {
        IdentifierKind::UserId
    } else {
        IdentifierKind::AnonymousId
    };
    IdentifierLink {
        kind: kind.into(),
        value: value.to_string().into(),
        contact_id: contact.to_string().into(),
        version: *version,
        link_time: Some(timestamp_of(*linked_micros)),
    }
}

/// Delivers for ever: what batches of this process wrote, as they write it; and what was left
/// in the table, by a process that ended or while somebody was away, every second. With growing
/// pauses while a receiver is away; while only the table is, what is in memory is told on.
pub async fn relay(app: App, peers: Peers, mut written: mpsc::Receiver<OutboxRow>, pulse: Pulse) {
    let (mut receivers, mut table) = (FIRST_BACKOFF, FIRST_BACKOFF);
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows = Vec::new();
    let mut after = FIRST_ACCOUNT;
    loop {
        pulse.beat();
        let round = tokio::select! {
            _ = poll.tick() => tell_left(&app, &peers, &mut after, &pulse).await,
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
                poll.reset_after(table);
                table = (table * 2).min(LAST_BACKOFF);
            }
            Round::ReceiversAway => {
                metrics::undelivered();
                tokio::time::sleep(receivers).await;
                receivers = (receivers * 2).min(LAST_BACKOFF);
            }
        }
    }
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
        let mut teller = Teller::new(peers, rows[0].account());
        let told = app.deliver_written(rows, async |all| teller.tell(all).await);
        match told.await {
            Ok(Delivery::Done | Delivery::Nothing) => {}
            // What one account's messages fail at must not hold up the others; a receiver
            // that is away is so for all.
            Ok(Delivery::Failed) if !teller.unreachable => round = round.max(Round::Refused),
            Ok(Delivery::Failed) => return Round::ReceiversAway,
            // They were told, and will be once more.
            Err(_) => round = round.max(Round::Refused),
        }
    }
    round
}

/// One delivery for each of the next accounts for which something was left.
async fn tell_left(app: &App, peers: &Peers, after: &mut AccountId, pulse: &Pulse) -> Round {
    let Ok(accounts) = app.accounts_with_messages(*after, ACCOUNTS).await else {
        return Round::TableAway;
    };
    let is_full = accounts.len() as i64 >= ACCOUNTS;
    let last = accounts.last().filter(|_| is_full);
    *after = last.copied().unwrap_or(FIRST_ACCOUNT);
    let mut round = Round::Quiet;
    let mut failures = 0;
    for account in accounts {
        pulse.beat();
        let mut teller = Teller::new(peers, account);
        let limit = MESSAGES as i64;
        let told = app.deliver_left(account, limit, async |all| teller.tell(all).await);
        match told.await {
            Ok(Delivery::Done) => round = round.max(Round::More),
            Ok(Delivery::Nothing) => {}
            Ok(Delivery::Failed) if !teller.unreachable => round = round.max(Round::Refused),
            Ok(Delivery::Failed) => return Round::ReceiversAway,
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

/// Tells of one account, and remembers whether somebody was there to be told.
struct Teller {
    peers: Peers,
    account: AccountId,
    unreachable: bool,
}

impl Teller {
    fn new(peers: &Peers, account: AccountId) -> Self {
        Self {
            peers: peers.clone(),
            account,
            unreachable: false,
        }
    }

    async fn tell(&mut self, messages: &[Message<'_>]) -> bool {
        let told = self.peers.tell(self.account, messages).await;
        if let Err(status) = &told {
            tracing::warn!(code = ?status.code(), "links could not be delivered");
            self.unreachable = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
        }
        told.is_ok()
    }
}
