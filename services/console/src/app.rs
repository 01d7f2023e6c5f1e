//! What pages have in common: who is signed in, and steps that belong together.

mod password;
mod seal;
mod setup;
mod sign_in;
mod single;

pub use password::PasswordFailure;
pub use seal::{Purpose, Seal, Secret};
pub use setup::NewSource;
pub use sign_in::{LinkFailure, Me, SignIn};
pub use single::{Begun, Single};

use weir_service::Clock;

use crate::clients::{Clients, EdgeDoor};

/// What all requests share.
pub struct App {
    pub clients: Clients,
    pub sign_in: SignIn,
    /// Where an issuer is configured.
    pub single: Option<Single>,
    /// Without a slash at its end.
    pub edge_url: String,
    /// Where it is asked whether it is ready.
    pub edge: EdgeDoor,
    pub clock: Clock,
}
