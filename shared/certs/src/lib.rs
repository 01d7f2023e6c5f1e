//! A development authority, and the certificates that it makes: for `./weir certs`, for
//! `./weir up --tls`, and for tests.
//!
//! A folder holds `ca.pem`, `ca.key`, and for everybody who is somebody `NAME.pem` and `NAME.key`.
//! Keys are readable by their owner alone. [`renew`] makes what is missing, and anew what ends
//! soon, is for other names, or is of another authority; all else stays.

#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use weir_tls::{Facts, date, facts};

const DAY: Duration = Duration::from_secs(86_400);
/// Clocks differ.
const BEFORE: Duration = Duration::from_secs(3_600);

/// For how long what is made is good.
pub const AUTHORITY_DAYS: u32 = 3_650;
/// As browsers and auditors would have it.
pub const CERTIFICATE_DAYS: u32 = 397;
/// What ends sooner is made anew.
pub const RENEWED_DAYS: u32 = 30;

/// Somebody who gets a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Of the files, and the common name.
    pub name: String,
    /// Names of DNS, addresses, and URIs (`spiffe://…`).
    pub names: Vec<String>,
}

impl Holder {
    /// One of these names.
    pub fn new(name: &str, names: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            names: names.iter().map(ToString::to_string).collect(),
        }
    }
}

/// How long certificates are good; from now on, less than none is long ago.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    /// Days from now.
    pub from: i64,
    /// Days from now.
    pub until: i64,
}

/// What became of a holder's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// There was none.
    New,
    /// It would have ended soon, or was for others.
    Renewed,
    /// It stays as it was.
    Kept,
}

/// An authority in a folder.
pub struct Authority {
    folder: PathBuf,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The one that is in the folder, or a new one; and whether it is new.
    ///
    /// # Errors
    /// The folder can't be written, or what is there can't be read.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Made)> {
        fs::create_dir_all(folder).with_context(|| format!("can't create {}", folder.display()))?;
        let (at, key_at) = (folder.join("ca.pem"), folder.join("ca.key"));
        let made = match (at.exists(), key_at.exists()) {
            (true, true) if days_left(&read(&at)?)? > f64::from(CERTIFICATE_DAYS) => Made::Kept,
            (true, true) => Made::Renewed,
            (false, false) => Made::New,
            (is_there, _) => {
                let (there, gone) = if is_there {
                    (&at, &key_at)
                } else {
                    (&key_at, &at)
                };
                bail!(
                    "{} is there and {} is not: put it back, or remove both, and whoever trusts \
                     the authority has to be told of a new one",
                    there.display(),
                    gone.display()
                )
            }
        };
        if made != Made::Kept {
            let key = KeyPair::generate().context("can't make a key")?;
            let certificate = authority(&key).self_signed(&key);
            let certificate = certificate.context("can't make it")?;
            write(&key_at, &key.serialize_pem(), 0o600)?;
            write(&at, &certificate.pem(), 0o644)?;
        }
        let key = KeyPair::from_pem(&read(&key_at)?);
        let key = key.with_context(|| format!("there is no key in {}", key_at.display()))?;
        let certificate = read(&at)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key);
        let issuer = issuer.with_context(|| format!("{} is no authority's", at.display()))?;
        let folder = folder.to_owned();
        let authority = Self {
            folder,
            certificate,
            issuer,
        };
        Ok((authority, made))
    }

    /// Its certificate's file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Makes the holder's certificate where there is none, it ends soon, is for other names, or
    /// is of another authority.
    ///
    /// # Errors
    /// A name that is none, or files that can't be written.
    pub fn renew(&self, holder: &Holder) -> anyhow::Result<Made> {
        let (at, key_at) = files(&self.folder, &holder.name);
        if !at.exists() || !key_at.exists() {
            self.make(holder, USUAL)?;
            return Ok(Made::New);
        }
        if self.is_good(&read(&at)?, holder) {
            return Ok(Made::Kept);
        }
        self.make(holder, USUAL)?;
        Ok(Made::Renewed)
    }

    fn is_good(&self, text: &str, holder: &Holder) -> bool {
        let left = days_left(text).is_ok_and(|left| left > f64::from(RENEWED_DAYS));
        let Ok(facts) = first(text) else {
            return false;
        };
        let is_named = |name: &String| match name.parse::<IpAddr>() {
            Ok(address) => facts.addresses.contains(&address),
            Err(_) => facts.names.contains(name),
        };
        // What is behind it in the file is who made it.
        left && text.trim_end().ends_with(self.certificate.trim_end())
            && holder.names.iter().all(is_named)
    }

    /// Makes it, whatever there is.
    ///
    /// # Errors
    /// As of [`Self::renew`].
    pub fn make(&self, holder: &Holder, lifetime: Lifetime) -> anyhow::Result<()> {
        let key = KeyPair::generate().context("can't make a key")?;
        let mut asked = CertificateParams::default();
        asked.distinguished_name = named(&holder.name);
        asked.subject_alt_names = holder
            .names
            .iter()
            .map(|name| alternative(name))
            .collect::<Result<_, _>>()?;
        asked.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        asked.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        asked.use_authority_key_identifier_extension = true;
        last(&mut asked, lifetime);
        let made = asked
            .signed_by(&key, &self.issuer)
            .context("can't sign it")?;
        let (at, key_at) = files(&self.folder, &holder.name);
        write(&key_at, &key.serialize_pem(), 0o600)?;
        write(&at, &format!("{}{}", made.pem(), self.certificate), 0o644)
    }
}

