//! How far the other side's certificate is looked at.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::provider;

/// Whose certificates are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those of these authorities.
    Authorities(Arc<RootCertStore>),
    /// Those that the machine trusts (`SSL_CERT_FILE` names others).
    Machine,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// That the certificate is of a trusted authority, and of the name that was called.
    Full,
    /// The authority alone.
    Authority,
    /// Nothing: whoever answers is taken. It keeps out who only listens.
    Nothing,
}

impl Trust {
    fn roots(&self) -> Arc<RootCertStore> {
        let Self::Authorities(roots) = self else {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Arc::new(store);
        };
        Arc::clone(roots)
    }
}

/// What does it.
pub(crate) fn verifier(trust: &Trust, check: Check) -> Arc<dyn ServerCertVerifier> {
    let unlooked = |answer| Arc::new(Unlooked(provider(), answer));
    if check == Check::Nothing {
        return unlooked(Ok(()));
    }
    let built = WebPkiServerVerifier::builder_with_provider(trust.roots(), provider()).build();
    match (built, check) {
        (Ok(full), Check::Authority) => Arc::new(AnyName(full)),
        (Ok(full), _) => full,
        // A machine without authorities trusts nobody.
        (Err(_), _) => unlooked(Err(CertificateError::UnknownIssuer)),
    }
}

/// The authority is looked at, the name is not.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // The name is the last thing that is looked at.
        match self
            .0
            .verify_server_cert(certificate, between, name, ocsp, now)
        {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Whoever has the key of the certificate that it shows, or nobody.
#[derive(Debug)]
struct Unlooked(Arc<CryptoProvider>, Result<(), CertificateError>);

impl ServerCertVerifier for Unlooked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let taken = self.1.clone().map_err(Error::InvalidCertificate);
        taken.map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
