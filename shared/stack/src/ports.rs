//! Where a stack listens.

use anyhow::bail;
use weir_servers::{free_port, is_free};

/// What a stack listens on where nobody says otherwise, in the order of a plan: edge, the five
/// gRPC services, PostgreSQL and Redis (any port: nobody types theirs), metrics of the six, the
/// edge once more, for classic sources, and the console with its metrics.
/// A taken one moves on by itself alone, so that the others stay where they are looked for.
pub const USUAL: [Option<u16>; 17] = [
    Some(8080),
    Some(7001),
    Some(7002),
    Some(7003),
    Some(7004),
    Some(7005),
    None,
    None,
    Some(7100),
    Some(7101),
    Some(7102),
    Some(7103),
    Some(7104),
    Some(7105),
    Some(8090),
    Some(8000),
    Some(7106),
];
/// Where the edge is for classic sources, among them.
pub const CLASSIC: usize = 14;
/// Where the console is, and behind it its metrics.
pub const CONSOLE: usize = 15;
/// So far behind its usual place a port is looked for.
const NEAR: u16 = 500;

/// Where a stack listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortPlan {
    /// Wherever there is room: for tests.
    Free,
    /// Where people expect them: [`USUAL`] as far as they are free, else the next free ones
    /// behind them; PostgreSQL and Redis wherever there is room. For people.
    Usual,
    /// From this port on, in a fixed order: edge, mapping, contact-upsert, activity, audience,
    /// quota, PostgreSQL, Redis, then the metrics of the six services in the same order, then the
    /// edge for classic sources, the console and its metrics.
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
            Self::Usual => usual(count, is_free),
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

fn usual(count: u16, is_free: impl Fn(u16) -> bool) -> anyhow::Result<Vec<u16>> {
    let mut chosen: Vec<u16> = Vec::new();
    // Two stacks: what one service is moved to is not the usual place of another.
    let is_others = |port: u16| USUAL.contains(&Some(port));
    // Those of further replicas are looked up, not known by heart.
    let wanted = USUAL.into_iter().chain(std::iter::repeat(None));
    for wanted in wanted.take(usize::from(count)) {
        let found = match wanted {
            None => free_port()?,
            Some(port) if is_free(port) => port,
            Some(port) => {
                let mut behind = (port + 1..=port + NEAR)
                    .filter(|next| !is_others(*next) && !chosen.contains(next));
                match behind.find(|next| is_free(*next)) {
                    Some(next) => next,
                    None => free_port()?,
                }
            }
        };
        chosen.push(found);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn free_ports_are_different_and_can_be_listened_on() {
        let ports = PortPlan::Free.choose(15).unwrap();
        let different: BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 15);
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 15);
    }

    #[test]
    fn usual_ports_are_taken_where_they_are_free_and_the_next_free_ones_else() {
        let all = usual(17, |_| true).unwrap();
        assert_eq!(all[CLASSIC], 8090);
        assert_eq!(all[..6], [8080, 7001, 7002, 7003, 7004, 7005]);
        let some = usual(17, |port| ![8080, 8081, 7001].contains(&port)).unwrap();
        assert_eq!(some[..6], [8082, 7006, 7002, 7003, 7004, 7005]);
        let different: BTreeSet<_> = some.iter().collect();
        assert_eq!(different.len(), 17);
        assert_eq!(all[CONSOLE..], [8000, 7106]);
        // With further replicas.
        let more = usual(25, |_| true).unwrap();
        assert_eq!((more.len(), &more[..6]), (25, &all[..6]));
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
        assert!(PortPlan::Base(u16::MAX - 3).choose(15).is_err());
        assert!(PortPlan::Base(80).choose(15).is_err());
    }
}
