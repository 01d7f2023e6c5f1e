//! New unique identifiers for contacts that are there (semantics 3.2).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;
use weir_changes::Author;
use weir_ids::{AccountId, BatchId, ContactId};
use weir_postgres::Sole;
use weir_rpc::Deadline;
use weir_service::Pulse;
use weir_values::{BlockedRule, ValueType};

use super::{App, Error, POLICY, Purpose};
use crate::clients::{NoSetup, Setup};
use crate::domain::{
    Batch, Care, Facts, Group, Key, KeyRule, Preview, Run, RunState, Settled, Snapshot,
    StoredContact, reindex,
};
use crate::metrics;
use crate::store::{BatchTx, Begun, Ended, NotStored};

/// Semantics 3.2.
const MAX_UNIQUE_IDENTIFIERS: usize = 2;
/// Contacts of a preview that are read at once.
const PAGE: i64 = 2_000;
/// How often a replica looks whether there is something to do.
const LOOK: Duration = Duration::from_secs(1);
/// After something failed.
const RETRY: Duration = Duration::from_secs(5);
/// Accounts in one round.
const ACCOUNTS: i64 = 100;
/// Pieces of one account before it is another's turn.
const PIECES: usize = 20;
/// Attempts at a piece; each waits a little longer for batches that hold its contacts.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);
/// A piece, of several statements, each at the end of its time.
pub const REINDEX_BEATS: Duration = Duration::from_secs(60);

/// What a wish would come to.
#[derive(Debug)]
pub struct Previewed {
    pub complete: bool,
    pub contacts: i64,
    pub merged: i64,
    pub lost: i64,
    pub blocked: i64,
    pub groups: Vec<Group>,
}

/// A wish as it can be carried out.
struct Wish {
    new: KeyRule,
    setup: Setup,
    caseless: Vec<String>,
}

