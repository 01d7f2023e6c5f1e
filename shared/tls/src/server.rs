//! Being called.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use crate::explain::{Cause, Side, cause_of};
use crate::wrong;
use crate::{Fault, File, Reloaded, Text, authorities, facts, identity, provider};

/// A caller that takes longer to agree on keys is not waited for.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// One cause is told so often; whatever comes in between is counted.
const QUIET: Duration = Duration::from_secs(10);

const FAILED: &str = "tls_handshakes_failed_total";

/// A connection on which both sides agreed.
pub type ServerStream = tokio_rustls::server::TlsStream<TcpStream>;

/// What a caller's certificate says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It shows none.
    Nothing,
    /// It is of the authority, and of none of our services.
    Stranger,
    /// One of our services.
    Service,
}

/// Accepts connections. Clones are the same.
#[derive(Clone)]
pub struct Acceptor {
    config: Reloaded<ServerConfig>,
    /// Names of our services, as certificates have them.
    services: Arc<[String]>,
    log: Arc<Quiet>,
}

impl Acceptor {
    /// With the certificate of these files; callers may show one of the authority, and those that
    /// are named in `services` are services.
    ///
    /// # Errors
    /// A file can't be used.
    pub fn load(
        certificate: File,
        key: File,
        authority: Option<File>,
        services: Vec<String>,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, Fault> {
        metrics::describe_counter!(
            FAILED,
            "Connections whose caller and we did not agree on TLS, by cause."
        );
        let files = [certificate, key].into_iter().chain(authority).collect();
        let config = Reloaded::load(files, move |texts| config(texts, protocols))?;
        Ok(Self {
            config,
            services: services.into(),
            log: Arc::default(),
        })
    }

    /// Agrees with whoever called; none where that fails, which is counted and said.
    pub async fn accept(&self, stream: TcpStream) -> Option<(ServerStream, Shown)> {
        let end = Instant::now() + HANDSHAKE_TIME;
        let mut first = [0];
        match tokio::time::timeout_at(end, stream.peek(&mut first)).await {
            // Who only looks whether somebody listens says nothing.
            Ok(Ok(0) | Err(_)) | Err(_) => return None,
            Ok(Ok(_)) => {}
        }
        if first[0] != wrong::HANDSHAKE {
            let text = "what comes is no TLS (http:// instead of https://?)";
            self.failed(&Cause::new("not_tls", text));
            wrong::answer(stream).await;
            return None;
        }
        let accepting = TlsAcceptor::from(self.config.get()).accept(stream);
        let left = end.saturating_duration_since(Instant::now());
        let accepted = match timeout(left, accepting).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(error)) => {
                self.failed(&explained(&error));
                return None;
            }
            Err(_) => {
                self.failed(&Cause::new("slow", "it did not finish in time"));
                return None;
            }
        };
        let shown = self.shown(&accepted);
        Some((accepted, shown))
    }

    fn shown(&self, stream: &ServerStream) -> Shown {
        let (_, session) = stream.get_ref();
        let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else {
            return Shown::Nothing;
        };
        let names = facts(certificate).map_or_else(Vec::new, |facts| facts.names);
        if names.iter().any(|name| self.services.contains(name)) {
            return Shown::Service;
        }
        self.log.say("stranger", || {
            tracing::warn!(
                ?names,
                "a caller's certificate names none of WEIR_TLS_SERVICES: without a token it is \
                 nobody"
            );
        });
        Shown::Stranger
    }

    fn failed(&self, cause: &Cause) {
        metrics::counter!(FAILED, "cause" => cause.code).increment(1);
        self.log.say(cause.code, || {
            tracing::warn!(cause = cause.code, "no TLS with a caller: {cause}");
        });
    }
}

fn explained(error: &io::Error) -> Cause {
    cause_of(error, Side::Server).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            Cause::new("broken_off", "it broke off")
        }
        _ => Cause::new("other", error.to_string()),
    })
}

fn config(texts: &[Text<'_>], protocols: &'static [&'static [u8]]) -> Result<ServerConfig, Fault> {
    let [certificate, key, rest @ ..] = texts else {
        unreachable!("both are among the files");
    };
    let identity = identity(*certificate, *key)?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the usual ciphers");
    let builder = match rest.first() {
        Some(authority) => {
            let roots = authorities(*authority)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                // Who has none shows a token.
                .allow_unauthenticated()
                .build()
                .expect("there is an authority, and no revocation list");
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let resolver = Arc::new(SingleCertAndKey::from(identity));
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// Says each thing once in a while.
#[derive(Default)]
pub struct Quiet(Mutex<HashMap<&'static str, Instant>>);

impl Quiet {
    /// `what` is one of few; it is said again after a while.
    pub fn say(&self, what: &'static str, say: impl FnOnce()) {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.get(what).is_none_or(|then| now - *then >= QUIET);
        if is_due {
            last.insert(what, now);
            say();
        }
    }
}
