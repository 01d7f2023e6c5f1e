//! Activities as they are configured and stored (semantics 4.2-4.4); the rows of their mappings
//! are in [`super::row`].

use weir_ids::ActivityId;

use super::invalid::Invalid;
use super::row::AttributeRow;

/// Semantics 4.4.
pub const RETENTIONS: [u32; 5] = [30, 90, 180, 365, 730];
/// Nothing is refused as too old that nobody decided about.
pub const DEFAULT_RETENTION: u32 = 730;
const MAX_EVENT_NAME: usize = 255;
/// A message names so many activities (a person who unmaps some asks again), with so many
/// characters each: it travels in a header.
const MAX_NAMED: usize = 10;
const MAX_NAMED_CHARS: usize = 60;

/// The name of an activity: that of the track, trimmed.
///
/// # Errors
/// When nothing is left, or too much.
pub fn read_event_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if !is_event_name(name) {
        return Err(Invalid::new(
            "event_name",
            format!("must have 1 to {MAX_EVENT_NAME} characters"),
        ));
    }
    Ok(name.to_owned())
}

/// Whether an activity may have this name.
pub fn is_event_name(name: &str) -> bool {
    let fits = name.len() <= MAX_EVENT_NAME || name.chars().count() <= MAX_EVENT_NAME;
    fits && !name.is_empty() && !name.contains('\0')
}

/// # Errors
/// When it is none of the five.
pub fn read_retention(days: u32) -> Result<u32, Invalid> {
    if RETENTIONS.contains(&days) {
        return Ok(days);
    }
    Err(Invalid::new(
        "retention_days",
        "must be 30, 90, 180, 365 or 730",
    ))
}

/// Why a plan can't have so few slots, where it can't: which activities are in the way
/// (semantics 4.2, 6.7).
pub fn too_few_slots(slots: i64, mapped: &[String]) -> Option<String> {
    let free = usize::try_from(slots).unwrap_or(0);
    let surplus = mapped
        .len()
        .checked_sub(free)
        .filter(|surplus| *surplus > 0)?;
    let mut names: Vec<String> = mapped
        .iter()
        .take(MAX_NAMED)
        .map(|name| format!("\"{}\"", cut(name, MAX_NAMED_CHARS)))
        .collect();
    if mapped.len() > MAX_NAMED {
        names.push(format!("and {} more", mapped.len() - MAX_NAMED));
    }
    Some(format!(
        "{slots} activity slots are fewer than the {} activities that are mapped; \
         at least {surplus} of these must be unmapped first: {}",
        mapped.len(),
        names.join(", ")
    ))
}

fn cut(name: &str, limit: usize) -> String {
    match name.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.to_owned(),
    }
}

/// Why one more activity can't be mapped (semantics 4.2).
pub fn no_free_slot(slots: i64, used: i64) -> String {
    format!(
        "{used} of the plan's {slots} activity slots are used: each further activity needs one \
         Activities + add-on, or a mapped one must be unmapped"
    )
}

/// A named event of an account, and how this source's properties become its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityMapping {
    pub activity: Activity,
    pub attributes: Vec<AttributeRow>,
}

/// A named event of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    pub activity_id: ActivityId,
    pub event_name: String,
    pub retention_days: u32,
    /// Those it had before: a copy of a repeated event may lie where they led.
    pub earlier_retention_days: Vec<u32>,
}

impl Activity {
    /// Changes the retention, and remembers the one before.
    pub fn retain(&mut self, days: u32) {
        if self.retention_days != days {
            self.earlier_retention_days
                .retain(|earlier| *earlier != days);
            self.earlier_retention_days.push(self.retention_days);
            self.retention_days = days;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_can_not_fall_below_what_is_mapped() {
        let names = |count: usize| (1..=count).map(|n| format!("Name {n}")).collect::<Vec<_>>();
        assert_eq!(too_few_slots(2, &names(2)), None);
        let message = too_few_slots(1, &names(3)).unwrap();
        assert!(message.contains("at least 2"), "{message}");
        assert!(
            message.ends_with("\"Name 1\", \"Name 2\", \"Name 3\""),
            "{message}"
        );
        let message = too_few_slots(0, &names(13)).unwrap();
        assert!(message.ends_with("\"Name 10\", and 3 more"), "{message}");
        let long = [String::from("é").repeat(255)];
        assert!(too_few_slots(0, &long).unwrap().len() < 300);
    }

    #[test]
    fn a_change_of_retention_remembers_what_was() {
        let mut activity = Activity {
            activity_id: ActivityId::new(),
            event_name: "a".to_owned(),
            retention_days: 90,
            earlier_retention_days: vec![],
        };
        for (days, earlier) in [
            (90, vec![]),
            (30, vec![90]),
            (90, vec![30]),
            (365, vec![30, 90]),
        ] {
            activity.retain(days);
            assert_eq!(
                (activity.retention_days, &activity.earlier_retention_days),
                (days, &earlier)
            );
        }
        assert_eq!(read_retention(DEFAULT_RETENTION), Ok(730));
        assert!(read_retention(31).is_err() && read_retention(0).is_err());
    }
}
