//! Names are resolved anew every few seconds: replicas come and go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::Peer;
use super::address::{Address, Place};
use super::replica::{Replica, Replicas};

/// How long a new replica waits for work, and one that was taken away is still called.
const INTERVAL: Duration = Duration::from_secs(3);
/// Where a connection failed, no sooner than this.
const SOONEST: Duration = Duration::from_millis(250);

pub(super) async fn for_ever(
    peer: Peer,
    addresses: Vec<Address>,
    replicas: Arc<Replicas>,
    renew: Arc<Notify>,
) {
    let mut known: Vec<Known> = addresses.into_iter().map(Known::new).collect();
    loop {
        for known in &mut known {
            known.resolve(peer).await;
        }
        if let Some(next) = renewed(peer, &replicas.load(), &known) {
            Replica::watch_all(&next);
            replicas.store(Arc::new(next));
        }
        tokio::time::sleep(SOONEST).await;
        let _ = tokio::time::timeout(INTERVAL - SOONEST, renew.notified()).await;
    }
}

/// The replicas that are there now, where they are others than before; who stays is the same.
fn renewed(peer: Peer, before: &[Arc<Replica>], known: &[Known]) -> Option<Vec<Arc<Replica>>> {
    let mut places: Vec<&Place> = Vec::new();
    for place in known.iter().flat_map(|known| &known.places) {
        if !places.iter().any(|other| other.at == place.at) {
            places.push(place);
        }
    }
    if before
        .iter()
        .map(|replica| replica.place())
        .eq(places.iter().copied())
    {
        return None;
    }
    let replica = |place: &Place| {
        let kept = before.iter().find(|replica| replica.place() == place);
        kept.map_or_else(|| Replica::new(peer, place.clone()), Arc::clone)
    };
    Some(places.into_iter().map(replica).collect())
}

/// An address and what it resolved to last.
struct Known {
    address: Address,
    places: Vec<Place>,
    /// Whether the last try found something; none before the first.
    found: Option<bool>,
}

impl Known {
    fn new(address: Address) -> Self {
        Self {
            places: vec![address.as_given()],
            address,
            found: None,
        }
    }

    /// Whoever was there stays, where the name resolves to nothing: names have outages, too.
    async fn resolve(&mut self, peer: Peer) {
        let resolved = self.address.resolve().await;
        let variable = peer.variable;
        let name = &self.places.first().map(|place| place.origin.to_string());
        match resolved {
            Ok(places) if !places.is_empty() => {
                if self.found == Some(false) {
                    tracing::info!(variable, name, "the name resolves");
                }
                if places != self.places {
                    let count = places.len();
                    tracing::info!(variable, name, count, "the name's addresses are others now");
                }
                self.places = places;
                self.found = Some(true);
            }
            other => {
                if self.found != Some(false) {
                    let error = other
                        .err()
                        .map_or_else(String::new, |error| error.to_string());
                    tracing::warn!(
                        variable,
                        name,
                        error,
                        "the name does not resolve; is tried again"
                    );
                }
                self.found = Some(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::address;
    use super::*;

    fn known(places: &[&str]) -> Vec<Known> {
        let name = address::read("X", "http://name:1").unwrap().remove(0);
        let place = |at: &&str| Place {
            at: (*at).to_owned(),
            ..name.as_given()
        };
        let places = places.iter().map(place).collect();
        vec![Known {
            places,
            ..Known::new(name)
        }]
    }

    #[tokio::test]
    async fn replicas_come_and_go_and_who_stays_is_the_same() {
        let renewed =
            |before: &[Arc<Replica>], places| renewed(Peer::QUOTA, before, &known(places));
        let first = renewed(&[], &["10.0.0.1:1", "10.0.0.2:1"]).unwrap();
        assert!(renewed(&first, &["10.0.0.1:1", "10.0.0.2:1"]).is_none());
        let second = renewed(&first, &["10.0.0.2:1", "10.0.0.3:1", "10.0.0.3:1"]).unwrap();
        assert_eq!(second.len(), 2);
        assert!(Arc::ptr_eq(&second[0], &first[1]));
        assert_eq!(second[1].place().at, "10.0.0.3:1");
    }

    #[tokio::test]
    async fn what_was_found_stays_where_the_name_resolves_to_nothing() {
        let gone = address::read("X", "http://weir-test.invalid:1")
            .unwrap()
            .remove(0);
        let mut known = Known {
            address: gone,
            ..known(&["10.0.0.1:1"]).remove(0)
        };
        known.resolve(Peer::QUOTA).await;
        assert_eq!(known.found, Some(false));
        assert_eq!(known.places[0].at, "10.0.0.1:1");
    }
}