impl App {
    /// What a change to these would merge, as contacts are now.
    ///
    /// # Errors
    /// When the wish is wrong, there is no such account, or somebody is away.
    pub async fn preview_reindex(
        &self,
        account: AccountId,
        new: KeyRule,
        deadline: Deadline,
    ) -> Result<Previewed, Error> {
        let wish = self.wish(account, new, deadline).await?;
        let old = self.store.unique_identifiers(account).await?;
        let old = old.map_or(wish.setup.unique_identifiers.clone(), |stand| {
            KeyRule::new(stand.fields, stand.strategy)
        });
        let rules = rules(&wish.setup, &wish.new);
        let blocks =
            |field: &str, value: &str| rules.get(field).is_some_and(|rule| rule.blocks(value));
        let mut preview = Preview::new(old, wish.new, wish.caseless);
        let mut after = ContactId(Uuid::nil());
        let complete = loop {
            if preview.is_full() || deadline.remaining() < LAST_PAGE {
                break false;
            }
            let take = |contact: &StoredContact<'_>| {
                if preview.take(contact, blocks).is_err() {
                    metrics::unreadable("row");
                }
            };
            let page = self
                .background
                .contacts_to_preview(account, after, PAGE, take);
            match page.await? {
                Some(last) => after = last,
                None => break true,
            }
        };
        Ok(Previewed {
            complete,
            contacts: preview.contacts,
            merged: preview.merged,
            lost: preview.lost,
            blocked: preview.blocked,
            groups: preview.groups(),
        })
    }

    /// Begins a run to these, or answers the one that leads there.
    ///
    /// # Errors
    /// When the wish is wrong, another run is under way, there is no such account, or somebody
    /// is away.
    pub async fn start_reindex(
        &self,
        account: AccountId,
        new: KeyRule,
        author: Author,
        deadline: Deadline,
    ) -> Result<Run, Error> {
        let wish = self.wish(account, new, deadline).await?;
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let wish = std::sync::Arc::new(wish);
        let begin = move |_| {
            let (store, clock, wish) = (store.clone(), clock.clone(), wish.clone());
            let author = author.clone();
            async move {
                let old = wish.setup.unique_identifiers.clone();
                let rules = (old, &wish.new);
                let now = clock.now();
                match store
                    .begin_reindex(account, rules, &wish.caseless, &author, now)
                    .await?
                {
                    Begun::Run(run) => Ok(*run),
                    Begun::UnderWay => Err(Error::ReindexUnderWay),
                    Begun::Taken => Err(Error::RequestTaken),
                }
            }
        };
        weir_service::retry(deadline, POLICY, begin).await
    }

    /// The account's last run.
    ///
    /// # Errors
    /// When there was none, there is no such account, or PostgreSQL is away.
    pub async fn last_reindex(&self, account: AccountId, deadline: Deadline) -> Result<Run, Error> {
        if let Some(run) = self.store.reindex(account).await? {
            return Ok(run);
        }
        self.must_know(account, deadline).await?;
        Err(Error::ReindexUnknown)
    }

    /// Checks a wish against the account's fields.
    async fn wish(
        &self,
        account: AccountId,
        new: KeyRule,
        deadline: Deadline,
    ) -> Result<Wish, Error> {
        let setup = self.mapping.setup(account, deadline).await?;
        let faults = faults_of(&new.fields, &setup.types);
        if !faults.is_empty() {
            return Err(Error::InvalidRequest(faults));
        }
        let emails = setup.types.iter();
        let emails = emails.filter(|(_, value_type)| **value_type == ValueType::Email);
        let mut caseless: Vec<String> = emails.map(|(field, _)| field.clone()).collect();
        caseless.sort_unstable();
        Ok(Wish {
            new,
            setup,
            caseless,
        })
    }

    /// Does the next piece of a run; whether there is more.
    ///
    /// # Errors
    /// When PostgreSQL or mapping is away, or batches were faster again and again.
    async fn go_on(&self, account: AccountId, setup: &Setup) -> Result<bool, Error> {
        let Some(run) = self.background.reindex(account).await? else {
            return Ok(false);
        };
        match run.state {
            RunState::Running => {
                if self.piece_of(account, &run, setup).await? {
                    return Ok(true);
                }
                let now = self.clock.now();
                match self.background.end_reindex(account, &run, now).await? {
                    Ended::Now => tracing::info!("new unique identifiers stand"),
                    Ended::NotYet => {}
                }
                Ok(true)
            }
            RunState::Cleaning => {
                // What a batch that merges made once more goes with the last look.
                let store = &self.background;
                if store.clean_reindex(account, &run, false).await?
                    || store.clean_reindex(account, &run, true).await?
                {
                    return Ok(true);
                }
                let told = self.mapping.tell_identifiers(setup.name.clone(), &run.new);
                match told.await {
                    // Who deleted the account needs not be told.
                    Ok(()) | Err(NoSetup::Unknown) => {}
                    Err(NoSetup::Silent(silent)) => return Err(silent.into()),
                }
                store
                    .finish_reindex(account, &run, self.clock.now())
                    .await?;
                Ok(false)
            }
            RunState::Done => Ok(false),
        }
    }

    /// Attempts at a piece; false where every contact was looked at.
    async fn piece_of(&self, account: AccountId, run: &Run, setup: &Setup) -> Result<bool, Error> {
        for number in 0..TRIES {
            let care = if number < 3 { Care::AtOnce } else { Care::Heal };
            match self.piece(account, run, setup, care).await {
                Ok(more) => return Ok(more),
                Err(NotStored::Conflict | NotStored::Aftermath | NotStored::Taken) => {
                    tokio::time::sleep(PAUSE * number).await;
                }
                Err(NotStored::Failed(failure)) => return Err(failure.into()),
                Err(cause) => {
                    tracing::error!(%cause, "contacts could not be reindexed");
                    return Err(Error::Internal);
                }
            }
        }
        Err(Error::Conflict)
    }

    async fn piece(
        &self,
        account: AccountId,
        run: &Run,
        setup: &Setup,
        care: Care,
    ) -> Result<bool, NotStored> {
        let now = self.clock.now();
        let batch = Batch {
            account,
            id: BatchId(Uuid::nil()),
            window: now.date_naive(),
            epoch: i64::MAX,
            source: None,
            identifiers_version: 0,
            settings: run.settings(),
            kept_removes_limit: 0,
            is_charged: false,
            import: None,
            events: Vec::new(),
        };
        let settings = &batch.settings;
        let rules = rules(setup, &run.new);
        let mut client = self.background.client().await?;
        let mut tx = BatchTx::begin(&self.background, &mut client, &batch, care, now);
        let Some(piece) = tx.begin_piece(run, settings).await? else {
            return Ok(false);
        };
        let (contacts, again) = (piece.contacts.clone(), piece.again);
        let broken: HashSet<ContactId> = piece.broken().into_iter().collect();
        let facts = Facts::of_keys(settings, piece.keys(settings));
        let rows = tx.load_piece(&facts, &piece).await?;
        // What leads to a row that can't be read is left as it is.
        let (links, beyond): (Vec<_>, Vec<_>) = rows
            .links()
            .into_iter()
            .partition(|(_, link)| !broken.contains(&link.contact));
        let beyond: HashSet<&Key<'_>> = beyond.iter().map(|(id, _)| facts.key(*id)).collect();
        let readable = piece.rows().filter(|row| !broken.contains(&row.id));
        let readable: Vec<_> = readable.collect();
        let mut snapshot = Snapshot::new(&facts, care);
        snapshot.add(links, &readable)?;
        let skips = |key: &Key<'_>| {
            let is_blocked = rules
                .get(key.kind)
                .is_some_and(|rule| rule.blocks(&key.value));
            is_blocked || beyond.contains(key)
        };
        let reindexed = reindex(settings, &facts, snapshot, &contacts, skips);
        let settled = Settled {
            seen: if again { 0 } else { reindexed.seen },
            merged: reindexed.changes.merges.len() as i64,
            lost: reindexed.lost,
        };
        let last = contacts.last().copied().unwrap_or(run.last);
        let mut after = run.clone();
        after.advance(if again { run.after } else { last }, &settled, now);
        let looked_again = if again { &contacts[..] } else { &[] };
        tx.end_piece(&after, looked_again).await?;
        self.write_all(tx, reindexed.changes, &batch, Purpose::Store, now)
            .await?;
        Ok(true)
    }
}

