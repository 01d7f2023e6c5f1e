//! A service in this process.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_service::Shutdown;

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
