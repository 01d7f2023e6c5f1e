//! One replica: its connection, how busy it is, and whether it is well.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Peer;
use super::address::Place;
use super::choice::Rank;
use super::secure::connector;

/// A service that does not answer the handshake in this time is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Finds peers that vanished without a word: both together are less than the edge's deadline
/// of 8 s. Asked often and waited for long, as a machine that stands still for some seconds (its
/// host is busy, or moves it) must not cut the calls that are on their way.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// A batch of 16 MiB must not wait for window updates of the default 64 KiB.
const WINDOW: u32 = 4 * 1024 * 1024;
/// The most that the other side writes at once. With the default of 16 KiB a batch of 500
/// events is a dozen writes and more, each with a read and a wake-up on this side.
const FRAME: u32 = 1024 * 1024;

/// How often one that is well is asked for its health. That it is gone shows at once.
const INTERVAL: Duration = Duration::from_secs(1);
/// Who does not answer in this time is not well; a machine that is busy takes a while.
const LIMIT: Duration = Duration::from_secs(2);
/// Before the first probe of one that is left out; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// So often it doubles: up to 3.2 s, so that one that is back has work well within the time
/// for which the edge tries again.
const DOUBLINGS: u32 = 5;
/// One that was well for so long begins with short pauses again.
const STEADY: Duration = Duration::from_secs(10);
/// An older version does not become a newer one in place.
const OLDER_PAUSE: Duration = Duration::from_secs(30);

/// By `of`, the service that was called, and `cause`.
const LEFT_OUT: &str = "rpc_client_replicas_left_out_total";

/// Tells what each is, to whoever reads them.
pub(super) fn describe() {
    metrics::describe_counter!(
        LEFT_OUT,
        "Replicas that were left out, by whose they are and cause."
    );
}

/// Why a replica is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cause {
    /// Its connection broke, or none can be made.
    Connection = 2,
    /// A call was answered so.
    Unavailable,
    /// Its health says so, or does not come.
    NotServing,
    /// It does not know the service.
    WrongService,
    /// It does not know a method that others know.
    Older,
}

/// [`Replica::state`] of one that is not left out.
const WELL: u8 = 0;
const UNASKED: u8 = 1;

impl Cause {
    fn label(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Unavailable => "unavailable",
            Self::NotServing => "not_serving",
            Self::WrongService => "wrong_service",
            Self::Older => "older_version",
        }
    }
}

/// All of a service, never none.
pub(super) type Replicas = ArcSwap<Vec<Arc<Replica>>>;

pub(super) struct Replica {
    peer: Peer,
    place: Place,
    connection: Channel,
    under_way: AtomicUsize,
    /// `WELL`, `UNASKED`, or a cause.
    state: AtomicU8,
    /// How often a call left it out: a probe that began before does not bring it back.
    marks: AtomicU32,
    marked: Notify,
    watching: OnceLock<AbortOnDropHandle<()>>,
}

