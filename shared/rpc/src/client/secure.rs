//! Connections to addresses of `https://`.

use std::time::Duration;

use weir_tls::{Connector, H2, Quiet};

use super::Peer;
use super::address::Place;

/// By which a replica is connected to. Why there is no TLS with it is said once in a while.
pub(super) fn connector(peer: Peer, place: &Place, limit: Duration) -> Connector {
    let (variable, log) = (peer.variable, Quiet::default());
    let (host, address) = (place.host().to_owned(), place.at.clone());
    let tell = move |cause: &weir_tls::Cause| {
        log.say(cause.code, || {
            tracing::warn!(variable, host, address, "no TLS with a service: {cause}");
        });
    };
    Connector::new((place.host(), &place.at), H2, limit, None, tell)
}
