//! What of a batch goes into its source's log (semantics 7.3).

use std::collections::HashMap;
use std::sync::Arc;

use weir_reasons::{About as Subject, Reason};

use super::envelope::{Envelope, Kind, Refusal};
use super::outcome::Outcome;
use super::stages::IgnoredValue;

/// The log keeps 500 entries; a batch that is wrong in more ways than this tells no more by more.
const MOST: usize = 2_000;

/// Where lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Stands for the request; a UUID.
    pub batch_id: Arc<str>,
    /// Of the request, in Unix time and microseconds.
    pub arrival: i64,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub kind: Kind,
    /// The event's index in the request.
    pub index: u32,
    pub message_id: String,
    /// Of a track.
    pub event_name: String,
    /// What the event was answered; 0 where the rest of it went on.
    pub status: u16,
    pub code: Reason,
    /// Within the event; empty where the field alone is known, or the event as a whole is meant.
    pub path: &'static str,
    /// The field whose value was ignored.
    pub field_id: String,
    /// For the person who maps.
    pub reason: String,
    pub value: String,
    /// How many events it stands for.
    pub count: i64,
}

/// Whom a line is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub kind: Kind,
    pub index: usize,
    pub message_id: &'a str,
    pub event_name: &'a str,
}

/// The lines of a batch, in the order of its events.
#[derive(Debug, Default)]
pub struct Lines {
    lines: Vec<Line>,
    /// Where the line of a reason and an event name is that stands for several.
    folded: HashMap<Reason, HashMap<String, usize>>,
}

impl Lines {
    /// What an event was answered, where that is not 200; `refusal` knows the value at fault.
    pub fn answered(&mut self, about: About<'_>, outcome: &Outcome, refusal: Option<&Refusal>) {
        // An identify that merely says nothing new is no trouble; a value that it was refused
        // for has its line already.
        let is_told = |code: &Reason| *code != Reason::NothingNew && code.about() != Subject::Value;
        let Some(code) = outcome.code.filter(is_told) else {
            return;
        };
        if is_folded(code) && self.fold(about, code, outcome) {
            return;
        }
        let mut line = Line {
            status: outcome.status,
            reason: outcome.message.to_string(),
            ..line(about, code)
        };
        if let Some(refusal) = refusal {
            line.path = refusal.path;
            line.reason = refusal.reason.to_string();
            line.value.clone_from(&refusal.value);
        }
        if is_folded(code) && self.lines.len() < MOST {
            let names = self.folded.entry(code).or_default();
            names.insert(line.event_name.clone(), self.lines.len());
        }
        self.push(line);
    }

    /// Whether there is a line that stands for this one as well. Where everything is refused that
    /// is so of nearly every event: it costs no memory then.
    fn fold(&mut self, about: About<'_>, code: Reason, outcome: &Outcome) -> bool {
        let names = self.folded.get(&code);
        let Some(at) = names.and_then(|names| names.get(about.event_name)) else {
            return false;
        };
        let line = &mut self.lines[*at];
        line.count += 1;
        line.index = index_of(about);
        line.status = outcome.status;
        about.message_id.clone_into(&mut line.message_id);
        (*outcome.message).clone_into(&mut line.reason);
        true
    }

    /// A value that a stage ignored. `outcome` is the event's: where the value is what it was
    /// refused for, the line stands for both.
    pub fn ignored(&mut self, about: About<'_>, value: &IgnoredValue, outcome: &Outcome) {
        let is_why = outcome.code == Some(value.code);
        self.push(Line {
            status: if is_why { outcome.status } else { 0 },
            field_id: value.field_id.clone(),
            reason: value.reason.clone(),
            value: value.value.clone(),
            ..line(about, value.code)
        });
    }

    /// An anonymous id that was taken for absent.
    pub fn absent(&mut self, about: About<'_>, envelope: &Envelope) {
        if let Some(ignored) = &envelope.ignored {
            self.push(Line {
                path: ignored.path,
                reason: ignored.reason.to_string(),
                value: ignored.value.clone(),
                ..line(about, ignored.code)
            });
        }
    }

    pub fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    fn push(&mut self, line: Line) {
        if self.lines.len() < MOST {
            self.lines.push(line);
        }
    }
}

