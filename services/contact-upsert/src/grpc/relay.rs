//! The relay: tells activity and audience what happened to identifiers and contacts.
//!
//! At least once, any number of replicas, in any order: receivers go by versions. A message
//! is dropped after both have taken it.

use std::cmp::Reverse;
use std::time::Duration;

use chrono::DateTime;
use prost_types::Timestamp;
use tonic::{Code, Status};
use weir_ids::AccountId;
use weir_proto::activity::v1::activity_service_client::ActivityServiceClient;
use weir_proto::activity::v1::{
    ContactJoin, IdentifierKind, IdentifierLink, LinkIdentifiersRequest,
};
use weir_proto::audience::v1 as audience;
use weir_proto::audience::v1::audience_service_client::AudienceServiceClient;
use weir_rpc::{Channel, Deadline, MAX_MESSAGE};

use crate::app::{App, Delivery};
use crate::domain::{Link, Message, USER_ID};
use crate::metrics;

/// Another replica's batches ring no bell here; and neither does one that failed before.
const POLL: Duration = Duration::from_secs(1);
/// Receivers that are away are asked again after this, then twice as long, up to the last.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LAST_BACKOFF: Duration = Duration::from_secs(5);
/// A call that attaches a large backlog takes its time; the rows stay claimed meanwhile.
const CALL: Duration = Duration::from_secs(8);
/// Accounts in one round, so that a loud one waits for the others.
const ACCOUNTS: i64 = 100;
/// Batches in one call.
const MESSAGES: i64 = 16;
/// The contract's limit.
const MAX_LINKS: usize = 10_000;

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
    pub fn connect(activity: &str, audience: &str) -> Result<Self, String> {
        Ok(Self {
            activity: ActivityServiceClient::new(weir_rpc::connect(activity)?)
                .max_encoding_message_size(MAX_MESSAGE),
            audience: AudienceServiceClient::new(weir_rpc::connect(audience)?)
                .max_encoding_message_size(MAX_MESSAGE),
        })
    }

    /// Tells both. Links first: an activity that waits for its contact is seen sooner.
    async fn tell(&mut self, account: AccountId, messages: &[Message<'_>]) -> Result<(), Status> {
        let links = newest_links(messages);
        let joins: Vec<_> = messages.iter().flat_map(|m| &m.joins).copied().collect();
        let count = links.len() + joins.len();
        let mut links = links.into_iter().map(link_of).peekable();
        let mut joined = joins.iter().map(|(contact, survivor)| ContactJoin {
            contact_id: contact.to_string(),
            survivor_id: survivor.to_string(),
        });
        loop {
            let request = LinkIdentifiersRequest {
                account_id: account.to_string(),
                links: links.by_ref().take(MAX_LINKS).collect(),
                joins: joined.by_ref().take(MAX_LINKS).collect(),
            };
            if request.links.is_empty() && request.joins.is_empty() {
                break;
            }
            let request = Deadline::after(CALL).request(request)?;
            self.activity.link_identifiers(request).await?;
        }
        for joins in joins.chunks(MAX_LINKS) {
            let joins = joins
                .iter()
                .map(|(contact, survivor)| audience::ContactJoin {
                    contact_id: contact.to_string(),
                    survivor_id: survivor.to_string(),
                });
            let request = audience::JoinContactsRequest {
                account_id: account.to_string(),
                joins: joins.collect(),
            };
            let request = Deadline::after(CALL).request(request)?;
            self.audience.join_contacts(request).await?;
        }
        metrics::delivered(count);
        Ok(())
    }
}

/// Of several links of one identifier the newest counts. In the order in which receivers lock.
fn newest_links<'m>(messages: &'m [Message<'_>]) -> Vec<&'m Link<'m>> {
    let links = messages.iter().flat_map(|message| &message.links);
    let mut links: Vec<&Link<'_>> = links.collect();
    links.sort_unstable_by_key(|link| (&link.0, &link.1, Reverse(link.3)));
    links.dedup_by_key(|link| (&link.0, &link.1));
    links
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
        link_time: DateTime::from_timestamp_micros(*linked_micros).map(|time| Timestamp {
            seconds: time.timestamp(),
            nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
        }),
    }
}

/// Delivers for ever: at once when a batch rings, else every second, and with growing pauses
/// while a receiver or PostgreSQL is away.
pub async fn relay(app: App, peers: Peers) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        match round(&app, &peers).await {
            Round::Quiet => {
                backoff = FIRST_BACKOFF;
                // Running into the timeout is the poll.
                let _ = tokio::time::timeout(POLL, app.something_to_tell()).await;
            }
            Round::More => backoff = FIRST_BACKOFF,
            Round::Away => {
                metrics::undelivered();
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(LAST_BACKOFF);
            }
        }
    }
}

enum Round {
    Quiet,
    More,
    Away,
}

/// One delivery for each account that waits.
async fn round(app: &App, peers: &Peers) -> Round {
    let Ok(accounts) = app.accounts_with_messages(ACCOUNTS).await else {
        return Round::Away;
    };
    let (mut delivered, mut failed) = (false, false);
    for account in accounts {
        let mut peers = peers.clone();
        let mut unreachable = false;
        let tell = async |messages: &[Message<'_>]| {
            let told = peers.tell(account, messages).await;
            if let Err(status) = &told {
                tracing::warn!(code = ?status.code(), "links could not be delivered");
                unreachable = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
            }
            told.is_ok()
        };
        match app.deliver(account, MESSAGES, tell).await {
            Ok(Delivery::Done) => delivered = true,
            Ok(Delivery::Nothing) => {}
            // What one account's messages fail at must not hold up the others; a receiver
            // that is away is so for all.
            Ok(Delivery::Failed) if !unreachable => failed = true,
            Ok(Delivery::Failed) | Err(_) => return Round::Away,
        }
    }
    match (failed, delivered) {
        (true, _) => Round::Away,
        (false, true) => Round::More,
        (false, false) => Round::Quiet,
    }
}
