//! One at a time: roles belong to the whole server, and who looks which are there and makes the
//! others must not be two.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use super::dialing::dial;
use super::{MAINTENANCE, Theirs};

/// `weir` and `role`, as numbers: nobody else's lock.
const LOCK: &str = "BEGIN; SELECT pg_advisory_xact_lock(2003134834, 1919904869)";
/// Longer than whoever has it takes.
const PATIENCE: Duration = Duration::from_secs(30);

impl Theirs {
    /// Holds the server's lock for as long as what is returned lives. None where it can't be had,
    /// as where the administrator has no way into the database that everybody knows: then those
    /// who come at once see that they did, and try again.
    pub(super) async fn alone(&self) -> Option<Client> {
        // A lock belongs to the database that it is taken in.
        let url = self.clone().database(MAINTENANCE).url();
        let taking = async {
            let client = dial(&url).await.ok()?;
            client.batch_execute(LOCK).await.ok()?;
            Some(client)
        };
        timeout(PATIENCE, taking).await.ok().flatten()
    }
}
