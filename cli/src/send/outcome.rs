//! What became of events, as a table.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::table;

/// Of so many events each has a row; of more only those that were not 200, up to a bound.
const FEW: usize = 40;
const MAX_ROWS: usize = 100;
/// Longest message in the table.
const MESSAGE: usize = 160;

/// What a request is answered.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    #[serde(default)]
    results: Vec<Outcome>,
    /// Of problem details.
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Outcome {
    status: u16,
    code: Option<String>,
    message: Option<String>,
}

/// One event's.
#[derive(Debug, Clone)]
pub struct Row {
    number: u64,
    /// None where it was not sent.
    status: Option<u16>,
    code: String,
    message: String,
}

impl Row {
    pub fn unsent(number: u64, why: &str) -> Self {
        Self {
            number,
            status: None,
            code: String::new(),
            message: why.to_owned(),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.number.to_string(),
            self.status
                .map_or_else(|| "not sent".to_owned(), |status| status.to_string()),
            self.code.clone(),
            self.message.chars().take(MESSAGE).collect(),
        ]
    }
}

/// Of all events so far.
pub struct Outcomes {
    /// Every row, however many.
    all: bool,
    rows: Vec<Row>,
    /// The first few, while there are no more.
    few: Vec<Row>,
    counts: BTreeMap<(Option<u16>, String), u64>,
}

impl Outcomes {
    pub fn new(all: bool) -> Self {
        Self {
            all,
            rows: Vec::new(),
            few: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    pub fn not_taken(&self) -> u64 {
        let bad = self
            .counts
            .iter()
            .filter(|((status, _), _)| *status != Some(200));
        bad.map(|(_, count)| count).sum()
    }

    pub fn are_all_taken(&self) -> bool {
        self.not_taken() == 0
    }

    pub fn add(&mut self, row: Row) {
        let bad = row.status != Some(200);
        *self
            .counts
            .entry((row.status, row.code.clone()))
            .or_default() += 1;
        if self.few.len() <= FEW {
            self.few.push(row.clone());
        }
        if self.all || (bad && self.rows.len() < MAX_ROWS) {
            self.rows.push(row);
        }
    }

    /// Of one batch; where the request was refused as a whole, so was each event.
    pub fn answered(&mut self, numbers: &[u64], status: u16, answer: Answer) -> anyhow::Result<()> {
        if status == 207 {
            if answer.results.len() != numbers.len() {
                bail!(
                    "the edge answered {} of {} events",
                    answer.results.len(),
                    numbers.len()
                );
            }
            for (number, outcome) in numbers.iter().zip(answer.results) {
                self.add(Row {
                    number: *number,
                    status: Some(outcome.status),
                    code: outcome.code.unwrap_or_default(),
                    message: outcome.message.unwrap_or_default(),
                });
            }
            return Ok(());
        }
        let message = answer.detail.or(answer.title);
        let message = message.with_context(|| format!("the edge answered {status}"))?;
        for number in numbers {
            self.add(Row {
                number: *number,
                status: Some(status),
                code: answer.code.clone().unwrap_or_default(),
                message: message.clone(),
            });
        }
        Ok(())
    }

    /// Rows, and what they come to.
    pub fn table(&self) -> String {
        let is_few = self.few.len() <= FEW;
        let rows = if is_few { &self.few } else { &self.rows };
        let mut text = String::new();
        if !rows.is_empty() {
            let mut rows: Vec<&Row> = rows.iter().collect();
            rows.sort_by_key(|row| row.number);
            let cells: Vec<_> = rows.into_iter().map(Row::cells).collect();
            text += &table::render(&["event", "status", "code", "message"], &cells);
            text.push('\n');
        }
        let hidden = self.not_taken().saturating_sub(rows.len() as u64);
        if !is_few && !self.all && hidden > 0 {
            text +=
                &format!("  … and {hidden} more that were not 200 (--all shows every event)\n\n");
        }
        let cells: Vec<_> = self
            .counts
            .iter()
            .map(|((status, code), count)| {
                let status = status.map_or_else(|| "not sent".to_owned(), |one| one.to_string());
                vec![count.to_string(), status, code.clone()]
            })
            .collect();
        text + &table::render(&["events", "status", "code"], &cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> Answer {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn few_events_have_a_row_each() {
        let mut outcomes = Outcomes::new(false);
        let said = r#"{"results": [{"index": 0, "status": 200},
            {"index": 1, "status": 422, "code": "NO_MAPPING", "message": "No mappings configured"}]}"#;
        outcomes.answered(&[1, 3], 207, answer(said)).unwrap();
        outcomes.add(Row::unsent(2, "the line is no JSON"));
        let table = outcomes.table();
        assert!(
            table.contains("  3      422       NO_MAPPING  No mappings configured"),
            "{table}"
        );
        assert!(table.contains("  2      not sent"), "{table}");
        assert!(!outcomes.are_all_taken());
        assert_eq!((outcomes.count(), outcomes.not_taken()), (3, 2));
    }

    #[test]
    fn of_many_only_those_that_were_not_taken_are_shown() {
        let mut outcomes = Outcomes::new(false);
        for number in 1..=1_000 {
            let status = if number % 5 == 0 { 400 } else { 200 };
            outcomes.add(Row {
                status: Some(status),
                ..Row::unsent(number, "")
            });
        }
        let table = outcomes.table();
        assert!(table.contains("and 100 more"), "{table}");
        assert!(table.contains("  800     200"), "{table}");
        assert_eq!(
            table.lines().filter(|line| line.ends_with(" 400")).count(),
            101
        );
    }

    #[test]
    fn a_refused_request_is_each_events_answer() {
        let mut outcomes = Outcomes::new(false);
        let said = r#"{"title": "Too large", "status": 413, "code": "BODY_TOO_LARGE"}"#;
        outcomes.answered(&[1, 2], 413, answer(said)).unwrap();
        assert_eq!(outcomes.not_taken(), 2);
        assert!(outcomes.table().contains("BODY_TOO_LARGE"));
    }
}
