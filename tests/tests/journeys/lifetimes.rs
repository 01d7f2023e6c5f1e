//! Everything that is stored has a written life time: `docs/operations.md` has a row for each
//! table and each kind of key, and this holds it against the running system.

use std::collections::BTreeSet;

use serde_json::json;
use weir_tests::events::{identify, track, with};
use weir_tests::{Account, Plan, eventually, journey};

const PAGE: &str = include_str!("../../../docs/operations.md");
const HEADING: &str = "## What is stored, and for how long";

/// The first column's names, of the table behind the heading: `schema.table`, or of Redis
/// a key with `…` for what differs.
fn documented() -> BTreeSet<String> {
    let (_, section) = PAGE.split_once(HEADING).expect("the page has the section");
    let section = section.split("\n## ").next().unwrap();
    let names = section.lines().filter_map(|line| {
        let cell = line.strip_prefix("| `")?;
        Some(cell.split('`').next()?.to_owned())
    });
    names.collect()
}

fn fits(pattern: &str, key: &str) -> bool {
    let mut rest = key;
    let mut parts = pattern.split('…');
    let Some(behind) = parts.next().and_then(|first| rest.strip_prefix(first)) else {
        return false;
    };
    rest = behind;
    let parts: Vec<&str> = parts.collect();
    for (n, part) in parts.iter().enumerate() {
        let found = if n + 1 == parts.len() {
            rest.len()
                .checked_sub(part.len())
                .filter(|at| rest.ends_with(part) && *at <= rest.len())
        } else {
            rest.find(part)
        };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn every_table_has_a_row_on_the_page() {
    journey(async |weir| {
        let sql = "SELECT n.nspname || '.' || c.relname FROM pg_class c
                   JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname IN ('mapping', 'contact', 'activity', 'audience')
                     AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        let there: BTreeSet<String> = weir.query(sql).await.into_iter().collect();
        let written: BTreeSet<String> = documented()
            .into_iter()
            .filter(|name| name.contains('.'))
            .collect();
        let missing: Vec<_> = there.difference(&written).collect();
        let gone: Vec<_> = written.difference(&there).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "not written: {missing:?}; not there: {gone:?}"
        );
    });
}

#[test]
fn every_key_in_redis_has_a_row_on_the_page_and_ends_by_itself() {
    if weir_servers::test_engines().1.is_some() {
        eprintln!("LEFT OUT: in somebody else's Redis there are keys of others");
        return;
    }
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        account
            .identify(&[identify("lifetime", json!({"email": "no address"}))])
            .await;
        let unmapped = with(track("lifetime"), json!({"event": "Never mapped"}));
        account.track(&[track("lifetime"), unmapped]).await;
        eventually("samples and log lines are written", async || {
            (account.log().await.len() >= 2).then_some(())
        })
        .await;
        let client = redis::Client::open(weir.stack.redis_url()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg("*")
            .query_async(&mut redis)
            .await
            .unwrap();
        assert!(keys.len() > 5, "{keys:?}");
        let written = documented();
        for key in keys {
            assert!(
                written.iter().any(|pattern| fits(pattern, &key)),
                "not written: {key}"
            );
            let left: i64 = redis::cmd("TTL")
                .arg(&key)
                .query_async(&mut redis)
                .await
                .unwrap();
            // -2: it ended just now.
            assert!(left > 0 || left == -2, "{key} has no end");
        }
    });
}

#[test]
fn patterns_fit_whole_keys() {
    assert!(fits("a:{…}:log", "a:{1}:log"));
    assert!(fits("a:{…}:s:…", "a:{1}:s:x:y"));
    assert!(!fits("a:{…}:log", "a:{1}:logs"));
    assert!(!fits("a:{…}", "b:{1}"));
}
