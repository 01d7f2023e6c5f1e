//! Whether every identifier leads to one living contact (semantics 3.8), found out from the
//! tables alone.

use weir_doctor::{Scope, examine};

/// Looks at all accounts of the database at `url` (its schema `contact` at least), at one moment,
/// and answers what is wrong, in words: what `./weir doctor` says of it.
///
/// # Panics
/// The database can't be read.
pub async fn check_identifiers(url: &str) -> Vec<String> {
    let report = examine(url, &Scope::default(), |_| {}).await.unwrap();
    assert!(report.made > 0);
    report.faults.iter().map(ToString::to_string).collect()
}
