//! Searching contacts (semantics 3.11).

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use weir_ids::AccountId;
use weir_postgres::{Failure, Sole};
use weir_rpc::Deadline;
use weir_service::Pulse;

use super::{App, Error};
use crate::domain::StoredProfile;
use crate::domain::is_email;
use crate::domain::search::{Key, Place, Query, lanes};
use crate::metrics;
use crate::store::Build;

/// Entries that a call looks at: most of them are shown, but an id that many share the beginning
/// of may lead to one contact a thousand times.
const MAX_ENTRIES: usize = 2_000;
/// Contacts that are read at once: the largest are of some megabytes.
const PIECE: usize = 50;
/// Entries that are looked at at once, however few are wanted.
const FEWEST: usize = 10;

/// What is searched for.
#[derive(Debug)]
pub struct Search {
    pub account: AccountId,
    pub query: Query,
    /// None: by all of them.
    pub keys: Vec<Key>,
    pub after: Option<Place>,
    /// How many are wanted; one more says that there are more.
    pub wanted: usize,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// With all that there is, or as many as were wanted.
    Whole,
    /// Where it was given up looking on; more may follow.
    Stopped,
}

/// How often it is looked whether accounts are to be made searchable: a search does it itself, as
/// far as it comes.
const LOOK: Duration = Duration::from_secs(1);
/// How long a search waits for that.
const PATIENCE: Duration = Duration::from_secs(2);
/// A sleep, and pieces that run into their limits.
pub const SEARCHABLE_BEATS: Duration = Duration::from_secs(60);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// Makes accounts searchable that were searched for the first time; for ever, in the replica
/// whose turn it is.
pub async fn searchable(app: App, mut sole: Sole, pulse: Pulse) {
    loop {
        pulse.beat();
        if sole.is_mine().await
            && let Err(error) = build_all(&app, &pulse).await
        {
            tracing::warn!(%error, "accounts could not be made searchable");
            metrics::search_build_failed();
            sole.give_up(RETRY).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn build_all(app: &App, pulse: &Pulse) -> Result<(), Failure> {
    for account in app.background.undone_builds().await? {
        while app.background.build_piece(account).await? == Build::UnderWay {
            pulse.beat();
        }
    }
    Ok(())
}

/// A contact that was found.
#[derive(Debug)]
pub struct Match<'a> {
    pub contact: &'a StoredProfile,
    pub key: Key,
    /// As it is compared.
    pub value: &'a str,
}

impl App {
    /// Whether all contacts of the account can be found. The first search of an account begins to
    /// make them so, and most often comes to the end of it.
    ///
    /// # Errors
    /// When there is no such account, or PostgreSQL is away.
    pub async fn is_searchable(
        &self,
        account: AccountId,
        deadline: Deadline,
    ) -> Result<bool, Error> {
        let mut state = self.store.build_state(account).await?;
        if state == Build::None {
            self.must_know(account, deadline).await?;
            self.store.begin_build(account, self.clock.now()).await?;
            state = Build::UnderWay;
        }
        let until = Instant::now() + PATIENCE.min(deadline.remaining() / 2);
        while state == Build::UnderWay && Instant::now() < until {
            state = self.store.build_piece(account).await?;
        }
        Ok(state == Build::Done)
    }

    /// Contacts that are found, in order; `take` is told of every entry that was looked at where
    /// it is, and of the contact where it is to be shown, and says whether it wants more.
    ///
    /// # Errors
    /// When the place is none of this search, or PostgreSQL is away.
    pub async fn search(
        &self,
        search: &Search,
        mut take: impl FnMut(Place, Option<Match<'_>>) -> bool,
    ) -> Result<Searched, Error> {
        let mut client = self.store.client().await?;
        let searching = self.store.search(&mut client, search.account);
        let kinds = searching.kinds().await?;
        let is_caseless =
            |field: &str| is_email(field) || kinds.caseless.iter().any(|name| name == field);
        let lanes = lanes(kinds.all.clone(), &search.keys);
        let mark = search.query.mark(search.account, &search.keys);
        let (mut at, mut after) = (0, None);
        if let Some(place) = &search.after {
            let lane = lanes.iter().position(|lane| place.is_in(lane));
            let lane = lane.filter(|_| place.search == mark);
            at = lane.ok_or(Error::NoSuchPage)?;
            after = Some((place.value.clone(), place.contact));
        }
        let (mut looked_at, mut shown) = (0, 0);
        let mut contacts = HashMap::new();
        while let Some(lane) = lanes.get(at) {
            let beginning = search.query.in_lane(lane, is_caseless);
            let limit = (search.wanted - shown).clamp(FEWEST, PIECE);
            let entries = match &beginning {
                Some(beginning) => {
                    let after = after
                        .as_ref()
                        .map(|(value, id)| (String::as_str(value), *id));
                    searching.entries(lane, beginning, after, limit).await?
                }
                None => Vec::new(),
            };
            // Of somebody with many ids that begin so once.
            let unread = entries.iter().map(|(id, _)| *id);
            let unread: Vec<_> = unread.filter(|id| !contacts.contains_key(id)).collect();
            if !unread.is_empty() {
                contacts.retain(|id, _| entries.iter().any(|(other, _)| id == other));
                contacts.extend(searching.contacts(&unread).await?);
            }
            let is_last = entries.len() < limit;
            for (id, value) in entries {
                let contact = contacts.get(&id).filter(|contact| {
                    lane.shows(&value, contact, &search.query, &lanes[..at], is_caseless)
                });
                shown += usize::from(contact.is_some());
                looked_at += 1;
                let found = contact.map(|contact| Match {
                    contact,
                    key: lane.key(),
                    value: &value,
                });
                if !take(Place::of(mark, lane, id, &value), found) {
                    return Ok(Searched::Whole);
                }
                after = Some((value, id));
            }
            if is_last {
                (at, after) = (at + 1, None);
            } else if looked_at >= MAX_ENTRIES {
                return Ok(Searched::Stopped);
            }
        }
        Ok(Searched::Whole)
    }
}
