//! The retention of an activity is the account's, whichever source maps it.

use std::collections::BTreeMap;

use crate::file::schema::{Fault, Source};

/// Sources that say different things of one activity.
pub fn faults(sources: &[Source]) -> Vec<Fault> {
    let mut said: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
    let mut faults = Vec::new();
    for activity in sources
        .iter()
        .flat_map(|source| source.activities.iter().flatten())
    {
        let Some(days) = &activity.retention_days else {
            continue;
        };
        let event = activity.event.value.trim();
        let place = (days.value, days.referenced.line());
        let (first, line) = *said.entry(event).or_insert(place);
        if first != days.value {
            let message = format!(
                "an activity has one retention in all sources: it is {first} in line {line}"
            );
            faults.push(Fault::at(days, message));
        }
    }
    faults
}
