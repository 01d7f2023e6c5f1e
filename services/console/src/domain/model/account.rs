//! Accounts.

use crate::domain::Time;

/// How the unique identifiers find a contact (semantics 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    #[default]
    Any,
    NextIfEmpty,
}

impl Strategy {
    pub fn code(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::NextIfEmpty => "next_if_empty",
        }
    }

    pub fn of_code(code: &str) -> Option<Self> {
        match code {
            "any" => Some(Self::Any),
            "next_if_empty" => Some(Self::NextIfEmpty),
            _ => None,
        }
    }
}

/// A tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub included_contacts: i64,
    pub additional_contacts: i64,
    pub activity_slots: i64,
    pub profile_factor: i64,
    pub activity_factor: i64,
    pub mapped_activities: i64,
    pub notification_address: String,
    pub webhook_url: String,
    pub unique_identifiers: Vec<String>,
    pub next_unique_identifiers: Vec<String>,
    pub strategy: Strategy,
    pub keep_user_ids_apart: bool,
    pub blocked: Vec<Blocked>,
    pub allowed_defaults: Vec<String>,
    /// Of all that is set up in it: a change says which one it has seen.
    pub settings_version: i64,
}

/// What tells contacts apart changes over those that are there (semantics 3.2).
#[derive(Debug, Clone, Default)]
pub struct Reindex {
    pub old: Vec<String>,
    pub new: Vec<String>,
    pub contacts: i64,
    pub seen: i64,
    pub merged: i64,
    pub lost: i64,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    /// All were looked at.
    pub is_cleaning: bool,
    pub is_done: bool,
}

impl Reindex {
    /// Whether events match by the old ones, too.
    pub fn is_under_way(&self) -> bool {
        !self.is_done && !self.is_cleaning
    }
}

/// A value that means nobody (semantics 3.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blocked {
    pub pattern: String,
    /// `user_id`, `anonymous_id`, a field's id; empty: all of them.
    pub kind: String,
}

impl Blocked {
    /// As a line of a form: `pattern` or `kind pattern`.
    pub fn line(&self) -> String {
        if self.kind.is_empty() {
            self.pattern.clone()
        } else {
            format!("{} = {}", self.kind, self.pattern)
        }
    }

    /// What a line says: a kind stands in front where it is one (`user_id=0000`), or apart (`x = y`).
    ///
    /// # Errors
    /// There is nothing on one side of the sign.
    pub fn of_line(line: &str) -> Result<Self, &'static str> {
        let line = line.trim();
        let parts = line.split_once('=').map(|(kind, rest)| (kind.trim(), rest));
        let is_kind =
            |kind: &str| ["user_id", "anonymous_id"].contains(&kind) || kind.contains("::");
        // What was trimmed at an end of the line stood apart as well.
        let is_apart = line.contains(" = ") || line.starts_with("= ") || line.ends_with(" =");
        let (kind, pattern) = match parts {
            Some((kind, rest)) if is_kind(kind) || is_apart => (kind, rest.trim()),
            _ => return Ok(Self::of("", line)),
        };
        match (kind, pattern) {
            ("", _) => {
                Err("in front of “=” stands a kind, such as user_id; or write the value alone")
            }
            (_, "") => Err("behind “=” stands the value that means nobody"),
            (kind, pattern) => Ok(Self::of(kind, pattern)),
        }
    }

    fn of(kind: &str, pattern: &str) -> Self {
        Self {
            pattern: pattern.to_owned(),
            kind: kind.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Semantics 3.1.
    #[test]
    fn a_blocked_value_is_a_line_and_back() {
        for (line, kind, pattern) in [
            ("noemail@*", "", "noemail@*"),
            ("str::email = noemail@*", "str::email", "noemail@*"),
            ("a=b", "", "a=b"),
        ] {
            let blocked = Blocked::of_line(line).unwrap();
            assert_eq!((&*blocked.kind, &*blocked.pattern), (kind, pattern));
            assert_eq!(blocked.line(), line);
        }
        let of = Blocked::of_line("user_id=0000").unwrap();
        assert_eq!((&*of.kind, &*of.pattern), ("user_id", "0000"));
        for half in [
            "user_id=",
            "user_id = ",
            "= x",
            "anonymous_id =",
            "str::email=",
        ] {
            assert!(Blocked::of_line(half).is_err(), "{half}");
        }
    }
}
