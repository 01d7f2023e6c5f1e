//! Contact mappings and activities.

use weir_ids::{AccountId, ActivityId, SourceId};
use weir_reasons::Reason;

use super::{App, Change, Error};
use crate::domain::Listed;
use crate::domain::mapping::{Activity, ActivityMapping, DEFAULT_RETENTION, no_free_slot};
use crate::domain::record::{Change as Changed, Thing};
use crate::domain::row::{AttributeRow, FieldRow, GivenRow, RawRow, read_contact_mapping};
use crate::domain::source::Source;
use crate::domain::versions::Save;
use crate::store::{self, LockedAccount, Saved, Subject};

impl App {
    /// Replaces the mapping (with none: takes it away); the same again changes nothing.
    /// Answers its version.
    pub async fn put_contact_mapping(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        rows: &[GivenRow],
        save: Save,
    ) -> Result<(i64, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let (_, source) = lock_source(&transaction, account_id, source_id).await?;
        let custom = store::types_of(&transaction, account_id).await?;
        let raw: Vec<RawRow<'_>> = rows.iter().map(GivenRow::raw).collect();
        let rows = read_contact_mapping(&raw, &custom).map_err(Error::Invalid)?;
        let before =
            store::get_contact_mapping(&transaction, account_id, source_id, &custom).await?;
        if before == rows {
            return Ok((source.mapping_version, Change::Unchanged));
        }
        check_seen(save, &source)?;
        store::put_contact_mapping(&transaction, account_id, source_id, &rows).await?;
        let [was, is] = [&before, &rows].map(|rows| store::shown_fields(rows));
        let changed = Changed::between(Thing::ContactMapping, source_id, &was, &is);
        self.record(&transaction, account_id, &changed).await?;
        let version = store::raise_mapping_version(&transaction, account_id, source_id).await?;
        let subject = Subject {
            account_id,
            source_id,
            activity_id: None,
        };
        let saved = self.saved(version, save);
        store::keep_contact_version(&transaction, subject, saved, &rows).await?;
        let status = source.status.after_mapping(!rows.is_empty());
        if status != source.status {
            store::set_status(&transaction, account_id, source_id, status).await?;
        }
        store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        let change = if before.is_empty() {
            Change::Created
        } else {
            Change::Updated
        };
        Ok((version, change))
    }

    pub async fn get_contact_mapping(
        &self,
        account_id: AccountId,
        source_id: SourceId,
    ) -> Result<(Vec<FieldRow>, i64), Error> {
        let source = self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        let custom = store::types_of(&client, account_id).await?;
        let rows = store::get_contact_mapping(&client, account_id, source_id, &custom).await?;
        Ok((rows, source.mapping_version))
    }

    /// Creates an activity or changes its retention, and maps this source's properties to
    /// its attributes; what is not given stays. Takes a slot of the plan where no source
    /// mapped it before.
    pub async fn put_activity_mapping(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        event_name: &str,
        retention_days: Option<u32>,
        attributes: Option<&[AttributeRow]>,
        save: Save,
    ) -> Result<(ActivityMapping, i64, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let (account, source) = lock_source(&transaction, account_id, source_id).await?;
        let known = store::find_activity(&transaction, account_id, event_name).await?;
        let mut activity = known.clone().unwrap_or_else(|| Activity {
            activity_id: ActivityId::new(),
            event_name: event_name.to_owned(),
            retention_days: retention_days.unwrap_or(DEFAULT_RETENTION),
            earlier_retention_days: Vec::new(),
        });
        if let Some(days) = retention_days {
            activity.retain(days);
        }
        let id = activity.activity_id;
        let before = store::get_mapping(&transaction, account_id, source_id, id).await?;
        let mapping = ActivityMapping {
            activity,
            attributes: match attributes {
                Some(attributes) => attributes.to_vec(),
                None => before.clone().unwrap_or_default(),
            },
        };
        if known.as_ref() == Some(&mapping.activity) && before.as_ref() == Some(&mapping.attributes)
        {
            return Ok((mapping, source.mapping_version, Change::Unchanged));
        }
        check_seen(save, &source)?;
        if before.is_none() {
            check_slot(&transaction, account_id, &account, id).await?;
        }
        let was = before_of(known.as_ref(), before.as_ref());
        self.record_activity(
            &transaction,
            source_id,
            (was.as_ref(), Some(&mapping)),
            account_id,
        )
        .await?;
        store::put_activity(&transaction, account_id, &mapping.activity).await?;
        store::put_mapping(&transaction, account_id, source_id, id, &mapping.attributes).await?;
        let version = store::raise_mapping_version(&transaction, account_id, source_id).await?;
        let subject = Subject {
            account_id,
            source_id,
            activity_id: Some(id),
        };
        let saved = self.saved(version, save);
        store::keep_activity_version(&transaction, subject, saved, Some(&mapping)).await?;
        store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        let change = if before.is_none() {
            Change::Created
        } else {
            Change::Updated
        };
        Ok((mapping, version, change))
    }

