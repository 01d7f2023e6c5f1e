//! Drafts and suggestions over what was received (semantics 7.6, 7.7). Nothing is written.

use weir_ids::{AccountId, ActivityId, SourceId};

use super::sources::missing;
use super::{App, Error};
use crate::domain::draft::{Draft, Drafted, Preview, preview};
use crate::domain::field;
use crate::domain::kept::Filter;
use crate::domain::mapping::{Activity, ActivityMapping, DEFAULT_RETENTION};
use crate::domain::row::{AttributeRow, FieldRow, GivenRow, RawRow, Row, read_contact_mapping};
use crate::domain::sample::{ListKey, Sample};
use crate::domain::sampled;
use crate::domain::snapshot::{CompiledActivity, Snapshot};
use crate::domain::suggest::{Known, Suggestion, suggest};
use crate::store::{self, Owner};

/// Those names that were received last: their tracks are looked at.
const MAX_NAMES: usize = 50;
/// Events of 32 KiB at most, which all lie in memory at once.
const MAX_KEPT: i64 = 200;

/// What a draft comes to, and the samples it was held against.
pub struct Previewed {
    pub preview: Preview,
    pub samples: Vec<Sample>,
}

/// An activity's draft.
#[derive(Debug, Clone)]
pub struct ActivityDraft {
    pub event_name: String,
    pub retention_days: Option<u32>,
    pub attributes: Vec<AttributeRow>,
}

impl App {
    pub async fn preview_contact_mapping(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        rows: &[GivenRow],
    ) -> Result<Previewed, Error> {
        let saved = self.loaded(account_id, source_id, None).await?;
        let client = self.scoped(account_id).await?;
        let custom = store::types_of(&client, account_id).await?;
        drop(client);
        let raw: Vec<RawRow<'_>> = rows.iter().map(GivenRow::raw).collect();
        let rows = read_contact_mapping(&raw, &custom).map_err(Error::Invalid)?;
        let plain = rows.iter().map(|row| row.row.clone()).collect();
        let draft = self.loaded(account_id, source_id, Some(rows)).await?;
        let samples = self.all_events((account_id, source_id)).await?;
        self.previewed(Drafted::Contact, plain, draft, saved, samples)
            .await
    }

    pub async fn preview_activity_mapping(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        wanted: ActivityDraft,
    ) -> Result<Previewed, Error> {
        let saved = self.loaded(account_id, source_id, None).await?;
        let mut draft = self.loaded(account_id, source_id, None).await?;
        let name = wanted.event_name;
        let known = draft.activities.remove(&name).map(|known| known.activity);
        let mut activity = known.unwrap_or_else(|| Activity {
            activity_id: ActivityId::new(),
            event_name: name.clone(),
            retention_days: DEFAULT_RETENTION,
            earlier_retention_days: Vec::new(),
        });
        if let Some(days) = wanted.retention_days {
            activity.retain(days);
        }
        let attributes = wanted.attributes;
        let plain = attributes.iter().map(|row| row.row.clone()).collect();
        let mapping = ActivityMapping {
            activity,
            attributes,
        };
        let compiled = CompiledActivity::compile(mapping);
        draft.activities.insert(name.clone(), compiled);
        let owner = (account_id, source_id);
        let samples = self.tracks_named(owner, name).await?;
        self.previewed(Drafted::Activity, plain, draft, saved, samples)
            .await
    }

