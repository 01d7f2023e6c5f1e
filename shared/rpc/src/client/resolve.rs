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
        let mut places: Vec<&Place> = Vec::new();
        for place in known.iter().flat_map(|known| &known.places) {
            if !places.iter().any(|other| other.at == place.at) {
                places.push(place);
            }
        }
        let present = replicas.load_full();
        if !present
            .iter()
            .map(|replica| replica.place())
            .eq(places.iter().copied())
        {
            let kept = |place: &Place| present.iter().find(|replica| replica.place() == place);
            let next: Vec<_> = places
                .into_iter()
                .map(|place| {
                    kept(place).map_or_else(|| Replica::new(peer, place.clone()), Arc::clone)
                })
                .collect();
            Replica::watch_all(&next);
            replicas.store(Arc::new(next));
        }
        tokio::time::sleep(SOONEST).await;
        let _ = tokio::time::timeout(INTERVAL - SOONEST, renew.notified()).await;
    }
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
