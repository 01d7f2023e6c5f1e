//! Serving: routes, health, reflection, spans, and a shutdown that drains.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::ServingStatus;
use tracing::Instrument;

use crate::trace;

/// How often a service asks itself whether what it needs is there: a dependency that came
/// back is noticed well within a second.
const PROBE_INTERVAL: Duration = Duration::from_millis(300);
/// More calls than this at once are turned away with RESOURCE_EXHAUSTED: with batches of
/// hundreds of events they would only wait for the database, and memory would grow.
const MAX_CALLS: usize = 256;
/// See `client::WINDOW`.
const WINDOW: u32 = 4 * 1024 * 1024;
/// See `client::FRAME`.
const FRAME: u32 = 1024 * 1024;
/// After this, calls that are still running at shutdown are dropped; longer than the
/// edge's deadline of 8 s.
const DRAIN: Duration = Duration::from_secs(10);

type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// A gRPC server of one service.
pub struct Server {
    name: &'static str,
    routes: RoutesBuilder,
    probe: Option<Probe>,
}

impl Server {
    /// `name` is the full proto name (`weir.quota.v1.QuotaService`), for health checks.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            routes: Routes::builder(),
            probe: None,
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
        self.routes.add_service(service);
        self
    }

    /// Health follows `probe`: whether everything this service needs is there.
    #[must_use]
    pub fn probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.probe = Some(Box::new(move || Box::pin(probe())));
        self
    }

    /// Serves until `shutdown`, then finishes what it accepted.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), tonic::transport::Error> {
        let (reporter, health) = tonic_health::server::health_reporter();
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(weir_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name(self.name)
            .with_service_name("grpc.health.v1.Health")
            .build_v1()
            .expect("the descriptors that the build made are whole");
        self.routes.add_service(health).add_service(reflection);

        let prober = tokio::spawn(report_health(reporter, self.name, self.probe));
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let serving = tonic::transport::Server::builder()
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(FRAME)
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .load_shed(true)
            .concurrency_limit_per_connection(MAX_CALLS)
            .layer(tower::layer::layer_fn(Spans))
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(
                // tonic sets TCP_NODELAY on the sockets it accepts itself only.
                NoDelay(TcpListenerStream::new(listener)),
                async {
                    shutdown.await;
                    let _ = stopping.send(());
                },
            );
        let served = tokio::select! {
            served = serving => served,
            () = async {
                let _ = stopped.await;
                tokio::time::sleep(DRAIN).await;
            } => Ok(()),
        };
        prober.abort();
        served
    }
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

async fn report_health(
    reporter: tonic_health::server::HealthReporter,
    name: &'static str,
    probe: Option<Probe>,
) {
    let mut last = None;
    loop {
        let healthy = match &probe {
            Some(probe) => probe().await,
            None => true,
        };
        if last != Some(healthy) {
            let status = if healthy {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            };
            reporter.set_service_status(name, status).await;
            reporter.set_service_status("", status).await;
            if last.is_some() || !healthy {
                tracing::warn!(healthy, "health changed");
            }
            last = Some(healthy);
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// A span for each call, a child of the caller's, and the call's duration as a metric.
#[derive(Clone)]
struct Spans<S>(S);

impl<S, B> tower::Service<http::Request<B>> for Spans<S>
where
    S: tower::Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let path = request.uri().path();
        if !path.starts_with("/weir.") {
            // Health and reflection, several times a second: not worth a span.
            return Box::pin(self.0.call(request));
        }
        let method = path.rsplit('/').next().unwrap_or_default().to_owned();
        let span = tracing::info_span!("rpc", method);
        trace::adopt(&span, request.headers());
        let started = Instant::now();
        let inner = self.0.call(request);
        Box::pin(
            async move {
                let response = inner.await;
                let elapsed = started.elapsed();
                metrics::histogram!("rpc.server.duration_seconds", "method" => method)
                    .record(elapsed.as_secs_f64());
                tracing::debug!(elapsed_ms = elapsed.as_millis(), "answered");
                response
            }
            .instrument(span),
        )
    }
}

/// Resolves on SIGTERM or Ctrl-C.
pub async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime can listen to signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
}
