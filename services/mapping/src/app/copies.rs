//! One source gets what another one of the account maps (semantics 8.5).

use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::mappings::{check_seen, lock_source};
use super::{App, Change, Error};
use crate::domain::invalid::Invalid;
use crate::domain::mapping::ActivityMapping;
use crate::domain::record::{Change as Changed, Thing, shown_copy};
use crate::domain::versions::Save;
use crate::store::{self, Owner, Subject};

/// What a source maps now that another one did before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Of the source that was written.
    pub mapping_version: i64,
    /// Rows of the contact mapping, and activities.
    pub fields: usize,
    pub activities: usize,
    /// Mappings that were saved for that.
    pub saved: usize,
}

impl App {
    /// Saves what `from` maps as the mappings of `to`, all of it or nothing. Activities that `to`
    /// alone maps stay, and so does its contact mapping where `from` has none.
    pub async fn copy_mapping(
        &self,
        account_id: AccountId,
        [from, to]: [SourceId; 2],
        expected_version: Option<i64>,
    ) -> Result<(Copied, Change), Error> {
        if from == to {
            return Err(Invalid::new("to_source_id", "must be another source").into());
        }
        let mut client = self.client().await?;
        let transaction = store::begin(&mut client, account_id);
        let (_, source) = lock_source(&transaction, account_id, to).await?;
        let other = store::get_source(&transaction, account_id, from).await?;
        other.ok_or(Error::NotFound("source"))?;
        let mut copied = Copied {
            mapping_version: source.mapping_version,
            ..Copied::default()
        };
        if self
            .is_done(&transaction, account_id, &to.to_string())
            .await?
        {
            return Ok((copied, Change::Unchanged));
        }
        let save = Save {
            expected_version,
            restored_version: 0,
        };
        let owners = [(account_id, from), (account_id, to)];
        // The request is known by the copy, not by its parts.
        let parts = self.by(self.author.clone().request(None));
        let has_contacts = parts
            .copy_contacts(&transaction, owners, &mut copied)
            .await?;
        parts
            .copy_activities(&transaction, owners, &mut copied)
            .await?;
        if copied.fields == 0 && copied.activities == 0 {
            return Err(Error::Precondition(
                Reason::NothingMapped,
                "the source to copy from maps nothing".to_owned(),
            ));
        }
        if copied.saved == 0 {
            return Ok((copied, Change::Unchanged));
        }
        check_seen(save, &source)?;
        let made = Changed::made(Thing::Source, to, &shown_copy(from));
        self.record(&transaction, account_id, &made).await?;
        let status = source.status.after_mapping(true);
        if has_contacts && status != source.status {
            store::set_status(&transaction, account_id, to, status).await?;
        }
        store::raise_version(&transaction, account_id).await?;
        store::commit(transaction).await?;
        Ok((copied, Change::Updated))
    }

    /// Whether there is a contact mapping to copy.
    async fn copy_contacts(
        &self,
        client: &impl store::Client,
        [from, to]: [Owner; 2],
        copied: &mut Copied,
    ) -> Result<bool, Error> {
        let custom = store::types_of(client, from.0).await?;
        let rows = store::get_contact_mapping(client, from.0, from.1, &custom).await?;
        copied.fields = rows.len();
        if rows.is_empty() {
            return Ok(false);
        }
        let before = store::get_contact_mapping(client, to.0, to.1, &custom).await?;
        if before != rows {
            store::put_contact_mapping(client, to.0, to.1, &rows).await?;
            let [was, is] = [&before, &rows].map(|rows| store::shown_fields(rows));
            let changed = Changed::between(Thing::ContactMapping, to.1, &was, &is);
            self.record(client, to.0, &changed).await?;
            let (subject, saved) = self.next_version(client, to, copied).await?;
            store::keep_contact_version(client, subject, saved, &rows).await?;
        }
        Ok(true)
    }

    async fn copy_activities(
        &self,
        client: &impl store::Client,
        [from, to]: [Owner; 2],
        copied: &mut Copied,
    ) -> Result<(), Error> {
        // At most as many as the plan has slots; each takes one already.
        for mapping in all_activities(client, from).await? {
            copied.activities += 1;
            let id = mapping.activity.activity_id;
            let before = store::get_mapping(client, to.0, to.1, id).await?;
            if before.as_ref() == Some(&mapping.attributes) {
                continue;
            }
            store::put_mapping(client, to.0, to.1, id, &mapping.attributes).await?;
            let was = before.map(|attributes| ActivityMapping {
                attributes,
                ..mapping.clone()
            });
            self.record_activity(client, to.1, (was.as_ref(), Some(&mapping)), to.0)
                .await?;
            let (subject, saved) = self.next_version(client, to, copied).await?;
            let subject = Subject {
                activity_id: Some(id),
                ..subject
            };
            store::keep_activity_version(client, subject, saved, Some(&mapping)).await?;
        }
        Ok(())
    }

    /// A version is about one mapping: each that is saved is another one.
    async fn next_version(
        &self,
        client: &impl store::Client,
        (account_id, source_id): Owner,
        copied: &mut Copied,
    ) -> Result<(Subject, store::Saved), Error> {
        let version = store::raise_mapping_version(client, account_id, source_id).await?;
        copied.mapping_version = version;
        copied.saved += 1;
        let subject = Subject {
            account_id,
            source_id,
            activity_id: None,
        };
        Ok((subject, self.saved(version, Save::default())))
    }
}

async fn all_activities(
    client: &impl store::Client,
    (account_id, source_id): Owner,
) -> Result<Vec<ActivityMapping>, Error> {
    let listed = store::list_mappings(client, account_id, source_id, "", i64::MAX).await?;
    // One that can't be read is logged where it was read, and would be lost here unseen.
    let read = listed.into_iter().map(|(_, mapping)| mapping);
    read.collect::<Option<_>>()
        .ok_or(Error::Store(weir_postgres::Failure::Internal))
}