/// A page is read in less.
const LAST_PAGE: Duration = Duration::from_millis(300);

/// Which values of the new ones mean nobody.
fn rules(setup: &Setup, new: &KeyRule) -> HashMap<String, BlockedRule> {
    let fields = new.fields.iter();
    fields
        .map(|field| (field.clone(), setup.blocked.of_field(field)))
        .collect()
}

/// All that is wrong with unique identifiers of an account.
fn faults_of(fields: &[String], types: &HashMap<String, ValueType>) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    if fields.len() > MAX_UNIQUE_IDENTIFIERS {
        let why = format!("must be at most {MAX_UNIQUE_IDENTIFIERS}");
        faults.push(("unique_identifiers".to_owned(), why));
    }
    for (index, field) in fields.iter().enumerate() {
        let why = match types.get(field) {
            None => "is no field of this account",
            Some(value_type) if !value_type.may_be_unique_identifier() => {
                "must be a field that is a text, an email or a phone"
            }
            Some(_) if fields[..index].contains(field) => "must not be there twice",
            Some(_) => continue,
        };
        faults.push((format!("unique_identifiers[{index}]"), why.to_owned()));
    }
    faults
}

/// Goes on with every run that is under way; for ever, in the replica whose turn it is.
pub async fn reindexing(app: App, mut sole: Sole, pulse: Pulse) {
    loop {
        pulse.beat();
        if sole.is_mine().await && !round(&app, &pulse).await {
            sole.give_up(RETRY).await;
            tokio::time::sleep(RETRY).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Some pieces of each run; false where something failed.
async fn round(app: &App, pulse: &Pulse) -> bool {
    let mut is_well = true;
    loop {
        let Ok(accounts) = app.background.reindexes_under_way(ACCOUNTS).await else {
            return false;
        };
        let mut is_over = true;
        for account in accounts {
            let done = some_pieces(app, account, pulse).await;
            is_well &= done.is_ok();
            is_over &= !matches!(done, Ok(true));
        }
        if is_over || !is_well {
            return is_well;
        }
    }
}

/// Whether there are more.
async fn some_pieces(app: &App, account: AccountId, pulse: &Pulse) -> Result<bool, Error> {
    let setup = app.mapping.setup(account, Deadline::after(RETRY)).await;
    let setup = match setup {
        Err(NoSetup::Unknown) => return Ok(false),
        setup => setup?,
    };
    for _ in 0..PIECES {
        pulse.beat();
        let more = app.go_on(account, &setup).await;
        let more = more.inspect_err(|error| tracing::warn!(%error, "a reindex does not go on"));
        if !more? {
            return Ok(false);
        }
    }
    Ok(true)
}
