//! Names that may stand only once.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use crate::apply::schema::Fault;

/// Names seen so far, with their lines.
#[derive(Debug, Clone, Default)]
pub struct Unique(BTreeMap<String, u64>);

impl Unique {
    /// Adds a name; a fault when it was there before.
    pub fn add(&mut self, written: &Spanned<String>, name: &str, what: &str) -> Result<(), Fault> {
        match self.remember(written, name) {
            Some(line) => {
                let message = format!("this {what} stands in line {line} already");
                Err(Fault::at(written, message))
            }
            None => Ok(()),
        }
    }

    /// Adds a name; the line where it was before.
    pub fn remember(&mut self, written: &Spanned<String>, name: &str) -> Option<u64> {
        if let Some(line) = self.0.get(name) {
            return Some(*line);
        }
        self.0.insert(name.to_owned(), written.referenced.line());
        None
    }
}
