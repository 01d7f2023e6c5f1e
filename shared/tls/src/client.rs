//! Calling others.

use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;

use crate::explain::{Cause, Side, cause_of};
use crate::verify::{Check, Trust, verifier};
use crate::{Fault, File, Kind, Reloaded, authorities, identity, provider};

/// A connection to a server.
pub type ClientStream<S> = tokio_rustls::client::TlsStream<S>;

/// With what this process calls by `https://`.
static OWN: ArcSwapOption<Reloaded<ClientConfig>> = ArcSwapOption::const_empty();

/// From now on what this process calls by `https://` shows a certificate of `authority`'s (where
/// none is given: of one that the machine trusts), and is shown `own`, where it asks for one.
///
/// # Errors
/// A file can't be used.
pub fn trust(authority: Option<File>, own: Option<(File, File)>) -> Result<(), Fault> {
    let (certificate, key) = own.unzip();
    let files: Vec<File> = authority
        .into_iter()
        .chain(certificate)
        .chain(key)
        .collect();
    if files.is_empty() {
        return Ok(());
    }
    let made = Reloaded::load(files, |texts| {
        let of = |kind| texts.iter().find(|text| text.file.kind == kind).copied();
        let trust = match of(Kind::Authorities) {
            Some(text) => Trust::Authorities(authorities(text)?),
            None => Trust::Machine,
        };
        let own = of(Kind::Certificate).zip(of(Kind::Key));
        let own = own.map(|(certificate, key)| identity(certificate, key));
        Ok(client_config(&trust, Check::Full, own.transpose()?))
    })?;
    OWN.store(Some(Arc::new(made)));
    Ok(())
}

/// What connections are made with.
pub fn client_config(trust: &Trust, check: Check, own: Option<Arc<CertifiedKey>>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the usual ciphers")
        .dangerous()
        .with_custom_certificate_verifier(verifier(trust, check));
    match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own))),
        None => builder.with_no_client_auth(),
    }
}

/// With what this process calls by `https://`, as it is now.
pub fn own_config() -> Arc<ClientConfig> {
    static USUAL: LazyLock<Arc<ClientConfig>> =
        LazyLock::new(|| Arc::new(client_config(&Trust::Machine, Check::Full, None)));
    match &*OWN.load() {
        Some(own) => own.get(),
        None => Arc::clone(&USUAL),
    }
}

/// Agrees with the server that is called by `host`, with what [`trust`] said.
///
/// # Errors
/// Why not, in words.
pub async fn connect<S>(host: &str, protocol: &[u8], stream: S) -> Result<ClientStream<S>, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    connect_with(own_config(), host, protocol, stream).await
}

/// As [`connect`], with a configuration of one's own; an empty protocol is none.
///
/// # Errors
/// As there.
pub async fn connect_with<S>(
    config: Arc<ClientConfig>,
    host: &str,
    protocol: &[u8],
    stream: S,
) -> Result<ClientStream<S>, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned()).map_err(|_| {
        let text = format!("{host:?} is no name that a certificate could be for");
        Cause::new("other_name", text)
    })?;
    let protocols = match protocol {
        [] => Vec::new(),
        protocol => vec![protocol.to_vec()],
    };
    let connector = TlsConnector::from(config);
    let connecting = connector.with_alpn(protocols).connect(name, stream);
    connecting.await.map_err(|error| explained(&error))
}

fn explained(error: &io::Error) -> Cause {
    cause_of(error, Side::Client).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Cause::new(
            "not_tls",
            "it closed the connection as TLS began: either http:// is meant, or it has no \
             certificate",
        ),
        _ => Cause::new("other", error.to_string()),
    })
}

/// A stream that tells when the other side refuses us afterwards: of our certificate it says
/// nothing before.
pub struct Told<S, F> {
    stream: ClientStream<S>,
    tell: F,
}

impl<S, F> Told<S, F> {
    pub fn new(stream: ClientStream<S>, tell: F) -> Self {
        Self { stream, tell }
    }
}

impl<S, F> AsyncRead for Told<S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Deref<Target: Fn(&Cause)> + Unpin,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(Err(error)) = &polled
            && let Some(cause) = cause_of(error, Side::Client)
        {
            (self.tell)(&cause);
        }
        polled
    }
}

impl<S, F> AsyncWrite for Told<S, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
