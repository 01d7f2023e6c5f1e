//! A way to a server that breaks, or falls silent, when it is told to.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::way::Way;

/// Forwards connections to PostgreSQL or Redis. What becomes of them hits those that are there;
/// new ones are forwarded, unless it is down.
#[derive(Clone)]
pub struct Proxy {
    /// Of the server, by this way.
    pub url: String,
    /// What became of the connections, lastly.
    broken: watch::Sender<Broken>,
}

#[derive(Clone, Copy)]
enum Broken {
    Closed,
    Silent,
    /// New ones, too.
    Down,
}

impl Proxy {
    /// A way to the server of `scheme://user:password@host:port/path`.
    ///
    /// # Panics
    /// That is no such URL, or there is no port.
    pub async fn to(url: &str) -> Self {
        let way = Way::to(url).await;
        let (url, broken) = (way.url.clone(), watch::Sender::new(Broken::Closed));
        tokio::spawn(forward(way, broken.clone()));
        Self { url, broken }
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.broken.send_replace(Broken::Closed);
    }

    /// Closes all connections, and each that is made, until it is [`up`](Self::up).
    pub fn down(&self) {
        self.broken.send_replace(Broken::Down);
    }

    /// Forwards new connections again.
    pub fn up(&self) {
        self.broken.send_replace(Broken::Closed);
    }

    /// Lets all connections fall silent: they stay open, and nothing comes through any more.
    pub fn silence(&self) {
        self.broken.send_replace(Broken::Silent);
    }

    /// Cuts what is connected, this often, until the answer is dropped.
    pub fn cut_every(&self, pause: Duration) -> Cutting {
        let proxy = self.clone();
        Cutting(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(pause);
            loop {
                ticks.tick().await;
                proxy.cut();
            }
        }))
    }
}

async fn forward(way: Way, broken: watch::Sender<Broken>) {
    loop {
        let mut near = way.accept().await;
        if matches!(*broken.borrow(), Broken::Down) {
            continue;
        }
        let (far, mut broken) = (way.connect(), broken.subscribe());
        tokio::spawn(async move {
            let Some(mut far) = far.await else {
                return;
            };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                _ = broken.changed() => {}
            }
            let silent = matches!(*broken.borrow(), Broken::Silent);
            if silent {
                std::future::pending::<()>().await;
            }
        });
    }
}

/// Cuts until it is dropped.
pub struct Cutting(JoinHandle<()>);

impl Drop for Cutting {
    fn drop(&mut self) {
        self.0.abort();
    }
}
