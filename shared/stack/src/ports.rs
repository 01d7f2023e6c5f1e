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

/// Where a stack listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPlan {
    /// Wherever there is room.
    Free,
    /// From this port on, in a fixed order: edge, mapping, contact-upsert, activity, audience,
    /// quota, PostgreSQL, Redis, then the metrics of the six services in the same order.
    Base(u16),
}

impl PortPlan {
    /// The `count` ports of this plan.
    ///
    /// # Errors
    /// A port of a fixed plan is taken or does not exist; no port is free.
    pub fn choose(self, count: u16) -> anyhow::Result<Vec<u16>> {
        match self {
            Self::Free => (0..count).map(|_| free_port()).collect(),
            Self::Base(base) => {
                let Some(end) = base.checked_add(count).filter(|_| base >= 1024) else {
                    bail!(
                        "--ports {base}: choose a number from 1024 to {}",
                        u16::MAX - count
                    );
                };
                for port in base..end {
                    if !is_free(port) {
                        bail!(
                            "port {port} is taken by another program; choose other ports with \
                             --ports (Weir takes {count} in a row), or leave --ports out"
                        );
                    }
                }
                Ok((base..end).collect())
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_different_and_can_be_listened_on() {
        let ports = PortPlan::Free.choose(14).unwrap();
        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 14);
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 14);
    }

    #[test]
    fn a_taken_port_of_a_fixed_plan_is_named() {
        let base = free_port().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, base)).unwrap();
        let error = PortPlan::Base(base).choose(1).unwrap_err().to_string();
        assert!(error.contains(&format!("port {base} is taken")), "{error}");
    }

    #[test]
    fn a_plan_beyond_the_last_port_is_refused() {
        assert!(PortPlan::Base(u16::MAX - 3).choose(14).is_err());
        assert!(PortPlan::Base(80).choose(14).is_err());
    }
}
