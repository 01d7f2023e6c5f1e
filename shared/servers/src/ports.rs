//! Ports on the loopback interface.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use anyhow::bail;

use crate::secrets;

/// Ports below this are often other people's defaults.
const LOWEST: u16 = 15_000;
/// Where Linux begins to hand out ports to outgoing connections, unless told otherwise. Above
/// it, a port could be taken by somebody's connection while its service restarts.
const EPHEMERAL: u16 = 32_768;
/// So many ports are tried before we give up.
const ATTEMPTS: usize = 2_000;

/// Handed out by this process already, and perhaps not listened on yet.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on, and that this function has not given before.
///
/// # Errors
/// None is found.
pub fn free_port() -> anyhow::Result<u16> {
    let mut taken = TAKEN
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let room = usize::from(EPHEMERAL - LOWEST);
    // Several processes choose at the same time: each begins somewhere else.
    let start = secrets::number()? % room;
    for offset in 0..ATTEMPTS {
        let port = LOWEST + u16::try_from((start + offset) % room).unwrap_or(0);
        if !taken.contains(&port) && is_free(port) {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port between {LOWEST} and {EPHEMERAL}")
}

/// Whether a service could listen there now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
