//! The rules: what a plan allows, and which day a batch belongs to. Pure.

pub mod limit;
pub mod window;

pub use limit::{Entitlement, UnitKind, Units};
pub use window::Window;
