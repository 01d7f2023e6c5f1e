//! `export` and `import`: contacts, activities and members of audiences in bulk, and everything
//! known of one person.

pub mod activities;
pub mod contacts;
pub mod import;
pub mod members;
mod meter;
mod output;
pub mod person;
