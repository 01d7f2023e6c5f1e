//! The raw baseline: a bare program that writes the rows the system writes, and does nothing
//! else. None of Weir is in it: no HTTP, no parsing, no checks, no other process.
//!
//! - **Same tables**: copies of the services' own, with their keys, indexes, partitions and
//!   storage settings ([`tables`]), in schemas of their own in the same PostgreSQL.
//! - **Same rows** ([`rows`]), the same number of rows in a transaction, the same number of
//!   connections, the same durability.
//! - **The least work** ([`writer`]): parameters are prepared before the clock starts,
//!   statements are prepared, a transaction is one round trip. It knows whose activity is
//!   whose, so tracks look nothing up; a known contact is found by its identifier within the
//!   statement that updates it.

pub mod rows;
mod statements;
pub mod tables;
pub mod writer;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use anyhow::Result;
    use chrono::Utc;
    use http::HeaderValue;
    use tokio_postgres::Client;
    use uuid::Uuid;
    use weir_servers::TestServers;

    use super::rows::Renderer;
    use super::tables;
    use super::writer::Writer;
    use crate::drive::{Pace, drive};
    use crate::setup::Account;
    use crate::workload::{Effect, Recipe, Workload};

    const SEED: u64 = 42;

    /// The tables of the services, by their own migrations.
    async fn migrate(admin: &Client) -> Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (folder, schema) in [
            ("shared/postgres", "contact"),
            ("services/contact-upsert", "contact"),
            ("shared/ledger", "contact"),
            ("shared/postgres", "activity"),
            ("services/activity", "activity"),
            ("shared/ledger", "activity"),
            ("services/audience", "audience"),
        ] {
            let entries = std::fs::read_dir(root.join(folder).join("migrations"))?;
            let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            files.sort();
            admin
                .batch_execute(&format!("SET search_path = {schema}"))
                .await?;
            for file in files {
                admin.batch_execute(&std::fs::read_to_string(file)?).await?;
            }
        }
        // The activity service makes its partitions itself, while it runs.
        admin
            .batch_execute(
                "CREATE TABLE activity.activities_all PARTITION OF activity.activities DEFAULT;
                 CREATE TABLE activity.backlog_all PARTITION OF activity.backlog DEFAULT;",
            )
            .await?;
        Ok(())
    }

    /// The same each time: all recipes go to one account.
    fn account() -> Account {
        Account {
            account_id: Uuid::from_u128(7),
            source_id: Uuid::nil(),
            activity_id: Uuid::from_u128(8),
            audience_id: Uuid::from_u128(9),
            authorization: HeaderValue::from_static("Bearer none"),
        }
    }

    /// Writes the batches, and says how many events had which effect.
    async fn write(url: &str, workload: &mut Workload, recipe: Recipe) -> BTreeMap<String, i64> {
        let batches: Vec<_> = (0..10).map(|_| workload.batch(recipe, 100)).collect();
        let accounts = [account()];
        let renderer = Renderer {
            seed: SEED,
            accounts: &accounts,
            receive_time: Utc::now(),
        };
        let jobs: Vec<_> = batches.iter().map(|batch| renderer.job(batch)).collect();
        let writers = Writer::connect_all(url, 2).await.unwrap();
        let load = drive(writers, jobs.into_iter(), Pace::Saturate)
            .await
            .unwrap();
        assert_eq!(load.events, 1_000);
        let mut effects = BTreeMap::new();
        for event in batches.iter().flat_map(|batch| &batch.events) {
            *effects.entry(format!("{:?}", event.effect)).or_default() += 1;
        }
        effects
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_recipe_writes_the_rows_of_its_effects() {
        let database = TestServers::shared().await.fresh_database().await;
        let url = &database.superuser_url;
        let admin = weir_servers::postgres::connect(url).await.unwrap();
        migrate(&admin).await.unwrap();
        tables::copy(&admin).await.unwrap();

        let now = Utc::now().timestamp_millis();
        let mut workload = Workload::new(SEED, 1, 0, now);
        let mut effects = write(url, &mut workload, Recipe::IdentifyNew).await;
        workload.settle();
        for recipe in Recipe::ALL.into_iter().filter(|all| all.needs_contacts()) {
            for (effect, count) in write(url, &mut workload, recipe).await {
                *effects.entry(effect).or_default() += count;
            }
        }

        let counts = tables::row_counts(&admin, "raw_").await.unwrap();
        let rows: BTreeMap<String, i64> = counts.into_iter().collect();
        let with = |effect: Effect| effects[&format!("{effect:?}")];
        let new = with(Effect::NewContact);
        assert_eq!(rows["contact.contacts"], new);
        assert_eq!(rows["contact.identifiers"], 3 * new);
        assert_eq!(rows["activity.backlog"], with(Effect::Backlog));
        assert_eq!(
            rows["activity.activities"],
            with(Effect::Activity) + with(Effect::ContactActivity)
        );
        assert_eq!(rows["contact.receipts"], with(Effect::ContactActivity));
        assert_eq!(rows["contact.outbox"], 0);
        assert!(rows["activity.identifiers"] > 2 * new);
        assert!(rows["audience.memberships"] > 0);
    }
}
