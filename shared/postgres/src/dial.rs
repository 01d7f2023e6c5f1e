//! Opening connections: as the client library does it, with every stream watched.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use crate::link::{Link, Watched};

/// How long the handshake of TCP may take.
const CONNECT: Duration = Duration::from_secs(2);
/// What was sent and is not acknowledged for so long ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// A connection that is not used asks in between whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;

const DEFAULT_PORT: u16 = 5432;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The network, or a host that is not listening.
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    /// PostgreSQL did not let us in.
    #[error("{0}")]
    Postgres(#[from] tokio_postgres::Error),
}

/// Connects to the first of the hosts that lets us in.
pub(crate) async fn dial(
    config: &Config,
    limit: Duration,
) -> Result<(ClientWrapper, Arc<Link>), DialError> {
    let mut failed = DialError::Io(io::Error::other("the URL names no host"));
    let places = config.get_hosts().len().max(config.get_hostaddrs().len());
    for place in 0..places {
        match dial_one(config, place, limit).await {
            Ok(connected) => return Ok(connected),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

async fn dial_one(
    config: &Config,
    place: usize,
    limit: Duration,
) -> Result<(ClientWrapper, Arc<Link>), DialError> {
    let ports = config.get_ports();
    let port = ports.get(place).or(ports.first());
    let port = port.copied().unwrap_or(DEFAULT_PORT);
    match (
        config.get_hostaddrs().get(place),
        config.get_hosts().get(place),
    ) {
        (Some(address), _) => open(config, tcp((*address, port)).await?, limit).await,
        (None, Some(Host::Tcp(host))) => {
            open(config, tcp((host.as_str(), port)).await?, limit).await
        }
        (None, Some(Host::Unix(folder))) => open(config, unix(folder, port).await?, limit).await,
        (None, None) => Err(io::Error::other("the URL names no host").into()),
    }
}

async fn tcp(address: impl tokio::net::ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = in_time(TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

async fn unix(folder: &Path, port: u16) -> io::Result<UnixStream> {
    in_time(UnixStream::connect(folder.join(format!(".s.PGSQL.{port}")))).await
}

async fn in_time<S>(connecting: impl Future<Output = io::Result<S>>) -> io::Result<S> {
    let connected = tokio::time::timeout(CONNECT, connecting).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn open<S>(
    config: &Config,
    stream: S,
    limit: Duration,
) -> Result<(ClientWrapper, Arc<Link>), DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (watched, link) = Watched::new(stream, limit);
    let (client, connection) = config.connect_raw(watched, NoTls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // What PostgreSQL says may quote what it was sent; its code can't.
            let code = error.code().map_or("connection", |state| state.code());
            tracing::warn!(code, "a connection to the database ended");
        }
    });
    let client = ClientWrapper::new(client, task);
    check_attributes(&client, config.get_target_session_attrs()).await?;
    Ok((client, link))
}

/// Of several hosts only one takes writes.
async fn check_attributes(client: &Client, wanted: TargetSessionAttrs) -> Result<(), DialError> {
    let read_only = match wanted {
        TargetSessionAttrs::ReadWrite => "off",
        TargetSessionAttrs::ReadOnly => "on",
        _ => return Ok(()),
    };
    let said = client.simple_query("SHOW transaction_read_only").await?;
    let is_wanted = said.iter().any(
        |message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some(read_only)),
    );
    if is_wanted {
        Ok(())
    } else {
        Err(io::Error::other("the host is not of the kind that the URL asks for").into())
    }
}
