//! The rules: what a plan allows, what a batch is granted, and which day it belongs to. Pure.

pub mod alert;
pub mod forecast;
pub mod grantor;
pub mod limit;
pub mod reservation;
pub mod sight;
pub mod window;

pub use alert::{Level, LimitAlert, alerts};
pub use forecast::{USUAL_WINDOWS, forecast};
pub use grantor::{Grantor, Standing, Step, Wish, is_reached, step};
pub use limit::{Entitlement, UnitKind, Units};
pub use reservation::{Known, MAX_SETTLEMENTS, Progress, Reservation, Settlement, Wanted};
pub use sight::Sight;
pub use window::Window;
