//! Channels to other services.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic::{Request, Status, service::Interceptor, service::interceptor::InterceptedService};

use crate::trace;

/// A connection that names the present trace in every call.
pub type Channel = InterceptedService<tonic::transport::Channel, Propagate>;

/// A service that does not answer the handshake in this time is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Finds peers that vanished without a word: both together are less than the edge's deadline
/// of 8 s.
const KEEP_ALIVE: Duration = Duration::from_secs(4);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// A batch of 16 MiB must not wait for window updates of the default 64 KiB.
const WINDOW: u32 = 4 * 1024 * 1024;
/// The most that the other side writes at once. With the default of 16 KiB a batch of 500
/// events is a dozen writes and more, each with a read and a wake-up on this side.
const FRAME: u32 = 1024 * 1024;

/// Nothing that could be connected to.
#[derive(Debug, thiserror::Error)]
#[error("{url} is not a gRPC address (http://host:port)")]
pub struct NotAnAddress {
    url: String,
    source: tonic::transport::Error,
}

/// Connects to `url` (`http://host:port`) on first use, and again whenever the peer comes back.
///
/// # Errors
/// Where the URL is not one.
pub fn connect(url: &str) -> Result<Channel, NotAnAddress> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .map_err(|source| NotAnAddress {
            url: url.to_owned(),
            source,
        })?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME);
    Ok(InterceptedService::new(endpoint.connect_lazy(), Propagate))
}

/// Writes the present trace into the call's metadata (W3C `traceparent`).
#[derive(Debug, Clone, Copy)]
pub struct Propagate;

impl Interceptor for Propagate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        trace::inject(request.metadata_mut());
        Ok(request)
    }
}
