//! Serving: routes, health, reflection, spans, and a shutdown that drains.

mod beginning;
mod front;
mod gate;
mod guard;
mod health;
mod process;
mod questions;
mod secure;

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::service::{Routes, RoutesBuilder};
use weir_tls::Acceptor;

use crate::Access;
pub use beginning::while_beginning;
use front::Front;
pub use front::{CorsOrigins, NotAnOrigin};
use gate::Gate;
use guard::Guard;
use health::{Health, Probe};
use process::{Process, Reached};
use questions::Questions;
use secure::Incoming;

/// See `client::WINDOW`.
const WINDOW: u32 = 4 * 1024 * 1024;
/// See `client::FRAME`.
const FRAME: u32 = 1024 * 1024;
/// How old a connection gets before it is closed, once its calls are answered, and up to a
/// quarter more, so that replicas do not do it all at once: whoever reaches them through a
/// balancer of connections finds new replicas within this.
const CONNECTION_AGE: Duration = Duration::from_secs(240);
/// What every server answers of itself.
const PROCESS: &str = weir_proto::process::v1::process_service_server::SERVICE_NAME;
/// After this, calls that are still running at shutdown are dropped; longer than the
/// edge's deadline of 8 s.
const DRAIN: Duration = Duration::from_secs(10);

/// The answer of whatever stands in front of the services.
type Answering<E> = Pin<Box<dyn Future<Output = Result<http::Response<Body>, E>> + Send>>;

/// The gRPC server of a process.
pub struct Server {
    /// Full proto names, for health and reflection.
    names: Vec<&'static str>,
    routes: RoutesBuilder,
    probes: Vec<Probe>,
    reached: Vec<Reached>,
    connection_age: Duration,
    access: Access,
    cors_origins: CorsOrigins,
    tls: Option<Acceptor>,
}

impl Server {
    /// `name` is the full proto name (`weir.quota.v1.QuotaService`) of its own service.
    pub fn new(name: &'static str) -> Self {
        Self {
            names: vec![name],
            routes: Routes::builder(),
            probes: Vec::new(),
            reached: Vec::new(),
            connection_age: CONNECTION_AGE,
            access: Access::closed(),
            cors_origins: CorsOrigins::default(),
            tls: None,
        }
    }

    /// Adds a generated service. Give it `crate::MAX_MESSAGE` as its decoding limit.
    #[must_use]
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: tower::Service<
                http::Request<Body>,
                Response = http::Response<Body>,
                Error = std::convert::Infallible,
            > + tonic::server::NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        if !self.names.contains(&S::NAME) {
            self.names.push(S::NAME);
        }
        self.routes.add_service(service);
        self
    }

    /// Health follows `probe`, and all others: whether everything this service needs is there.
    #[must_use]
    pub fn probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.probes.push(Arc::new(move || Box::pin(probe())));
        self
    }

    /// As [`Self::probe`], of a server by its name (`PostgreSQL`), of which the process tells
    /// whether it is reached.
    #[must_use]
    pub fn needs<F, Fut>(mut self, name: &'static str, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let probe: Probe = Arc::new(move || Box::pin(probe()));
        self.probes.push(Arc::clone(&probe));
        self.reached.push(Reached {
            name,
            needed: true,
            probe,
        });
        self
    }

    /// Of a server without which the service still serves: only told. Asked when somebody asks.
    #[must_use]
    pub fn uses<F, Fut>(mut self, name: &'static str, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.reached.push(Reached {
            name,
            needed: false,
            probe: Arc::new(move || Box::pin(probe())),
        });
        self
    }

    /// Whom it asks for what; where nothing is said nobody is let in.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Pages of these origins may call from a browser; without them none may.
    #[must_use]
    pub fn cors_origins(mut self, origins: CorsOrigins) -> Self {
        self.cors_origins = origins;
        self
    }

    /// Speaks TLS, where there is something to speak it with, and nothing else then.
    #[must_use]
    pub fn tls(mut self, tls: Option<Acceptor>) -> Self {
        self.tls = tls;
        self
    }

    /// Connections are told to go after this, and up to a quarter more.
    #[must_use]
    pub fn connection_age(mut self, age: Duration) -> Self {
        self.connection_age = age;
        self
    }

    /// Serves until `shutdown`; then says that it does not, finishes what it accepted, and ends.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), tonic::transport::Error> {
        guard::describe();
        gate::describe();
        let (reporter, health) = tonic_health::server::health_reporter();
        self.routes.add_service(health);
        let own = self.names.first().copied().unwrap_or_default();
        self.routes.add_service(Process::server(own, self.reached));
        self.names.push(PROCESS);
        // The older of both is what many a client still asks for.
        let whole = "the descriptors that the build made are whole";
        let reflection = || reflection(&self.names);
        let v1 = reflection().build_v1().expect(whole);
        let v1alpha = reflection().build_v1alpha().expect(whole);
        self.routes.add_service(v1).add_service(v1alpha);

        let called = self.names.iter().copied().chain(["grpc.health.v1.Health"]);
        let front = Front::layer(called.collect(), &self.cors_origins);
        let health = Health::start(reporter, self.names, self.probes).await;
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let router = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(FRAME)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            // With a grace of tonic's the connection would be cut at its end, untold.
            .max_connection_age(varied(self.connection_age))
            .accept_http1(true)
            .layer(front)
            .layer(Guard::layer())
            .layer(Gate::layer(self.access))
            .layer(Questions::layer())
            .add_routes(self.routes.routes());
        let until = async {
            shutdown.await;
            let _ = stopping.send(health.stop().await);
        };
        let serving = match self.tls {
            Some(tls) => {
                let incoming = Incoming::new(listener, tls);
                Either::Left(router.serve_with_incoming_shutdown(incoming, until))
            }
            None => {
                // tonic sets TCP_NODELAY on the sockets it accepts itself only.
                let incoming = NoDelay(TcpListenerStream::new(listener));
                Either::Right(router.serve_with_incoming_shutdown(incoming, until))
            }
        };
        tokio::select! {
            served = serving => served,
            () = async {
                if let Ok(health) = stopped.await {
                    health.forget().await;
                }
                tokio::time::sleep(DRAIN).await;
            } => Ok(()),
        }
    }
}

/// Up to a quarter more, another part of it in each process.
fn varied(age: Duration) -> Duration {
    let any = RandomState::new().build_hasher().finish();
    age + age * u32::from(any as u8) / 4 / u32::from(u8::MAX)
}

fn reflection(names: &[&'static str]) -> tonic_reflection::server::Builder<'static> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(weir_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health")
        .with_service_name("grpc.reflection.v1.ServerReflection")
        .with_service_name("grpc.reflection.v1alpha.ServerReflection");
    names
        .iter()
        .fold(builder, |builder, name| builder.with_service_name(*name))
}

/// Accepts connections that send at once instead of waiting for more.
struct NoDelay(TcpListenerStream);

impl tokio_stream::Stream for NoDelay {
    type Item = std::io::Result<tokio::net::TcpStream>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.0).poll_next(context);
        if let std::task::Poll::Ready(Some(Ok(stream))) = &polled {
            let _ = stream.set_nodelay(true);
        }
        polled
    }
}
