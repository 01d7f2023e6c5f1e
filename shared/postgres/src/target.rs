//! Where PostgreSQL is and how TLS is spoken with it, as a URL says it (or `key=value` words), in
//! the words of libpq: the client library knows a part of them.

use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::ClientConfig;
use tokio_postgres::Config;
use tokio_postgres::config::SslNegotiation;
use weir_tls::{Check, Fault, File, Kind, Reloaded, Trust, authorities, client_config, identity};

/// A URL that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("{}", said(.0))]
    Unreadable(#[from] tokio_postgres::Error),
    /// What it says of TLS.
    #[error("{0}")]
    Tls(#[from] Fault),
}

/// With the option, which is all that a parser says; it repeats no value.
fn said(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What is connected to.
#[derive(Clone)]
pub(crate) struct Target {
    pub config: Config,
    /// Tried where the first one is not taken: while it changes.
    pub other_password: Option<String>,
    pub tls: Tls,
}

/// Whether TLS is spoken, and with whom.
#[derive(Clone)]
pub(crate) enum Tls {
    Never,
    /// Where it can be: whoever answers is taken, without TLS as well.
    Preferred(Speaks),
    Always(Speaks),
}

#[derive(Clone)]
pub(crate) enum Speaks {
    Fixed(Arc<ClientConfig>),
    /// With files, which may change.
    Reloaded(Reloaded<ClientConfig>),
}

impl Speaks {
    pub fn config(&self) -> Arc<ClientConfig> {
        match self {
            Self::Fixed(config) => Arc::clone(config),
            Self::Reloaded(config) => config.get(),
        }
    }
}

impl Target {
    /// Within the runtime, where files are named.
    pub fn read(url: &str) -> Result<Self, UrlError> {
        let (rest, words) = Words::take(url);
        let config: Config = rest.parse()?;
        let tls = words.tls(config.get_ssl_negotiation())?;
        Ok(Self {
            config,
            other_password: words.other_password,
            tls,
        })
    }
}

/// What a URL says of TLS, and what else the client library does not know.
#[derive(Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
struct Words {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    /// Ours: libpq has no such word.
    other_password: Option<String>,
}

impl Words {
    /// The URL without them, and them.
    fn take(url: &str) -> (String, Self) {
        let mut words = Self::default();
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let rest = if is_url {
            let Some((place, query)) = url.split_once('?') else {
                return (url.to_owned(), words);
            };
            let others = query.split('&').filter(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                !words.put(name, decoded(value))
            });
            let others = others.collect::<Vec<_>>().join("&");
            format!("{place}?{others}")
        } else {
            let others = assignments(url).into_iter().filter_map(|(name, value)| {
                let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
                (!words.put(&name, value)).then(|| format!("{name}='{quoted}'"))
            });
            others.collect::<Vec<_>>().join(" ")
        };
        (rest.trim_end_matches('?').to_owned(), words)
    }

    /// Whether it is one of them.
    fn put(&mut self, name: &str, value: String) -> bool {
        let place = match name {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.root,
            "sslcert" => &mut self.certificate,
            "sslkey" => &mut self.key,
            "other_password" => &mut self.other_password,
            _ => return false,
        };
        *place = Some(value).filter(|value| !value.is_empty());
        true
    }

    fn tls(&self, negotiation: SslNegotiation) -> Result<Tls, Fault> {
        let unusable = |why: &str| Fault::Unusable {
            variable: "sslmode",
            why: why.to_owned(),
        };
        let is_machine = self.root.as_deref() == Some("system");
        let usual = if is_machine { "verify-full" } else { "prefer" };
        let mode = self.mode.as_deref().unwrap_or(usual);
        if is_machine && mode != "verify-full" {
            return Err(unusable("with sslrootcert=system it must be verify-full"));
        }
        let check = match mode {
            "disable" => return Ok(Tls::Never),
            "prefer" => Check::Nothing,
            // As libpq has it: who names an authority means it.
            "require" if self.root.is_some() => Check::Authority,
            "require" => Check::Nothing,
            "verify-ca" => Check::Authority,
            "verify-full" => Check::Full,
            _ => {
                return Err(unusable(
                    "must be disable, prefer, require, verify-ca or verify-full",
                ));
            }
        };
        if mode.starts_with("verify") && self.root.is_none() {
            return Err(Fault::Alone {
                given: "sslmode=verify-…",
                missing: "sslrootcert (a file with certificates of authorities, or `system`)",
            });
        }
        if mode == "prefer" && negotiation == SslNegotiation::Direct {
            return Err(unusable(
                "with sslnegotiation=direct it must be require or more",
            ));
        }
        let speaks = self.speaks(check, is_machine)?;
        Ok(match mode {
            "prefer" => Tls::Preferred(speaks),
            _ => Tls::Always(speaks),
        })
    }

    fn speaks(&self, check: Check, is_machine: bool) -> Result<Speaks, Fault> {
        let file = |variable, path: &Option<String>, kind| {
            File::given(variable, path.as_deref().map(Path::new), kind)
        };
        let root = match is_machine {
            true => None,
            false => file("sslrootcert", &self.root, Kind::Authorities),
        };
        let certificate = file("sslcert", &self.certificate, Kind::Certificate);
        let key = file("sslkey", &self.key, Kind::Key);
        match (certificate.is_some(), key.is_some()) {
            (true, false) => {
                return Err(Fault::Alone {
                    given: "sslcert",
                    missing: "sslkey",
                });
            }
            (false, true) => {
                return Err(Fault::Alone {
                    given: "sslkey",
                    missing: "sslcert",
                });
            }
            _ => {}
        }
        let files: Vec<File> = root.into_iter().chain(certificate).chain(key).collect();
        if files.is_empty() {
            let made = client_config(&Trust::Machine, check, None);
            return Ok(Speaks::Fixed(Arc::new(made)));
        }
        let made = Reloaded::load(files, move |texts| {
            let of = |kind| texts.iter().find(|text| text.file.kind == kind).copied();
            let trust = match of(Kind::Authorities) {
                Some(text) => Trust::Authorities(authorities(text)?),
                None => Trust::Machine,
            };
            let own = of(Kind::Certificate).zip(of(Kind::Key));
            let own = own.map(|(certificate, key)| identity(certificate, key));
            Ok(client_config(&trust, check, own.transpose()?))
        })?;
        Ok(Speaks::Reloaded(made))
    }
}

/// Percent-encoded, as in a URL; what is no such code stands for itself.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let code = behind.get(..2).filter(|_| *first == b'%');
        match code.and_then(|code| HEXLOWER_PERMISSIVE.decode(code).ok()) {
            Some(byte) => {
                bytes.extend(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `key=value key='va lue'`, with backslashes as libpq has them. What can't be read ends it: the
/// client library says what is wrong with the rest.
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some((name, behind)) = rest.split_once('=') {
        let behind = behind.trim_start();
        let quoted = behind.strip_prefix('\'');
        let mut characters = quoted.unwrap_or(behind).char_indices();
        let (mut value, mut length) = (String::new(), quoted.unwrap_or(behind).len());
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => value.extend(characters.next().map(|(_, next)| next)),
                '\'' if quoted.is_some() => {
                    length = at + 1;
                    break;
                }
                space if quoted.is_none() && space.is_whitespace() => {
                    length = at;
                    break;
                }
                other => value.push(other),
            }
        }
        found.push((name.trim().to_owned(), value));
        rest = quoted.unwrap_or(behind)[length..].trim_start();
    }
    if !rest.is_empty() {
        found.push((rest.to_owned(), String::new()));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn words(url: &str) -> (String, [Option<String>; 4]) {
        let (rest, words) = Words::take(url);
        let Words {
            mode,
            root,
            certificate,
            key,
            other_password,
        } = words;
        assert_eq!(other_password, None);
        (rest, [mode, root, certificate, key])
    }

    fn some(texts: [&str; 4]) -> [Option<String>; 4] {
        texts.map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    #[test]
    fn what_is_said_of_tls_is_taken_out_of_a_url() {
        let all = "postgres://u:p@h:1,i:2/d?sslmode=verify-full&application_name=x\
                   &sslrootcert=/c%20a.pem&sslcert=/a&sslkey=/k";
        let (rest, found) = words(all);
        assert_eq!(rest, "postgres://u:p@h:1,i:2/d?application_name=x");
        assert_eq!(found, some(["verify-full", "/c a.pem", "/a", "/k"]));
        let (rest, found) = words("postgresql://h/d?sslmode=disable");
        assert_eq!(
            (rest.as_str(), found),
            ("postgresql://h/d", some(["disable", "", "", ""]))
        );
        for untouched in ["postgres://h/d", "postgres://h/d?options=-c%20a%3Db"] {
            assert_eq!(words(untouched).0, untouched);
        }
    }

    #[test]
    fn another_password_is_taken_out_as_well_and_is_not_in_what_is_said() {
        let url = "postgres://u:old@h/d?other_password=n%65w";
        let target = Target::read(url).unwrap();
        assert_eq!(target.config.get_password(), Some(&b"old"[..]));
        assert_eq!(target.other_password.as_deref(), Some("new"));
        assert!(!format!("{:?}", target.config).contains("new"));
    }

    #[test]
    fn and_out_of_words() {
        let (rest, found) = words(r"host=h sslmode = require password='it\'s so' sslkey=/a\ b");
        assert_eq!(rest, r"host='h' password='it\'s so'");
        assert_eq!(found, some(["require", "", "", "/a b"]));
        let config: Config = rest.parse().unwrap();
        assert_eq!(config.get_password(), Some(&b"it's so"[..]));
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        let target = |query: &str| {
            let read = Target::read(&format!("postgres://h/d?{query}"));
            read.err().map(|error| error.to_string())
        };
        for good in ["", "sslmode=disable", "sslmode=prefer", "sslmode=require"] {
            assert_eq!(target(good), None, "{good}");
        }
        assert_eq!(target("sslrootcert=system"), None);
        for (wrong, said) in [
            ("sslmode=allow", "must be disable, prefer, require"),
            ("sslmode=verify-full", "sslrootcert (a file"),
            ("sslmode=verify-ca", "sslrootcert (a file"),
            ("sslmode=require&sslrootcert=system", "must be verify-full"),
            ("sslcert=/a", "sslkey is missing"),
            ("sslkey=/a", "sslcert is missing"),
            (
                "sslrootcert=/nowhere&sslmode=require",
                "can't read /nowhere",
            ),
            ("sslnegotiation=direct", "must be require or more"),
            ("unheard=of", "unheard"),
        ] {
            let error = target(wrong).unwrap_or_default();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    /// Named here, so that a path with blanks stays one.
    #[test]
    fn paths_are_taken_as_they_are() {
        let (_, words) = Words::take("postgres://h/d?sslrootcert=/%C3%A9%2");
        assert_eq!(words.root.map(PathBuf::from), Some(PathBuf::from("/é%2")));
    }
}
