//! Names that may stand only once.

use std::collections::BTreeMap;

use serde_saphyr::Spanned;

use crate::file::schema::Fault;

/// Names seen so far, with their lines.
#[derive(Debug, Default)]
pub struct Unique(BTreeMap<String, u64>);

impl Unique {
    /// Adds a name; a fault when it was there before. A name that was refused is empty, and no
    /// other one's double.
    pub fn add(&mut self, written: &Spanned<String>, name: &str, what: &str) -> Result<(), Fault> {
        if name.is_empty() {
            return Ok(());
        }
        match self.0.get(name) {
            Some(line) => {
                let message = format!("this {what} stands in line {line} already");
                Err(Fault::at(written, message))
            }
            None => {
                self.0.insert(name.to_owned(), written.referenced.line());
                Ok(())
            }
        }
    }
}
