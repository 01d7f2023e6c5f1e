//! A way to Redis that can be cut, or fall silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to Redis.
pub struct Proxy {
    /// Of Redis, by this way.
    pub url: String,
    /// Counts up: connections of before are closed, or fall silent.
    epoch: watch::Sender<u64>,
    silently: Arc<AtomicBool>,
}

impl Proxy {
    pub async fn to(redis_url: &str) -> Self {
        let (before, port) = redis_url.rsplit_once(':').unwrap();
        let (port, after) = port.split_once('/').unwrap();
        let target = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (epoch, watch) = watch::channel(0);
        let silently = Arc::new(AtomicBool::new(false));
        let silent = Arc::clone(&silently);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut watch, target, silent) = (watch.clone(), target.clone(), silent.clone());
                watch.mark_unchanged();
                tokio::spawn(async move {
                    let mut redis = TcpStream::connect(&target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut redis) => {}
                        _ = watch.changed() => {
                            if silent.load(Ordering::SeqCst) {
                                // Open, but nothing comes through any more.
                                std::future::pending::<()>().await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            url: format!("{before}:{own}/{after}"),
            epoch,
            silently,
        }
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.silently.store(false, Ordering::SeqCst);
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    /// Lets all connections fall silent; new ones work.
    pub fn silence(&self) {
        self.silently.store(true, Ordering::SeqCst);
        self.epoch.send_modify(|epoch| *epoch += 1);
    }
}
