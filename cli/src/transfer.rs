//! `export` and `import`: contacts in bulk, and everything known of one person.

pub mod contacts;
pub mod import;
mod meter;
pub mod person;
