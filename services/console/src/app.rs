//! What pages have in common: who is signed in, and steps that belong together.

mod carried;
pub mod drafted;
mod glance;
mod password;
mod seal;
mod setup;
mod sign_in;
mod single;

pub use carried::CARRIED;
pub use glance::Glances;
pub use password::PasswordFailure;
pub use seal::{Purpose, Seal, Secret};
pub use setup::NewSource;
pub use sign_in::{LinkFailure, Me, SignIn};
pub use single::{Begun, Single};

use weir_service::Clock;

use crate::clients::{Clients, EdgeDoor};
use crate::domain::steps::Doors;

/// What all requests share.
pub struct App {
    pub clients: Clients,
    pub sign_in: SignIn,
    /// Where an issuer is configured.
    pub single: Option<Single>,
    /// Where events are taken.
    pub doors: Doors,
    /// Where it is asked whether it is ready.
    pub edge: EdgeDoor,
    pub glances: Glances,
    pub clock: Clock,
}