const USUAL: Lifetime = Lifetime {
    from: 0,
    until: CERTIFICATE_DAYS as i64,
};

/// Where a holder's certificate and key are.
pub fn files(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    )
}

/// Until when a certificate (the first of a text) is good.
///
/// # Errors
/// There is none.
pub fn good_until(text: &str) -> anyhow::Result<String> {
    Ok(date(first(text)?.not_after))
}

fn first(text: &str) -> anyhow::Result<Facts> {
    let certificate = CertificateDer::from_pem_slice(text.as_bytes());
    let certificate = certificate.map_err(|_| anyhow!("there is no certificate in it"))?;
    facts(&certificate).context("it can't be understood")
}

/// How many days a certificate (the first of a text) is still good.
///
/// # Errors
/// There is none.
pub fn days_left(text: &str) -> anyhow::Result<f64> {
    Ok(first(text)?.days_left(i64::try_from(UnixTime::now().as_secs())?))
}

/// Of a name of its own, so that those of two are not taken for each other's.
fn authority(key: &KeyPair) -> CertificateParams {
    let mut asked = CertificateParams::default();
    let end = key.public_key_raw().iter().rev().take(4);
    let end: String = end.map(|byte| format!("{byte:02x}")).collect();
    asked.distinguished_name = named(&format!("Weir development authority {end}"));
    asked.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    asked.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let until = i64::from(AUTHORITY_DAYS);
    last(&mut asked, Lifetime { from: 0, until });
    asked
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::OrganizationName, "Weir");
    named.push(DnType::CommonName, name);
    named
}

fn alternative(name: &str) -> anyhow::Result<SanType> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let text = Ia5String::try_from(name.to_owned());
    let text = text.map_err(|_| anyhow!("{name:?} can't be a name in a certificate"))?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
    match name {
        uri if uri.starts_with("spiffe://") => Ok(SanType::URI(text)),
        host if !host.is_empty() && host.chars().all(is_part) => Ok(SanType::DnsName(text)),
        _ => bail!("{name:?} is neither a name of DNS, an address, nor a spiffe:// URI"),
    }
}

fn last(asked: &mut CertificateParams, lifetime: Lifetime) {
    let now = UNIX_EPOCH + Duration::from_secs(UnixTime::now().as_secs());
    let at = |days: i64| match u32::try_from(days) {
        Ok(days) => now + DAY * days,
        Err(_) => now - DAY * u32::try_from(-days).unwrap_or(u32::MAX),
    };
    asked.not_before = (at(lifetime.from) - BEFORE).into();
    asked.not_after = at(lifetime.until).into();
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

/// Beside it first, so that nobody reads a half.
fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let beside = path.with_extension("new");
    let written = || -> std::io::Result<()> {
        let _ = fs::remove_file(&beside);
        let mut file = fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
        fs::rename(&beside, path)
    };
    written().with_context(|| format!("can't write {}", path.display()))
}

/// Whose certificates make them services to each other.
pub const SERVICES: [&str; 7] = [
    "edge",
    "console",
    "mapping",
    "contact-upsert",
    "activity",
    "audience",
    "quota",
];

/// Everybody in an installation, each by its own name, on this machine, and at `hosts`: the
/// services, their servers, and a client that is none of them.
pub fn holders(hosts: &[String]) -> Vec<Holder> {
    const MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
    let servers = SERVICES.iter().chain(&["postgres", "redis"]);
    let serving = servers.map(|name| {
        let mut holder = Holder::new(name, &MACHINE);
        holder.names.insert(0, (*name).to_owned());
        holder.names.extend(hosts.iter().cloned());
        holder
    });
    serving
        .chain([Holder::new("client", &["client"])])
        .collect()
}
