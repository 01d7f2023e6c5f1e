//! What pages show, and the rules of showing it: pure functions over values.

pub mod attempts;
pub mod attributes;
pub mod came;
pub mod changed;
pub mod chart;
pub mod configuration;
pub mod draft;
pub mod form;
pub mod glance;
pub mod meant;
pub mod model;
pub mod oidc;
pub mod said;
pub mod steps;
pub mod trouble;
pub mod unique;
pub mod words;

pub use attempts::Attempts;
pub use form::Form;
pub use glance::Glance;
pub use trouble::{Fault, Trouble};

/// A time, UTC.
pub type Time = chrono::DateTime<chrono::Utc>;
