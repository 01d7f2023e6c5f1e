//! Why there is no connection, in words: what libraries say of it names no file and no remedy.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error};

use crate::certificate::date;

/// Who of both says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We called.
    Client,
    /// We were called.
    Server,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// One word, for metrics.
    pub code: &'static str,
    /// A sentence without its subject: "its certificate …".
    pub text: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cause {
    /// One of somebody else's.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { code, text }
    }
}

/// What TLS has to say to an error; none where it is none of TLS.
pub fn cause_of(error: &(dyn StdError + 'static), side: Side) -> Option<Cause> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(cause(error, side));
        }
        // So the library of Redis hides what is inside.
        if let Some(shared) = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
            next = Some(&**shared);
            continue;
        }
        // An error of the system hides what it is made of from `source`.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn cause(error: &Error, side: Side) -> Cause {
    match error {
        Error::InvalidCertificate(why) => shown(why),
        Error::AlertReceived(alert) => told(*alert),
        Error::InvalidMessage(_) => Cause::new(
            "not_tls",
            match side {
                Side::Client => {
                    "it does not speak TLS there: either http:// is meant, or it has no certificate"
                }
                Side::Server => "what comes is no TLS",
            },
        ),
        Error::NoCertificatesPresented => Cause::new("no_certificate", "it shows no certificate"),
        Error::PeerIncompatible(why) => Cause::new(
            "incompatible",
            format!("both sides have no version or cipher in common ({why:?})"),
        ),
        Error::NoApplicationProtocol => {
            Cause::new("incompatible", "it speaks neither HTTP/2 nor HTTP/1.1")
        }
        other => Cause::new("other", other.to_string()),
    }
}

/// Of the certificate that the other side shows.
fn shown(why: &CertificateError) -> Cause {
    match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Cause::new(
            "unknown_authority",
            "its certificate is of an authority that is not trusted here",
        ),
        CertificateError::Expired => Cause::new("expired", "its certificate has expired"),
        CertificateError::ExpiredContext { not_after, .. } => {
            let until = date(i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX));
            Cause::new(
                "expired",
                format!("its certificate has expired: it was good until {until}"),
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Cause::new("not_valid_yet", "its certificate is not good yet")
        }
        CertificateError::NotValidForName => {
            Cause::new("other_name", "its certificate is for another name")
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let for_whom = match presented.as_slice() {
                [] => "no name of a host".to_owned(),
                names => names.join(", "),
            };
            let expected = expected.to_str();
            let text = format!("its certificate is not for {expected}, but for {for_whom}");
            Cause::new("other_name", text)
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Cause::new(
                "other_purpose",
                "its certificate is not for this (servers and clients, by its extended key usage)",
            )
        }
        CertificateError::Revoked => Cause::new("revoked", "its certificate was revoked"),
        other => Cause::new(
            "bad_certificate",
            format!("its certificate is no good: {other}"),
        ),
    }
}

/// What the other side says before it closes.
fn told(alert: AlertDescription) -> Cause {
    use AlertDescription as Alert;
    match alert {
        Alert::UnknownCA => Cause::new(
            "refused_authority",
            "it does not trust the authority of our certificate",
        ),
        Alert::CertificateExpired => Cause::new(
            "refused_expired",
            "it says that our certificate has expired",
        ),
        Alert::CertificateRequired => {
            Cause::new("refused_none", "it wants a certificate, and we showed none")
        }
        Alert::BadCertificate
        | Alert::CertificateUnknown
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::DecryptError => Cause::new("refused", "it does not take our certificate"),
        Alert::ProtocolVersion | Alert::HandshakeFailure => Cause::new(
            "incompatible",
            "both sides have no version or cipher in common",
        ),
        other => Cause::new("refused", format!("it refuses ({other:?})")),
    }
}
