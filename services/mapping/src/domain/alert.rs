//! Alerts: what somebody should look at.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;
use weir_ids::SourceId;

use super::invalid::Invalid;

/// Texts in one call; a batch of contact-upsert raises a handful.
pub const MAX_ALERTS: usize = 100;
/// New ones of an account in a day: more tell nobody anything, and each is a mail.
pub const MAX_ALERTS_A_DAY: i64 = 100;
/// Alerts, and what told of them.
pub const KEPT_DAYS: i64 = 90;

/// What is older is no news.
const NEAR: TimeDelta = TimeDelta::days(1);
const MAX_SUBJECT: usize = 300;
const MAX_MESSAGE: usize = 2_000;
/// As in the log (semantics 7.3).
const MAX_VALUE: usize = 120;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertKind {
    SourceSilent,
    ReasonJumped,
    ContactAbsorbs,
    LimitNear,
    LimitReached,
}

/// One that is raised; checked. An account has one a kind, subject and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlert {
    pub kind: AlertKind,
    pub subject: String,
    pub source_id: Option<SourceId>,
    pub message: String,
    pub value: String,
    pub raise_time: DateTime<Utc>,
}

impl NewAlert {
    /// Cuts the value, and finds everything else that is wrong, by its field within the alert.
    ///
    /// # Errors
    /// All of it.
    pub fn checked(mut self, now: DateTime<Utc>) -> Result<Self, Vec<Invalid>> {
        let mut faults = Vec::new();
        if (self.raise_time - now).abs() > NEAR {
            faults.push(Invalid::new("raise_time", "must be within a day of now"));
        }
        for (field, text, max) in [
            ("subject", &self.subject, MAX_SUBJECT),
            ("message", &self.message, MAX_MESSAGE),
        ] {
            if text.trim().is_empty() || text.chars().count() > max || text.contains('\0') {
                let expected = format!("must have 1 to {max} characters");
                faults.push(Invalid::new(field, expected));
            }
        }
        if self.value.contains('\0') {
            faults.push(Invalid::new("value", "must not hold NUL"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        if let Some((end, _)) = self.value.char_indices().nth(MAX_VALUE) {
            self.value.truncate(end);
        }
        Ok(self)
    }

    /// Of which there is one alert.
    pub fn day(&self) -> NaiveDate {
        self.raise_time.date_naive()
    }
}

/// One that was raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    pub alert_id: Uuid,
    pub kind: AlertKind,
    pub subject: String,
    pub source_id: Option<SourceId>,
    pub message: String,
    pub value: String,
    pub raise_time: DateTime<Utc>,
    pub last_time: DateTime<Utc>,
    pub count: i64,
    pub resolve_time: Option<DateTime<Utc>>,
}

/// Those of a list that are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlertFilter {
    pub source_id: Option<SourceId>,
    pub unresolved: bool,
}

/// What became of those that were raised in one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Raised {
    pub raised: u32,
    pub repeated: u32,
    pub dropped: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(subject: &str, message: &str, value: &str) -> NewAlert {
        NewAlert {
            kind: AlertKind::ContactAbsorbs,
            subject: subject.to_owned(),
            source_id: None,
            message: message.to_owned(),
            value: value.to_owned(),
            raise_time: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let later = DateTime::UNIX_EPOCH + TimeDelta::hours(25);
        let faults = alert(" ", &"x".repeat(2_001), "\0").checked(later);
        let fields: Vec<_> = faults
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.field)
            .collect();
        assert_eq!(fields, ["raise_time", "subject", "message", "value"]);
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let read = alert("a", "b", &"é".repeat(121)).checked(DateTime::UNIX_EPOCH);
        assert_eq!(read.unwrap().value, "é".repeat(120));
    }
}
