//! A way to PostgreSQL or Redis that leads through this process.

use tokio::net::{TcpListener, TcpStream};

/// Where it begins, and where it leads.
pub(crate) struct Way {
    /// Of the server, by this way.
    pub url: String,
    listener: TcpListener,
    server: String,
}

impl Way {
    /// To the server of `scheme://user:password@host:port/path`.
    pub async fn to(url: &str) -> Self {
        let (front, back) = url.rsplit_once('@').unwrap();
        let (server, path) = back.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Whoever goes it reads what is said.
        let plainly = match front.starts_with("postgres") {
            true if path.contains('?') => "&sslmode=disable",
            true => "?sslmode=disable",
            false => "",
        };
        Self {
            url: format!("{front}@{address}/{path}{plainly}"),
            listener,
            server: server.to_owned(),
        }
    }

    /// The next who takes it.
    pub async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// What it leads to; none while that is away.
    pub fn connect(&self) -> impl Future<Output = Option<TcpStream>> + use<> {
        let server = self.server.clone();
        async move { TcpStream::connect(server).await.ok() }
    }
}
