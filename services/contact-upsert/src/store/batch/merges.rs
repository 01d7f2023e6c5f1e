//! Merges of a batch as rows: what a split needs, and what is told of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::domain::{Before, Merge, Rule};
use crate::store::time_of;

/// Column by column.
pub(super) struct MergeColumns<'r> {
    ids: Vec<Uuid>,
    merged: Vec<Uuid>,
    survivors: Vec<Uuid>,
    turns: Vec<i64>,
    event_times: Vec<Option<DateTime<Utc>>>,
    message_ids: Vec<Option<&'r str>>,
    sources: Vec<Option<i32>>,
    identifiers: Vec<String>,
    before: Vec<String>,
}

impl<'r> MergeColumns<'r> {
    pub fn of(rows: &'r [Merge<'_>]) -> Self {
        let stamps = || rows.iter().map(|merge| merge.cause.as_ref());
        let times = stamps().map(|cause| cause.map(|cause| time_of(cause.stamp.micros)));
        let messages = stamps().map(|cause| cause.map(|cause| &*cause.stamp.message_id));
        let sources = stamps().map(|cause| cause.map(|cause| cause.source.0.into()));
        let id = |merge: &Merge<'_>| merge.request.unwrap_or_else(weir_ids::fresh);
        Self {
            ids: rows.iter().map(id).collect(),
            merged: rows.iter().map(|merge| merge.merged.0).collect(),
            survivors: rows.iter().map(|merge| merge.survivor.0).collect(),
            turns: rows.iter().map(|merge| merge.turn).collect(),
            event_times: times.collect(),
            message_ids: messages.collect(),
            sources: sources.collect(),
            identifiers: rows.iter().map(identifiers_of).collect(),
            before: rows.iter().map(|merge| before_of(&merge.before)).collect(),
        }
    }

    pub fn parameters<'p>(
        &'p self,
        account: &'p Uuid,
        now: &'p DateTime<Utc>,
    ) -> [&'p (dyn ToSql + Sync); 11] {
        [
            account,
            &self.ids,
            &self.merged,
            &self.survivors,
            &self.turns,
            &self.event_times,
            &self.message_ids,
            &self.sources,
            &self.identifiers,
            &self.before,
            now,
        ]
    }
}

/// Pairs of kind and value.
fn identifiers_of(merge: &Merge<'_>) -> String {
    let keys = merge.identifiers.iter();
    let keys: Vec<(&str, &str)> = keys.map(|key| (key.kind, &*key.value)).collect();
    serde_json::to_string(&keys).expect("pairs of texts are always JSON")
}

/// As it is stored: the texts of fields and registers come back letter by letter.
#[derive(Serialize, Deserialize)]
struct StoredBefore<'a> {
    user: bool,
    rule: StoredRule,
    #[serde(borrow)]
    fields: &'a RawValue,
    #[serde(borrow)]
    registers: &'a RawValue,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredRule {
    Newer,
    Survivor,
    Merged,
}

fn before_of(before: &Before) -> String {
    let raw = |json| serde_json::from_str(json).expect("rows of ours are JSON");
    let stored = StoredBefore {
        user: before.has_user_id,
        rule: match before.rule {
            Rule::Newer => StoredRule::Newer,
            Rule::Survivor => StoredRule::Survivor,
            Rule::Merged => StoredRule::Merged,
        },
        fields: raw(&before.fields),
        registers: raw(&before.registers),
    };
    serde_json::to_string(&stored).expect("JSON within JSON is JSON")
}

/// Reads it back; none where it is not what we write.
pub(super) fn read_before(json: &str) -> Option<Before> {
    let stored: StoredBefore<'_> = serde_json::from_str(json).ok()?;
    Some(Before {
        has_user_id: stored.user,
        fields: stored.fields.get().to_owned(),
        registers: stored.registers.get().to_owned(),
        rule: match stored.rule {
            StoredRule::Newer => Rule::Newer,
            StoredRule::Survivor => Rule::Survivor,
            StoredRule::Merged => Rule::Merged,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_before_a_merge_comes_back_letter_by_letter() {
        for rule in [Rule::Newer, Rule::Survivor, Rule::Merged] {
            let before = Before {
                has_user_id: true,
                fields: r#"{"int::a":1.50,"obj::o":{"b":1,"a":[ 2]}}"#.into(),
                registers: r#"[[1,"m\u00e9",null,3]]"#.into(),
                rule,
            };
            assert_eq!(read_before(&before_of(&before)), Some(before));
        }
        assert_eq!(read_before("{}"), None);
    }
}
