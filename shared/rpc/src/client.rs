//! Channels to other services, each to all replicas of one.
//!
//! A call goes to the next in turn of the replicas with few calls under way. A replica is left out while its
//! connection or its calls fail, or its health says that it can't serve, and probed back with
//! growing pauses; where all are left out, one is tried all the same. What was surely not
//! begun (never sent, or refused unread) is sent to another; what may have been is not: its
//! caller knows whether it may be repeated.
//!
//! **Invariant:** with a single replica nothing is probed and nothing is left out.

mod address;
mod choice;
mod message;
mod replica;
mod resolve;
mod secure;
mod send;
mod verdict;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tower::Service;
use weir_proto::activity::v1::activity_service_server as activity;
use weir_proto::audience::v1::audience_service_server as audience;
use weir_proto::contact::v1::contact_service_server as contact;
use weir_proto::mapping::v1::mapping_service_server as mapping;
use weir_proto::quota::v1::quota_service_server as quota;

use crate::trace;
pub use address::NotAnAddress;
pub(crate) use message::Message;
use replica::{Replica, Replicas};

/// A service that others call: who it is, and where they are told where it is.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The variable that holds its addresses; said in errors and in the log.
    variable: &'static str,
    /// Its full proto name, by which it is asked for its health: a replica that does not know
    /// the name is another service, or an older version.
    service: &'static str,
}

impl Peer {
    pub const MAPPING: Self = Self::new("WEIR_MAPPING_URL", mapping::SERVICE_NAME);
    pub const CONTACT: Self = Self::new("WEIR_CONTACT_URL", contact::SERVICE_NAME);
    pub const ACTIVITY: Self = Self::new("WEIR_ACTIVITY_URL", activity::SERVICE_NAME);
    pub const AUDIENCE: Self = Self::new("WEIR_AUDIENCE_URL", audience::SERVICE_NAME);
    pub const QUOTA: Self = Self::new("WEIR_QUOTA_URL", quota::SERVICE_NAME);

    /// Any other.
    pub const fn new(variable: &'static str, service: &'static str) -> Self {
        Self { variable, service }
    }

    /// Connects on first use to all of `addresses` (`http://host:port` or `https://host:port`, separated
    /// by commas),
    /// and to each address that a name among them resolves to, now or later.
    ///
    /// # Errors
    /// Where one of them is no address; says the variable.
    pub fn connect(self, addresses: &str) -> Result<Channel, NotAnAddress> {
        let addresses = address::read(self.variable, addresses)?;
        replica::describe();
        let first = addresses.iter().map(address::Address::as_given);
        let first = first.map(|endpoint| Replica::new(self, endpoint)).collect();
        let replicas = Arc::new(Replicas::from_pointee(first));
        Replica::watch_all(&replicas.load());
        let renew = Arc::new(Notify::new());
        let resolving = addresses.iter().any(address::Address::is_name).then(|| {
            let (replicas, renew) = (Arc::clone(&replicas), Arc::clone(&renew));
            let resolving = resolve::for_ever(self, addresses, replicas, renew);
            AbortOnDropHandle::new(tokio::spawn(resolving))
        });
        Ok(Channel(Arc::new(Shared {
            peer: self,
            replicas,
            turn: AtomicUsize::new(0),
            renew,
            _resolving: resolving,
        })))
    }
}

/// As [`Peer::connect`], to whatever serves there.
///
/// # Errors
/// Where one of them is no address.
pub fn connect(addresses: &str) -> Result<Channel, NotAnAddress> {
    Peer::new("the address", "").connect(addresses)
}

/// Connections to all replicas of a service, that name the present trace in every call. Clones
/// share them.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    peer: Peer,
    /// Never empty.
    replicas: Arc<Replicas>,
    /// Where the choice begins: ties go round.
    turn: AtomicUsize,
    /// Names are resolved anew at once.
    renew: Arc<Notify>,
    _resolving: Option<AbortOnDropHandle<()>>,
}

impl Channel {
    /// Each replica that is known now, by its address, as a channel of its own: for whoever asks
    /// after every one of them.
    pub fn each(&self) -> Vec<(String, Self)> {
        let replicas = self.0.replicas.load();
        let alone = replicas.iter().map(|replica| {
            let channel = Self(Arc::new(Shared {
                peer: self.0.peer,
                replicas: Arc::new(Replicas::from_pointee(vec![Arc::clone(replica)])),
                turn: AtomicUsize::new(0),
                renew: Arc::clone(&self.0.renew),
                _resolving: None,
            }));
            (replica.place().at.clone(), channel)
        });
        alone.collect()
    }
}

/// For the generated clients.
impl Service<http::Request<Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let channel = self.clone();
        let (mut head, body) = request.into_parts();
        trace::inject(&mut head.headers);
        Box::pin(async move { channel.send(head, Message::of(body)).await })
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Channel")
            .field(&self.0.peer)
            .finish()
    }
}
