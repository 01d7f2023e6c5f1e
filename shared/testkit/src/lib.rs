//! What the tests of several crates need: a service in this process, the services that it
//! asks, a mail server and a webhook's other end, a network that breaks, and patience. Only ever a dev-dependency.

#![allow(clippy::unwrap_used)]

mod callers;
mod clock;
mod identifiers;
mod mmdb;
mod others;
mod patience;
mod post_office;
mod proxy;
mod receiver;
mod recorder;
mod rows;
mod running;
mod second_lock;
mod way;

pub use callers::{ADMIN_TOKEN, SERVICE_TOKEN, TOKENS, access, assert_callers};
pub use clock::TestClock;
pub use identifiers::check_identifiers;
pub use mmdb::{Network, mmdb};
pub use others::Others;
pub use patience::{Answer, eventually};
pub use post_office::{Mail, PostOffice};
pub use proxy::{Cutting, Proxy};
pub use receiver::{Call, Receiver};
pub use recorder::{Recorder, Sent};
pub use running::Running;
pub use second_lock::{SecondLock, check_rights, check_tables};
