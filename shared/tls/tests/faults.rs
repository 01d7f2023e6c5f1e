//! Files that can't be used: each has its sentence, which names the variable.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use weir_certs::{Authority, Holder, Lifetime};
use weir_tls::{CertificateOptions, ClientOptions, HTTP1, TlsOptions};

fn options(folder: &Path, certificate: &str, key: &str) -> TlsOptions {
    let given = |name: &str| (!name.is_empty()).then(|| folder.join(name));
    TlsOptions {
        tls_cert: given(certificate),
        tls_key: given(key),
        calls: ClientOptions::default(),
    }
}

fn said(options: &TlsOptions) -> String {
    match options.enter(&[HTTP1]) {
        Ok(_) => "nothing".to_owned(),
        Err(fault) => fault.to_string(),
    }
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, _) = Authority::open(folder).unwrap();
    for (name, from, until) in [
        ("good", 0, 10),
        ("past", -9, -1),
        ("early", 2, 9),
        ("b", 0, 9),
    ] {
        let lifetime = Lifetime { from, until };
        let holder = Holder::new(name, &["localhost"]);
        authority.make(&holder, lifetime).unwrap();
    }
    fs::write(folder.join("empty"), "").unwrap();
    let half = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(folder.join("half"), half).unwrap();
    for (certificate, key, expected) in [
        ("good.pem", "good.key", "nothing"),
        ("", "", "nothing"),
        (
            "good.pem",
            "",
            "WEIR_TLS_KEY is missing: WEIR_TLS_CERT is set",
        ),
        (
            "",
            "good.key",
            "WEIR_TLS_CERT is missing: WEIR_TLS_KEY is set",
        ),
        ("gone.pem", "good.key", "WEIR_TLS_CERT: can't read "),
        ("good.pem", "gone.key", "WEIR_TLS_KEY: can't read "),
        (
            "empty",
            "good.key",
            "WEIR_TLS_CERT: there is no certificate",
        ),
        (
            "good.key",
            "good.key",
            "WEIR_TLS_CERT: there is no certificate",
        ),
        ("half", "good.key", "WEIR_TLS_CERT: "),
        ("good.pem", "empty", "WEIR_TLS_KEY: there is no key"),
        ("good.pem", "good.pem", "WEIR_TLS_KEY: there is no key"),
        (
            "good.pem",
            "b.key",
            "does not belong to the certificate of WEIR_TLS_CERT",
        ),
        ("past.pem", "past.key", "has expired: it was good until 20"),
        ("early.pem", "early.key", "is not good yet: it is from 20"),
    ] {
        let text = said(&options(folder, certificate, key));
        assert!(text.contains(expected), "{certificate} {key}: {text}");
    }
}

#[tokio::test]
async fn what_belongs_together_is_given_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (authority, _) = Authority::open(folder).unwrap();
    authority.renew(&Holder::new("a", &["localhost"])).unwrap();
    let own = options(folder, "a.pem", "a.key");
    let none = TlsOptions::default();
    let entered = |own: &TlsOptions, ca: &str, services: &str| {
        let callers = CertificateOptions {
            tls_client_ca: Some(folder.join(ca)).filter(|_| !ca.is_empty()),
            tls_services: services.to_owned(),
        };
        match own.enter_with(&callers, &[HTTP1]) {
            Ok(entered) => format!("nothing {}", entered.is_some()),
            Err(fault) => fault.to_string(),
        }
    };
    for (own, ca, services, expected) in [
        (&own, "", "", "nothing true"),
        (&none, "", "", "nothing false"),
        (&own, "ca.pem", "edge, spiffe://weir/quota", "nothing true"),
        (&own, "ca.pem", "", "WEIR_TLS_SERVICES is missing"),
        (&own, "", "edge", "WEIR_TLS_CLIENT_CA is missing"),
        (&none, "ca.pem", "edge", "WEIR_TLS_CERT is missing"),
        (
            &own,
            "ca.pem",
            "ed ge",
            "WEIR_TLS_SERVICES: \"ed ge\" is neither",
        ),
        (
            &own,
            "a.key",
            "edge",
            "WEIR_TLS_CLIENT_CA: there is no certificate",
        ),
    ] {
        let text = entered(own, ca, services);
        assert!(text.starts_with(expected), "{ca} {services}: {text}");
    }
    let half = ClientOptions {
        tls_client_cert: Some(folder.join("a.pem")),
        ..ClientOptions::default()
    };
    let text = half.trust().unwrap_err().to_string();
    assert!(text.starts_with("WEIR_TLS_CLIENT_KEY is missing"), "{text}");
}
