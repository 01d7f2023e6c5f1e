//! A way to Redis that breaks when it is told to.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections, until it cuts them.
#[derive(Clone)]
pub struct Proxy {
    cuts: Arc<watch::Sender<u64>>,
    address: String,
}

impl Proxy {
    /// A way to the server of this URL, and the URL of that way.
    pub async fn to(url: &str) -> (Self, String) {
        let (credentials, address) = url.rsplit_once('@').unwrap();
        let (server, database) = address.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            cuts: Arc::new(watch::Sender::new(0)),
            address: listener.local_addr().unwrap().to_string(),
        };
        let url = format!("{credentials}@{}/{database}", proxy.address);
        tokio::spawn(proxy.clone().forward(listener, server.to_owned()));
        (proxy, url)
    }

    /// Cuts what is connected now.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts what is connected, this often, until the answer is dropped.
    pub fn cut_every(&self, pause: Duration) -> Cutting {
        let proxy = self.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(pause);
            loop {
                ticks.tick().await;
                proxy.cut();
            }
        });
        Cutting(task)
    }

    async fn forward(self, listener: TcpListener, server: String) {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut cuts = self.cuts.subscribe();
            let server = server.clone();
            tokio::spawn(async move {
                let Ok(mut there) = TcpStream::connect(&server).await else {
                    return;
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut there) => {}
                    _ = cuts.changed() => {}
                }
            });
        }
    }
}

/// Cuts until it is dropped.
pub struct Cutting(tokio::task::JoinHandle<()>);

impl Drop for Cutting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
