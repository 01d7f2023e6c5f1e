//! Versions of mappings: list, compare, bring back (semantics 7.4).

use weir_ids::{AccountId, SourceId};
use weir_reasons::Reason;

use super::{App, Change, Error};
use crate::domain::Listed;
use crate::domain::row::{AttributeRow, GivenRow};
use crate::domain::versions::{Content, Difference, Save, Version, difference};
use crate::store::{self, Subject};

/// What differs between two versions.
#[derive(Debug)]
pub enum Differing {
    Contact(Difference<GivenRow>),
    /// With both retentions; 0 where it is not mapped.
    Activity(Difference<AttributeRow>, [u32; 2]),
}

impl App {
    /// Newest first. With an event's name those of its activity, else of the contact mapping.
    pub async fn list_versions(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        event_name: &str,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Listed<i64, Version>>, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        let Some(subject) = subject(&client, account_id, source_id, event_name).await? else {
            return Ok(Vec::new());
        };
        Ok(store::list_versions(&client, subject, before, limit).await?)
    }

    /// Row by row, between two versions of one mapping; 0 is the newest one.
    pub async fn diff_versions(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        event_name: &str,
        [from, to]: [i64; 2],
    ) -> Result<Differing, Error> {
        self.get_source(account_id, source_id).await?;
        let client = self.scoped(account_id).await?;
        let subject = subject(&client, account_id, source_id, event_name).await?;
        let subject = subject.ok_or_else(unknown)?;
        let from = get_version(&client, subject, Some(from)).await?;
        let to = get_version(&client, subject, (to != 0).then_some(to)).await?;
        match (from.content, to.content) {
            (Content::Contact(before), Content::Contact(after)) => {
                let target = |row: &GivenRow| row.target.clone();
                Ok(Differing::Contact(difference(&before, &after, target)))
            }
            (Content::Activity(before), Content::Activity(after)) => {
                let days = [&before, &after].map(|content| {
                    let content = content.as_ref();
                    content.map_or(0, |activity| activity.retention_days)
                });
                let [before, after] = [before, after]
                    .map(|content| content.map_or_else(Vec::new, |activity| activity.attributes));
                let target = |row: &AttributeRow| row.attribute.clone();
                let rows = difference(&before, &after, target);
                Ok(Differing::Activity(rows, days))
            }
            // A subject is one of both.
            _ => Err(Error::Store(weir_postgres::Failure::Internal)),
        }
    }

    /// Saves what a version held as the newest one. Answers the version that it became.
    pub async fn restore_version(
        &self,
        account_id: AccountId,
        source_id: SourceId,
        event_name: &str,
        version: i64,
        expected_version: Option<i64>,
    ) -> Result<(i64, Change), Error> {
        self.get_source(account_id, source_id).await?;
        let held = {
            let client = self.scoped(account_id).await?;
            let subject = subject(&client, account_id, source_id, event_name).await?;
            let subject = subject.ok_or_else(unknown)?;
            get_version(&client, subject, Some(version)).await?
        };
        let save = Save {
            expected_version,
            restored_version: version,
        };
        match held.content {
            Content::Contact(pairs) => {
                self.put_contact_mapping(account_id, source_id, &pairs, save)
                    .await
            }
            Content::Activity(Some(activity)) => {
                let (days, attributes) = (activity.retention_days, activity.attributes);
                let saved = self
                    .put_activity_mapping(
                        account_id,
                        source_id,
                        event_name,
                        Some(days),
                        Some(&attributes),
                        save,
                    )
                    .await?;
                Ok((saved.1, saved.2))
            }
            Content::Activity(None) => {
                self.delete_activity_mapping(account_id, source_id, event_name, save)
                    .await
            }
        }
    }
}

/// None where the account has no activity of that name.
async fn subject(
    client: &impl store::Client,
    account_id: AccountId,
    source_id: SourceId,
    event_name: &str,
) -> Result<Option<Subject>, Error> {
    let activity_id = match event_name {
        "" => None,
        name => match store::find_activity(client, account_id, name).await? {
            Some(activity) => Some(activity.activity_id),
            None => return Ok(None),
        },
    };
    Ok(Some(Subject {
        account_id,
        source_id,
        activity_id,
    }))
}

async fn get_version(
    client: &impl store::Client,
    subject: Subject,
    version: Option<i64>,
) -> Result<Version, Error> {
    let found = store::get_version(client, subject, version).await?;
    found.ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::Missing(
        Reason::VersionUnknown,
        "the mapping has no such version that is still kept".to_owned(),
    )
}
