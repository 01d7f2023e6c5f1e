//! `export` and `import`: contacts and activities in bulk, and everything known of one person.

pub mod activities;
pub mod contacts;
pub mod import;
mod meter;
pub mod person;
