//! Data sources.

use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::{App, Change, Error};
use crate::domain::Listed;
use crate::domain::record::{Change as Changed, Thing, shown_pause, shown_source};
use crate::domain::source::{Source, SourceChange, SourceKind, SourceStatus};
use crate::store;

/// A person looks at no more.
const MOST_PAUSED: i64 = 100;

impl App {
    /// Creates a source, or changes its merge settings.
    pub async fn put_source(
        &self,
        account_id: AccountId,
        change: &SourceChange,
    ) -> Result<(Source, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let account = store::lock_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        let found = store::find_source(&transaction, account_id, &change.name).await?;
        let is_seen = change
            .expected_version
            .is_none_or(|seen| seen == account.version);
        let overtaken = || (!is_seen).then_some(Error::Overtaken(account.version));
        // It is gone, or has another name, since the caller looked.
        if !found.iter().any(|one| one.settings.name == change.name) {
            overtaken().map_or(Ok(()), Err)?;
        }
        let Some(mut source) = same_source(found, change)? else {
            // It may have made one that is gone.
            self.is_done(&transaction, account_id, "").await?;
            let mut source = Source {
                account_id,
                source_id: SourceId::new(),
                settings: change.to_new().map_err(Error::Invalid)?,
                status: SourceStatus::WaitingForEvents,
                mapping_version: 1,
                settings_version: account.version,
                create_time: self.now(),
                pause_time: None,
            };
            store::insert_source(&transaction, &source).await?;
            let shown = shown_source(&source.settings);
            let made = Changed::made(Thing::Source, source.source_id, &shown);
            self.record(&transaction, account_id, &made).await?;
            source.settings_version = store::raise_version(&transaction, account_id).await?;
            store::commit(transaction).await?;
            return Ok((source, Change::Created));
        };
        let settings = change.applied_to(&source.settings);
        let settings = settings.map_err(Error::Invalid)?;
        let [before, after] = [&source.settings, &settings].map(shown_source);
        let changed = Changed::between(Thing::Source, source.source_id, &before, &after);
        let id = source.source_id.to_string();
        if self.is_done(&transaction, account_id, &id).await? {
            self.repeats(&transaction, account_id, &changed).await?;
            return Ok((source, Change::Unchanged));
        }
        if change.create_only {
            return Err(Error::AlreadyExists(
                Reason::NameTaken,
                format!("there is a source named {} already", change.name),
            ));
        }
        if source.settings == settings {
            return Ok((source, Change::Unchanged));
        }
        overtaken().map_or(Ok(()), Err)?;
        source.settings = settings;
        store::update_source(&transaction, &source).await?;
        self.record(&transaction, account_id, &changed).await?;
        source.settings_version = store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((source, Change::Updated))
    }

    /// Has its requests told to come again, or takes them again (semantics 8.4).
    pub async fn pause_source(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        is_paused: bool,
    ) -> Result<(Source, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        store::lock_account(&transaction, account_id)
            .await?
            .ok_or(Error::NotFound("account"))?;
        let source = store::get_source(&transaction, account_id, source_id).await?;
        let mut source = source.ok_or(Error::NotFound("source"))?;
        let before = shown_pause(&source);
        if !source.pause(is_paused, self.now()) {
            return Ok((source, Change::Unchanged));
        }
        let after = shown_pause(&source);
        let changed = Changed::between(Thing::Source, source_id, &before, &after);
        self.record(&transaction, account_id, &changed).await?;
        store::set_pause(&transaction, account_id, source_id, source.pause_time).await?;
        source.settings_version = store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((source, Change::Updated))
    }

    /// Those that are paused for longest first, of `only` or of all accounts, each with its account's name.
    pub async fn paused_sources(&self, only: &[AccountId]) -> Result<Vec<(Source, String)>, Error> {
        let mut client = self.client().await?;
        Ok(store::paused_sources(&mut client, only, self.now(), MOST_PAUSED).await?)
    }

    pub async fn get_source(
        &self,
        account_id: AccountId,
        source_id: SourceId,
    ) -> Result<Source, Error> {
        let client = self.scoped(account_id).await?;
        match store::get_source(&client, account_id, source_id).await? {
            Some(source) => Ok(source),
            None => Err(missing(&client, account_id, "source").await?),
        }
    }

    pub async fn list_sources(
        &self,
        account_id: AccountId,
        after: Option<SourceId>,
        limit: i64,
    ) -> Result<Vec<Listed<SourceId, Source>>, Error> {
        let client = self.scoped(account_id).await?;
        if store::read_version(&client, account_id).await?.is_none() {
            return Err(Error::NotFound("account"));
        }
        Ok(store::list_sources(&client, account_id, after, limit).await?)
    }
}

/// What to say of something that an account does not have: whether there is such an account.
pub(super) async fn missing(
    client: &impl store::Client,
    account_id: AccountId,
    what: &'static str,
) -> Result<Error, Error> {
    let known = store::read_version(client, account_id).await?.is_some();
    Ok(Error::NotFound(if known { what } else { "account" }))
}

/// The source that is meant, of those that have its name or are the account's Segment
/// (Actions) source.
fn same_source(found: Vec<Source>, change: &SourceChange) -> Result<Option<Source>, Error> {
    for source in found {
        let same_name = source.settings.name == change.name;
        // Unsaid, it is that of the source of that name.
        let same_kind = change
            .kind
            .map_or(same_name, |kind| source.settings.kind == kind);
        match (same_name, same_kind) {
            (true, true) => return Ok(Some(source)),
            (true, false) => {
                return Err(Error::AlreadyExists(
                    Reason::NameTaken,
                    format!("there is a source of another kind named {}", change.name),
                ));
            }
            (false, true) if change.kind == Some(SourceKind::SegmentActions) => {
                return Err(Error::Precondition(
                    Reason::SecondActionsSource,
                    format!(
                        "the account has a Segment (Actions) source already, named {}: an account has one at most",
                        source.settings.name
                    ),
                ));
            }
            (false, _) => {}
        }
    }
    Ok(None)
}
