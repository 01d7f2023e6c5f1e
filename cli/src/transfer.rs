//! `export` and `import`: contacts and members of audiences in bulk, and everything known of one
//! person.

pub mod contacts;
pub mod import;
pub mod members;
mod meter;
pub mod person;
