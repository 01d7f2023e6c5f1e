//! Opening connections: as the client library does it, with every stream watched.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};
use weir_tls::Cause;

use crate::link::{Link, Watched};
use crate::secure::{Agreed, Already, NotAgreed, agree};
use crate::target::{Target, Tls, UrlError};

/// How long the handshake of TCP may take.
const CONNECT: Duration = Duration::from_secs(2);
/// What was sent and is not acknowledged for so long ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// A connection that is not used asks in between whether the other side is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;

/// Whoever has no pool waits for as long as it likes.
const UNWATCHED: Duration = Duration::from_secs(24 * 3_600);

const DEFAULT_PORT: u16 = 5432;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The network, or a host that is not listening.
    #[error("no connection: {0}")]
    Io(#[from] io::Error),
    /// One side does not take the other's certificate, or has no TLS at all.
    #[error("no TLS with PostgreSQL: {0}")]
    Tls(Cause),
    /// There is none to be made.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// PostgreSQL did not let us in.
    #[error("{0}")]
    Postgres(#[from] tokio_postgres::Error),
}

/// A connection for a few statements, of whoever has no pool; it ends when the client is dropped.
///
/// # Errors
/// The URL is none, or there is no connection.
pub async fn connect_once(url: &str) -> Result<Client, DialError> {
    let target = Target::read(url)?;
    Ok(dial_any(&target, UNWATCHED).await?.client)
}

/// Connects to the first of the hosts that lets us in.
pub(crate) async fn dial(
    target: &Target,
    limit: Duration,
) -> Result<(ClientWrapper, Arc<Link>), DialError> {
    let Opened { client, task, link } = dial_any(target, limit).await?;
    Ok((ClientWrapper::new(client, task), link))
}

struct Opened {
    client: Client,
    task: JoinHandle<()>,
    link: Arc<Link>,
}

async fn dial_any(target: &Target, limit: Duration) -> Result<Opened, DialError> {
    let config = &target.config;
    let mut failed = DialError::Io(io::Error::other("the URL names no host"));
    let places = config.get_hosts().len().max(config.get_hostaddrs().len());
    for place in 0..places {
        match dial_one(target, place, limit).await {
            Ok(connected) => return Ok(connected),
            Err(error) if is_for_password(&error) && target.other_password.is_some() => {
                match dial_one(&with_other_password(target), place, limit).await {
                    Ok(connected) => return Ok(connected),
                    Err(error) => failed = error,
                }
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn is_for_password(error: &DialError) -> bool {
    matches!(error, DialError::Postgres(error) if error.code() == Some(&SqlState::INVALID_PASSWORD))
}

fn with_other_password(target: &Target) -> Target {
    let mut other = target.clone();
    if let Some(password) = other.other_password.take() {
        other.config.password(password);
    }
    other
}

async fn dial_one(target: &Target, place: usize, limit: Duration) -> Result<Opened, DialError> {
    let config = &target.config;
    let ports = config.get_ports();
    let port = ports.get(place).or(ports.first());
    let port = port.copied().unwrap_or(DEFAULT_PORT);
    let address = config.get_hostaddrs().get(place);
    match (address, config.get_hosts().get(place)) {
        (Some(address), Some(Host::Tcp(host))) => {
            dial_tcp(target, host, &address.to_string(), port, limit).await
        }
        (Some(address), _) => {
            let address = address.to_string();
            dial_tcp(target, &address, &address, port, limit).await
        }
        (None, Some(Host::Tcp(host))) => dial_tcp(target, host, host, port, limit).await,
        // As libpq has it: what stays on the machine needs no TLS.
        (None, Some(Host::Unix(folder))) => open(config, unix(folder, port).await?, limit).await,
        (None, None) => Err(io::Error::other("the URL names no host").into()),
    }
}

/// `host` is whom the certificate is for, `at` where it is.
async fn dial_tcp(
    target: &Target,
    host: &str,
    at: &str,
    port: u16,
    limit: Duration,
) -> Result<Opened, DialError> {
    let config = &target.config;
    let stream = tcp((at, port)).await?;
    let (speaks, is_needed) = match &target.tls {
        Tls::Never => return open(config, stream, limit).await,
        Tls::Preferred(speaks) => (speaks, false),
        Tls::Always(speaks) => (speaks, true),
    };
    let negotiation = config.get_ssl_negotiation();
    let agreed = in_time_of(agree(stream, host, speaks.config(), negotiation)).await;
    let opened = match agreed {
        Ok(Agreed::Plain(stream)) if !is_needed => return open(config, stream, limit).await,
        Ok(Agreed::Plain(_)) => {
            let text = "it has none (ssl = off), and sslmode asks for it";
            return Err(DialError::Tls(Cause::new("no_tls", text)));
        }
        Ok(Agreed::Secure(stream)) => {
            let already = Already::with(&stream);
            let mut config = config.clone();
            config.ssl_mode(SslMode::Require);
            // It has been asked for, and is there.
            config.ssl_negotiation(SslNegotiation::Direct);
            open_by(&config, stream, already, limit).await
        }
        Err(NotAgreed::Io(error)) => Err(error.into()),
        Err(NotAgreed::Tls(cause)) => Err(DialError::Tls(cause)),
    };
    match opened {
        Err(error) if !is_needed && is_for_tls(&error) => {
            open(config, tcp((at, port)).await?, limit).await
        }
        opened => opened,
    }
}

/// Whether it might let us in without TLS: `pg_hba.conf` has lines of both kinds.
fn is_for_tls(error: &DialError) -> bool {
    match error {
        DialError::Tls(_) => true,
        DialError::Postgres(error) => {
            error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
        }
        DialError::Io(_) | DialError::Url(_) => false,
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
    in_time_of(connecting).await
}

async fn in_time_of<S, E: From<io::Error>>(
    connecting: impl Future<Output = Result<S, E>>,
) -> Result<S, E> {
    let connected = tokio::time::timeout(CONNECT, connecting).await;
    connected.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

async fn open<S>(config: &Config, stream: S, limit: Duration) -> Result<Opened, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    open_by(config, stream, NoTls, limit).await
}

async fn open_by<S, T>(
    config: &Config,
    stream: S,
    tls: T,
    limit: Duration,
) -> Result<Opened, DialError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: TlsConnect<Watched<S>>,
    T::Stream: Send + 'static,
{
    let (watched, link) = Watched::new(stream, limit);
    let (client, connection) = config.connect_raw(watched, tls).await?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            // What PostgreSQL says may quote what it was sent; its code can't.
            let code = error.code().map_or("connection", |state| state.code());
            tracing::warn!(code, "a connection to the database ended");
        }
    });
    let opened = Opened { client, task, link };
    check_attributes(&opened.client, config.get_target_session_attrs()).await?;
    Ok(opened)
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
