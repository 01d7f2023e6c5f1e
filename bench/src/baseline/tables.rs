//! Copies of the services' tables, made from the catalog: whatever the services' migrations
//! say is what the baseline writes to.

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// The schemas that are copied; each copy is called `raw_` and the schema's name.
pub const SCHEMAS: [&str; 3] = ["contact", "activity", "audience"];

/// A table of the catalog.
struct Table {
    schema: String,
    name: String,
    /// `RANGE (expire_day)` of a partitioned table.
    partition_key: Option<String>,
    /// `fillfactor=80` and the like.
    settings: Option<String>,
    /// The parent's name and the bounds of a partition.
    partition_of: Option<(String, String)>,
}

/// Makes the copies, empty.
///
/// # Errors
/// A statement fails.
pub async fn copy(admin: &Client) -> Result<()> {
    for schema in SCHEMAS {
        admin
            .batch_execute(&format!("CREATE SCHEMA raw_{schema}"))
            .await?;
        for table in tables(admin, schema).await? {
            let statement = table.statement();
            admin
                .batch_execute(&statement)
                .await
                .with_context(|| format!("copying {schema}.{}: {statement}", table.name))?;
        }
    }
    Ok(())
}

/// Partitioned tables come before their partitions.
async fn tables(admin: &Client, schema: &str) -> Result<Vec<Table>> {
    let rows = admin
        .query(
            "SELECT c.relname::text,
                    pg_get_partkeydef(c.oid),
                    array_to_string(c.reloptions, ', '),
                    parent.relname::text,
                    pg_get_expr(c.relpartbound, c.oid)
             FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
             LEFT JOIN pg_class parent ON parent.oid = i.inhparent
             WHERE n.nspname = $1 AND c.relkind IN ('r', 'p')
             ORDER BY c.relispartition, c.relname",
            &[&schema],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Table {
            schema: schema.to_owned(),
            name: row.get(0),
            partition_key: row.get(1),
            settings: row.get(2),
            partition_of: row.get::<_, Option<String>>(3).zip(row.get(4)),
        })
        .collect())
}

impl Table {
    fn statement(&self) -> String {
        let Self { schema, name, .. } = self;
        let mut sql = match &self.partition_of {
            Some((parent, bounds)) => {
                format!(
                    "CREATE TABLE raw_{schema}.{name} PARTITION OF raw_{schema}.{parent} {bounds}"
                )
            }
            None => {
                format!("CREATE TABLE raw_{schema}.{name} (LIKE {schema}.{name} INCLUDING ALL)")
            }
        };
        if let Some(key) = &self.partition_key {
            sql += &format!(" PARTITION BY {key}");
        }
        if let Some(settings) = self.settings.as_ref().filter(|all| !all.is_empty()) {
            sql += &format!(" WITH ({settings})");
        }
        sql
    }
}

/// Live rows of every table that has some, by its name without the schema's; `prefix` is
/// empty for the services' own tables.
///
/// # Errors
/// A statement fails.
pub async fn row_counts(admin: &Client, prefix: &str) -> Result<Vec<(String, i64)>> {
    let mut counts = Vec::new();
    for schema in SCHEMAS {
        for table in tables(admin, schema).await? {
            if table.partition_of.is_some() {
                continue;
            }
            let name = format!("{schema}.{}", table.name);
            let sql = format!("SELECT count(*) FROM {prefix}{name}");
            let count: i64 = admin.query_one(&sql, &[]).await?.get(0);
            counts.push((name, count));
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Table {
        Table {
            schema: "activity".into(),
            name: name.into(),
            partition_key: None,
            settings: None,
            partition_of: None,
        }
    }

    #[test]
    fn a_copy_keeps_storage_settings() {
        let mut identifiers = table("identifiers");
        identifiers.settings = Some("fillfactor=80".into());
        assert_eq!(
            identifiers.statement(),
            "CREATE TABLE raw_activity.identifiers (LIKE activity.identifiers INCLUDING ALL) \
             WITH (fillfactor=80)"
        );
    }

    #[test]
    fn a_copy_is_partitioned_alike() {
        let mut activities = table("activities");
        activities.partition_key = Some("RANGE (expire_day)".into());
        assert_eq!(
            activities.statement(),
            "CREATE TABLE raw_activity.activities (LIKE activity.activities INCLUDING ALL) \
             PARTITION BY RANGE (expire_day)"
        );
        let mut month = table("activities_2026_01");
        month.partition_of = Some(("activities".into(), "FOR VALUES FROM (a) TO (b)".into()));
        assert_eq!(
            month.statement(),
            "CREATE TABLE raw_activity.activities_2026_01 PARTITION OF raw_activity.activities \
             FOR VALUES FROM (a) TO (b)"
        );
    }
}
