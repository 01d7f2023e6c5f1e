//! The rules: what a plan allows, what a batch is granted, and which day it belongs to. Pure.

pub mod alert;
pub mod forecast;
pub mod limit;
pub mod reservation;
pub mod window;

pub use alert::{Level, LimitAlert, alerts};
pub use forecast::{USUAL_WINDOWS, forecast};
pub use limit::{Entitlement, UnitKind, Units};
pub use reservation::{Known, MAX_SETTLEMENTS, Progress, Reservation, Settlement, Wanted};
pub use window::Window;
