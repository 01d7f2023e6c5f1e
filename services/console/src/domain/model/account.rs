//! Accounts.

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

    /// What a line says.
    pub fn of_line(line: &str) -> Self {
        let (kind, pattern) = line.split_once(" = ").unwrap_or(("", line));
        Self {
            pattern: pattern.trim().to_owned(),
            kind: kind.trim().to_owned(),
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
            let blocked = Blocked::of_line(line);
            assert_eq!((&*blocked.kind, &*blocked.pattern), (kind, pattern));
            assert_eq!(blocked.line(), line);
        }
    }
}