    /// Frees the slot, where no other source maps the activity; stored activities stay. The same
    /// request again leaves one that was mapped anew since.
    pub async fn delete_activity_mapping(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        event_name: &str,
        save: Save,
    ) -> Result<(i64, Change), Error> {
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let (_, source) = lock_source(&transaction, account_id, source_id).await?;
        let unchanged = (source.mapping_version, Change::Unchanged);
        let known = store::find_activity(&transaction, account_id, event_name).await?;
        let Some(activity) = known else {
            return Ok(unchanged);
        };
        let id = activity.activity_id;
        if self
            .is_done(&transaction, account_id, &id.to_string())
            .await?
        {
            return Ok(unchanged);
        }
        let before = store::get_mapping(&transaction, account_id, source_id, id).await?;
        let was = before_of(Some(&activity), before.as_ref());
        check_seen(save, &source)?;
        if !store::delete_mapping(&transaction, account_id, source_id, id).await? {
            return Ok(unchanged);
        }
        let version = store::raise_mapping_version(&transaction, account_id, source_id).await?;
        let subject = Subject {
            account_id,
            source_id,
            activity_id: Some(id),
        };
        let saved = self.saved(version, save);
        store::keep_activity_version(&transaction, subject, saved, None).await?;
        self.record_activity(&transaction, source_id, (was.as_ref(), None), account_id)
            .await?;
        store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((version, Change::Updated))
    }

    /// From what a source made of an activity to what it makes of it now.
    pub(super) async fn record_activity(
        &self,
        transaction: &impl store::Client,
        source_id: SourceId,
        (was, is): (Option<&ActivityMapping>, Option<&ActivityMapping>),
        account_id: AccountId,
    ) -> Result<(), Error> {
        let Some(mapping) = is.or(was) else {
            return Ok(());
        };
        let id = mapping.activity.activity_id;
        let [was, is] = [was, is].map(store::shown_activity);
        let changed = Changed::between(Thing::ActivityMapping, id, &was, &is);
        let changed = changed.within("source_id", source_id.to_string());
        self.record(transaction, account_id, &changed).await
    }

    pub(super) fn saved(&self, version: i64, save: Save) -> Saved {
        Saved {
            version,
            time: self.now(),
            restored_version: save.restored_version,
        }
    }

    /// By event name.
    pub async fn list_activity_mappings(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Listed<String, ActivityMapping>>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        Ok(store::list_mappings(&client, account_id, source_id, after, limit).await?)
    }
}

/// An activity as a source maps it; None where it does not.
fn before_of(
    activity: Option<&Activity>,
    attributes: Option<&Vec<AttributeRow>>,
) -> Option<ActivityMapping> {
    Some(ActivityMapping {
        activity: activity?.clone(),
        attributes: attributes?.clone(),
    })
}

/// A save that did not see what stands would undo it unseen.
pub(super) fn check_seen(save: Save, source: &Source) -> Result<(), Error> {
    if save.has_seen(source.mapping_version) {
        return Ok(());
    }
    Err(Error::Changed(source.mapping_version))
}

/// An activity that no source maps yet takes a slot of the plan (semantics 4.2).
async fn check_slot(
    transaction: &impl store::Client,
    account_id: AccountId,
    account: &LockedAccount,
    activity: ActivityId,
) -> Result<(), Error> {
    let slots = account.settings.plan.activity_slots;
    let others = store::count_mapped(transaction, account_id, Some(activity)).await?;
    let all = store::count_mapped(transaction, account_id, None).await?;
    let is_mapped_elsewhere = all > others;
    if !is_mapped_elsewhere && others >= slots {
        return Err(Error::Exhausted(
            Reason::SlotsUsedUp,
            no_free_slot(slots, others),
        ));
    }
    Ok(())
}

/// Begins a change of what a source maps.
pub(super) async fn lock_source(
    transaction: &impl store::Client,
    account_id: AccountId,
    source_id: SourceId,
) -> Result<(LockedAccount, Source), Error> {
    let account = store::lock_account(transaction, account_id)
        .await?
        .ok_or(Error::NotFound("account"))?;
    let source = store::get_source(transaction, account_id, source_id)
        .await?
        .ok_or(Error::NotFound("source"))?;
    Ok((account, source))
}
