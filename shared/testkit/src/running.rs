//! A service in this process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use weir_service::Shutdown;

/// How long one that begins is waited for.
const BEGINNING: Duration = Duration::from_secs(60);

/// One that serves on a port of its own until this is dropped.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts it: `serve` is the service's, with its configuration.
    ///
    /// # Panics
    /// There is no port; within its task, where the service fails.
    pub async fn start<F>(serve: impl FnOnce(TcpListener, Shutdown) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        crate::callers::call_as_service();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = Box::pin(async {
            let _ = stopped.await;
        });
        let serving = serve(listener, shutdown);
        Self {
            address,
            stop: Some(stop),
            task: tokio::spawn(async { serving.await.unwrap() }),
        }
    }

    /// As [`Self::start`], and waits until it answers: who calls one that still makes its tables
    /// gives it up after some seconds, which a busy machine may take for that.
    ///
    /// # Panics
    /// As of [`Self::start`].
    pub async fn serving<F>(serve: impl FnOnce(TcpListener, Shutdown) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let running = Self::start(serve).await;
        // Whatever it says; where it says nothing, the test sees that.
        let asked = async {
            let endpoint = Endpoint::from_shared(running.url()).ok()?;
            let mut health = HealthClient::new(endpoint.connect().await.ok()?);
            health.check(HealthCheckRequest::default()).await.ok()
        };
        let _ = tokio::time::timeout(BEGINNING, asked).await;
        running
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Tells it to end, as a signal would.
    pub fn begin_stop(&mut self) {
        self.stop = None;
    }

    /// Tells it to end, and waits until it has.
    ///
    /// # Panics
    /// It failed.
    pub async fn stop(mut self) {
        self.begin_stop();
        self.task.await.unwrap();
    }
}