/// Refusals that say nothing of a value of their event, of which thousands may come at once:
/// they must not push out the lines that do. Where nothing was valid those say why.
fn is_folded(code: Reason) -> bool {
    matches!(
        code,
        Reason::NoMapping
            | Reason::NothingValid
            | Reason::ContactNothingValid
            | Reason::ProfileLimit
            | Reason::ActivityLimit
            // Of an outage there are as many as there are events.
            | Reason::ContactDeferred
            | Reason::UnitsInFlight
            | Reason::ContactsAway
            | Reason::ActivitiesAway
            | Reason::AudiencesAway
    )
}

fn index_of(about: About<'_>) -> u32 {
    u32::try_from(about.index).unwrap_or(u32::MAX)
}

fn line(about: About<'_>, code: Reason) -> Line {
    Line {
        kind: about.kind,
        index: index_of(about),
        message_id: about.message_id.to_owned(),
        event_name: about.event_name.to_owned(),
        status: 0,
        code,
        path: "",
        field_id: String::new(),
        reason: String::new(),
        value: String::new(),
        count: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about<'a>(index: usize, event_name: &'a str) -> About<'a> {
        About {
            kind: Kind::Track,
            index,
            message_id: "m",
            event_name,
        }
    }

    fn outcome(status: u16, code: Reason) -> Outcome {
        Outcome {
            status,
            code: Some(code),
            message: code.meaning().into(),
        }
    }

    #[test]
    fn ordinary_refusals_are_one_line_for_each_reason_and_name() {
        let mut lines = Lines::default();
        let codes = [
            Reason::NoMapping,
            Reason::NothingValid,
            Reason::ContactNothingValid,
            Reason::ProfileLimit,
            Reason::ActivityLimit,
        ];
        for index in 0..900 {
            let name = if index % 3 == 0 { "a" } else { "b" };
            let code = codes[index % 5];
            lines.answered(about(index, name), &outcome(422, code), None);
        }
        let lines = lines.into_lines();
        assert_eq!(lines.len(), 10);
        for code in codes {
            let line = |name: &str| {
                let mut its = lines.iter().filter(|one| one.code == code);
                its.find(|one| one.event_name == name).unwrap()
            };
            assert_eq!((line("a").count, line("b").count), (60, 120), "{code}");
        }
        let latest = lines.iter().map(|line| line.index).max();
        assert_eq!(latest, Some(899), "with the latest as example");
        assert!(lines.iter().all(|line| line.index > 880));
    }

    #[test]
    fn all_else_is_a_line_of_its_own_but_what_is_no_trouble() {
        let mut lines = Lines::default();
        let ok = Outcome {
            status: 200,
            code: None,
            message: "".into(),
        };
        lines.answered(about(0, ""), &ok, None);
        lines.answered(about(1, ""), &outcome(422, Reason::NothingNew), None);
        for index in 2..4 {
            lines.answered(about(index, ""), &outcome(422, Reason::PastRetention), None);
        }
        let seen: Vec<_> = lines.into_lines().iter().map(|line| line.index).collect();
        assert_eq!(seen, [2, 3]);
    }

    #[test]
    fn a_value_that_its_event_was_refused_for_stands_for_both() {
        let taken = IgnoredValue {
            code: Reason::IdentifierTaken,
            field_id: "str::email".into(),
            reason: "belongs to another contact".into(),
            value: "a@b.example".into(),
        };
        let mut lines = Lines::default();
        for (index, code) in [Reason::IdentifierTaken, Reason::NothingNew]
            .into_iter()
            .enumerate()
        {
            lines.ignored(about(index, ""), &taken, &outcome(422, code));
        }
        let seen: Vec<_> = lines.into_lines().iter().map(|line| line.status).collect();
        assert_eq!(seen, [422, 0]);
    }

    #[test]
    fn a_batch_has_no_more_lines_than_the_log_can_show() {
        let mut lines = Lines::default();
        for index in 0..3 * MOST {
            let name = format!("name {index}");
            lines.answered(about(index, &name), &outcome(422, Reason::NoMapping), None);
        }
        assert_eq!(lines.into_lines().len(), MOST);
    }
}
