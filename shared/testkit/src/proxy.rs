//! A way to a server that breaks, or falls silent, when it is told to.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

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
        let (front, back) = url.rsplit_once('@').unwrap();
        let (server, path) = back.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let broken = watch::Sender::new(Broken::Closed);
        tokio::spawn(forward(listener, server.to_owned(), broken.clone()));
        Self {
            url: format!("{front}@{address}/{path}"),
            broken,
        }
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

async fn forward(listener: TcpListener, server: String, broken: watch::Sender<Broken>) {
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        if matches!(*broken.borrow(), Broken::Down) {
            continue;
        }
        let (server, mut broken) = (server.clone(), broken.subscribe());
        tokio::spawn(async move {
            let Ok(mut far) = TcpStream::connect(&server).await else {
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
