//! How far an import has come, beside its file: whoever ends it finds it there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::rows::Position;
use crate::failure::Failure;

/// What an import is of, and how it is done: another one does not go on where this one ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub account_id: String,
    pub source_id: String,
    pub import_id: String,
    /// Of the file, in bytes.
    pub size: u64,
    pub as_of: String,
    pub merge: String,
    pub charge: bool,
    pub columns: Vec<String>,
}

/// What came of the rows so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub stored: u64,
    /// Sent before as well, by whoever ended before they could note it.
    #[serde(default)]
    pub stored_before: u64,
    pub unchanged: u64,
    pub refused: u64,
    /// Of these: what has to be put right in the original file.
    #[serde(default)]
    pub beyond_mending: u64,
    pub units: u64,
    /// By reason code: how many, and the first row.
    pub reasons: BTreeMap<String, (u64, u64)>,
    /// Values that were not taken, by column and code.
    pub ignored: BTreeMap<String, (u64, u64)>,
}

impl Counts {
    pub fn rows(&self) -> u64 {
        self.stored + self.stored_before + self.unchanged + self.refused
    }

    pub fn count(counts: &mut BTreeMap<String, (u64, u64)>, what: String, row: u64) {
        counts.entry(what).or_insert((0, row)).0 += 1;
    }
}

/// As it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub plan: Plan,
    pub offset: u64,
    pub line: u64,
    pub rows: u64,
    pub counts: Counts,
    /// Of the file of refused rows, in bytes.
    pub refused_bytes: u64,
}

impl Progress {
    pub fn position(&self) -> Position {
        Position {
            offset: self.offset,
            line: self.line,
            rows: self.rows,
        }
    }
}

/// Where it lies.
pub fn path_beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".import");
    file.with_file_name(name)
}

/// What an import of the same plan left undone.
///
/// # Errors
/// It is of another plan, or can't be read.
pub fn read(path: &Path, plan: &Plan) -> Result<Option<Progress>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let message = format!("can't read {}: {error}", path.display());
            return Err(Failure::Input(message));
        }
    };
    let progress: Option<Progress> = serde_json::from_str(&text).ok();
    match progress {
        Some(progress) if progress.plan == *plan => Ok(Some(progress)),
        _ => Err(Failure::Input(format!(
            "{} is of an import that was not finished, of another file or done in another way; \
             finish that one, or take the file away to begin anew",
            path.display()
        ))),
    }
}

/// Writes it down, whole or not at all. Rows that came since are sent again after a crash, and
/// change nothing.
///
/// # Errors
/// It can't be written.
pub fn write(path: &Path, progress: &Progress) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(progress).context("progress as JSON")?;
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    Ok(written.with_context(|| format!("can't write {}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_goes_on_where_it_ended_and_another_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_beside(&folder.path().join("people.csv"));
        assert!(path.ends_with("people.csv.import"));
        let plan = Plan {
            account_id: "a".into(),
            source_id: String::new(),
            import_id: "i".into(),
            size: 7,
            as_of: "2025-07-10T06:00:00Z".into(),
            merge: "overwrite".into(),
            charge: false,
            columns: vec!["user_id".into()],
        };
        assert_eq!(read(&path, &plan).unwrap(), None);
        let mut counts = Counts {
            stored: 5,
            refused: 1,
            ..Counts::default()
        };
        Counts::count(&mut counts.reasons, "NO_IDENTIFIER".into(), 3);
        Counts::count(&mut counts.reasons, "NO_IDENTIFIER".into(), 6);
        assert_eq!(
            (counts.rows(), counts.reasons["NO_IDENTIFIER"]),
            (6, (2, 3))
        );
        let progress = Progress {
            plan: plan.clone(),
            offset: 100,
            line: 8,
            rows: 6,
            counts,
            refused_bytes: 40,
        };
        write(&path, &progress).unwrap();
        assert_eq!(read(&path, &plan).unwrap(), Some(progress));
        let other = Plan { size: 8, ..plan };
        assert!(matches!(read(&path, &other), Err(Failure::Input(_))));
    }
}
