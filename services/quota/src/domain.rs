//! The rules: what a plan allows, and which day a batch belongs to. Pure.

pub mod limit;
pub mod settlement;
pub mod window;

pub use limit::{Entitlement, UnitKind, Units};
pub use settlement::{MAX_SETTLEMENTS, Settlement};
pub use window::Window;