    /// With how many events were looked at.
    pub async fn suggest_mappings(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        event_name: &str,
    ) -> Result<(Vec<Suggestion>, usize), Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        if event_name.is_empty() {
            let custom = store::types_of(&client, account_id).await?;
            let rows = store::get_contact_mapping(&client, account_id, source_id, &custom).await?;
            let fields = field::all(store::list_fields(&client, account_id).await?);
            drop(client);
            let samples = self.all_events((account_id, source_id)).await?;
            return on_a_thread(move || {
                let rows: Vec<(&Row, &str)> = rows
                    .iter()
                    .map(|row| (&row.row, row.field.as_str()))
                    .collect();
                let known = Known {
                    rows: &rows,
                    fields: &fields,
                };
                suggested(&samples, &known, |event| event.traits)
            })
            .await;
        }
        let activity = store::find_activity(&client, account_id, event_name).await?;
        let rows = match activity {
            Some(activity) => {
                let id = activity.activity_id;
                store::get_mapping(&client, account_id, source_id, id).await?
            }
            None => None,
        };
        drop(client);
        let owner = (account_id, source_id);
        let samples = self.tracks_named(owner, event_name.to_owned()).await?;
        on_a_thread(move || {
            let rows = rows.unwrap_or_default();
            let rows: Vec<(&Row, &str)> = rows
                .iter()
                .map(|row| (&row.row, row.attribute.as_str()))
                .collect();
            let known = Known {
                rows: &rows,
                fields: &[],
            };
            suggested(&samples, &known, |event| event.properties)
        })
        .await
    }

    /// A snapshot of one's own; with another contact mapping in it, where one is given.
    async fn loaded(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        contact: Option<Vec<FieldRow>>,
    ) -> Result<Snapshot, Error> {
        let client = self.scoped(account_id).await?;
        match store::load_draft(&client, account_id, source_id, contact).await? {
            Some(snapshot) => Ok(snapshot),
            None => Err(missing(&client, account_id, "source").await?),
        }
    }

    /// Identifies, the tracks of the names that were received last, by name, and kept events.
    async fn all_events(&self, owner: Owner) -> Result<Vec<Sample>, Error> {
        let (account_id, source_id) = owner;
        let rings = &self.rings;
        let list = ListKey::Identifies;
        let mut samples = rings.samples(account_id, source_id, &list).await?;
        let mut names = rings.names(account_id, source_id).await?;
        names.sort_by(|a, b| (b.last_receive_time, &a.name).cmp(&(a.last_receive_time, &b.name)));
        names.truncate(MAX_NAMES);
        names.sort_by(|a, b| a.name.cmp(&b.name));
        for seen in names {
            let list = ListKey::Tracks(seen.name);
            samples.extend(rings.samples(account_id, source_id, &list).await?);
        }
        self.with_kept(owner, samples, None).await
    }

    async fn tracks_named(&self, owner: Owner, name: String) -> Result<Vec<Sample>, Error> {
        let list = ListKey::Tracks(name.clone());
        let samples = self.rings.samples(owner.0, owner.1, &list).await?;
        self.with_kept(owner, samples, Some(vec![name])).await
    }

    /// With the newest kept events behind them that are not among them: such as were refused for
    /// their envelope stay refused under every mapping.
    async fn with_kept(
        &self,
        owner: Owner,
        mut samples: Vec<Sample>,
        event_names: Option<Vec<String>>,
    ) -> Result<Vec<Sample>, Error> {
        let filter = Filter {
            event_names,
            include_done: true,
            ..Filter::default()
        };
        let client = self.scoped(owner.0).await?;
        let found = store::list_kept(&client, owner, &filter, None, MAX_KEPT).await?;
        let kept = found.into_iter().filter_map(|(_, kept)| kept);
        for kept in kept.filter(|kept| kept.event.status != 400) {
            let whole = kept.event.whole;
            let raw = String::from_utf8_lossy(&whole.raw).into_owned();
            if samples.iter().all(|sample| sample.raw != raw) {
                samples.push(Sample {
                    receive_time: whole.receive_time,
                    kind: whole.kind,
                    event_name: kept.event.event_name,
                    raw,
                });
            }
        }
        Ok(samples)
    }

    async fn previewed(
        &self,
        which: Drafted,
        rows: Vec<Row>,
        snapshot: Snapshot,
        saved: Snapshot,
        samples: Vec<Sample>,
    ) -> Result<Previewed, Error> {
        let places = self.places.load_full();
        on_a_thread(move || {
            let draft = Draft {
                which,
                rows: &rows,
                snapshot: &snapshot,
                saved: &saved,
                places: places.as_deref(),
            };
            let preview = preview(&draft, &samples);
            Previewed { preview, samples }
        })
        .await
    }
}

fn suggested(
    samples: &[Sample],
    known: &Known<'_>,
    object: impl for<'a> Fn(&crate::domain::event::RawEvent<'a>) -> Option<&'a [u8]>,
) -> (Vec<Suggestion>, usize) {
    let events: Vec<_> = samples
        .iter()
        .filter_map(sampled::event)
        .map(|(event, _)| event)
        .collect();
    let objects = events.iter().filter_map(object);
    (suggest(objects, known), events.len())
}

/// It takes a processor for some milliseconds: beside those that serve batches.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Store(weir_postgres::Failure::Internal))
}