/// One more call, until it is dropped.
pub(super) struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Replica {
    /// Connects on first use, and again whenever it comes back.
    pub fn new(peer: Peer, place: Place) -> Arc<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{}", place.at))
            .expect("an address with http in front is a URL")
            .origin(place.origin.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(FRAME);
        let connection = if place.is_secure() {
            endpoint.connect_with_connector_lazy(connector(peer, &place, CONNECT_TIMEOUT))
        } else {
            endpoint.connect_lazy()
        };
        Arc::new(Self {
            peer,
            place,
            connection,
            under_way: AtomicUsize::new(0),
            state: AtomicU8::new(UNASKED),
            marks: AtomicU32::new(0),
            marked: Notify::new(),
            watching: OnceLock::new(),
        })
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn connection(&self) -> Channel {
        self.connection.clone()
    }

    pub fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }

    pub fn standing(&self) -> (Rank, usize) {
        const WRONG: u8 = Cause::WrongService as u8;
        const OLDER: u8 = Cause::Older as u8;
        let rank = match self.state.load(Ordering::Relaxed) {
            WELL => Rank::Well,
            UNASKED => Rank::Unasked,
            WRONG | OLDER => Rank::Other,
            _ => Rank::Failing,
        };
        (rank, self.under_way.load(Ordering::Relaxed))
    }

    /// A call showed that it is not well; probes bring it back.
    pub fn leave_out(&self, cause: Cause) {
        self.marks.fetch_add(1, Ordering::Relaxed);
        self.put(cause);
        self.marked.notify_one();
    }

    /// A call reached it before a probe did.
    pub fn was_reached(&self) {
        let (unreached, relaxed) = (Cause::Connection as u8, Ordering::Relaxed);
        let _ = self
            .state
            .compare_exchange(unreached, WELL, relaxed, relaxed);
    }

    fn put(&self, cause: Cause) {
        if self.state.swap(cause as u8, Ordering::Relaxed) == cause as u8 {
            return;
        }
        let (service, cause) = (self.peer.service, cause.label());
        metrics::counter!(LEFT_OUT, "of" => service, "cause" => cause).increment(1);
        let (variable, address) = (self.peer.variable, &self.place.at);
        tracing::warn!(variable, address, cause, "a replica is left out");
    }

    /// Watches their health, where there is a choice.
    pub fn watch_all(replicas: &[Arc<Self>]) {
        if let [_, _, ..] = replicas {
            for replica in replicas {
                replica.watching.get_or_init(|| {
                    // Without its handle, which it is dropped by.
                    let watched = Arc::downgrade(replica);
                    AbortOnDropHandle::new(tokio::spawn(watch(watched)))
                });
            }
        }
    }

    /// Whether it serves what is wanted of it.
    async fn check(&self) -> Result<(), Cause> {
        let service = self.peer.service.to_owned();
        let mut health = HealthClient::new(self.connection());
        let asked = health.check(HealthCheckRequest { service });
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
            Ok(Ok(_)) | Err(_) => Err(Cause::NotServing),
            Ok(Err(status)) => match status.code() {
                // It keeps no health, and serves (so gRPC has it).
                Code::Unimplemented => Ok(()),
                Code::NotFound => Err(Cause::WrongService),
                _ => Err(Cause::Connection),
            },
        }
    }

    fn marks(&self) -> u32 {
        self.marks.load(Ordering::Relaxed)
    }

    /// One probe; whether it is well, and no call says otherwise.
    async fn probe(&self, marks: u32) -> bool {
        match self.check().await {
            Ok(()) if marks == self.marks() => {
                let before = self.state.swap(WELL, Ordering::Relaxed);
                if before > UNASKED {
                    let (variable, address) = (self.peer.variable, &self.place.at);
                    tracing::info!(variable, address, "a replica is back");
                }
                true
            }
            Ok(()) => false,
            Err(cause) => {
                self.put(cause);
                false
            }
        }
    }
}

/// Probes until the replica is dropped.
async fn watch(replica: Weak<Replica>) {
    let mut failures = 0;
    let mut well_since: Option<Instant> = None;
    while let Some(replica) = replica.upgrade() {
        let marks = replica.marks();
        if replica.probe(marks).await {
            well_since.get_or_insert_with(Instant::now);
            let marked = async {
                while marks == replica.marks() {
                    replica.marked.notified().await;
                }
            };
            if tokio::time::timeout(INTERVAL, marked).await.is_err() {
                continue;
            }
        }
        if well_since
            .take()
            .is_some_and(|since| since.elapsed() > STEADY)
        {
            failures = 0;
        }
        let is_older = replica.state.load(Ordering::Relaxed) == Cause::Older as u8;
        let pause = FIRST_PAUSE * 2_u32.pow(failures);
        failures = DOUBLINGS.min(failures + 1);
        drop(replica);
        tokio::time::sleep(if is_older { OLDER_PAUSE } else { pause }).await;
    }
}
