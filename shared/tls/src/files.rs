//! Certificates and keys, as files have them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::certificate::{date, facts, now};
use crate::{Fault, provider};

/// What a file is expected to hold, as PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A certificate, with those between it and its authority behind it.
    Certificate,
    /// The key of one.
    Key,
    /// Certificates of authorities.
    Authorities,
}

/// A file, and the variable that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Said with everything that is wrong with it.
    pub variable: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// What is expected in it.
    pub kind: Kind,
}

/// What was read of one.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Which one.
    pub file: &'a File,
    /// All of it.
    pub bytes: &'a [u8],
}

impl File {
    /// One of this kind; an empty path is none, as environments write it that always name it.
    pub fn given(variable: &'static str, path: Option<&Path>, kind: Kind) -> Option<Self> {
        let path = path.filter(|path| !path.as_os_str().is_empty())?;
        Some(Self {
            variable,
            path: path.to_owned(),
            kind,
        })
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>, Fault> {
        std::fs::read(&self.path).map_err(|error| Fault::Unreadable {
            variable: self.variable,
            path: self.place(),
            why: error.to_string(),
        })
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn broken(&self, why: impl ToString) -> Fault {
        Fault::Broken {
            variable: self.variable,
            path: self.place(),
            why: why.to_string(),
        }
    }
}

/// The certificates of a file; at least one.
///
/// # Errors
/// There is none, or one is broken.
pub fn certificates(text: Text<'_>) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let file = text.file;
    let all = CertificateDer::pem_slice_iter(text.bytes).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| file.broken(error))?;
    if all.is_empty() {
        return Err(Fault::Empty {
            variable: file.variable,
            path: file.place(),
            what: "certificate (PEM, `-----BEGIN CERTIFICATE-----`)",
        });
    }
    Ok(all)
}

/// Those who are trusted.
///
/// # Errors
/// There is none, or one is no authority's.
pub fn authorities(text: Text<'_>) -> Result<Arc<RootCertStore>, Fault> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(text)? {
        let added = store.add(certificate);
        added.map_err(|error| text.file.broken(error))?;
    }
    Ok(Arc::new(store))
}

/// A certificate and its key.
///
/// # Errors
/// One of them can't be read, is not of the other, or the certificate is not good now.
pub fn identity(certificate: Text<'_>, key: Text<'_>) -> Result<Arc<CertifiedKey>, Fault> {
    let chain = certificates(certificate)?;
    let first = chain.first().map(|first| facts(first));
    let facts = first.flatten().ok_or_else(|| {
        let why = "its first certificate can't be understood";
        certificate.file.broken(why)
    })?;
    let private = PrivateKeyDer::from_pem_slice(key.bytes).map_err(|_| Fault::Empty {
        variable: key.file.variable,
        path: key.file.place(),
        what: "key (PEM, without a password, `-----BEGIN PRIVATE KEY-----`)",
    })?;
    let provider = provider();
    let signing = provider.key_provider.load_private_key(private);
    let signing = signing.map_err(|error| key.file.broken(error))?;
    let made = CertifiedKey::new(chain, signing);
    if made.keys_match().is_err() {
        return Err(Fault::OtherKey {
            variable: key.file.variable,
            path: key.file.place(),
            certificate: certificate.file.variable,
        });
    }
    let (variable, path) = (certificate.file.variable, certificate.file.place());
    if facts.not_after < now() {
        let until = date(facts.not_after);
        return Err(Fault::Expired {
            variable,
            path,
            until,
        });
    }
    if facts.not_before > now() {
        let from = date(facts.not_before);
        return Err(Fault::Early {
            variable,
            path,
            from,
        });
    }
    Ok(Arc::new(made))
}
