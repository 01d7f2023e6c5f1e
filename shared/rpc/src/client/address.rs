//! Addresses as a configuration gives them.

use std::net::SocketAddr;

use http::Uri;

/// What a scheme of `http` means where no port is given, and one of `https`.
const USUAL_PORT: u16 = 80;
const USUAL_SECURE_PORT: u16 = 443;

/// Nothing that could be connected to.
#[derive(Debug, thiserror::Error)]
#[error(
    "{variable}: {given:?} is not a gRPC address (http://host:port or https://host:port, several with commas)"
)]
pub struct NotAnAddress {
    variable: &'static str,
    given: String,
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    uri: Uri,
    host: String,
    port: u16,
}

/// What a connection is made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// As it was given; what is called is called by this name.
    pub origin: Uri,
    /// One of what the name resolves to, or the name as long as it resolves to nothing.
    pub at: String,
}

impl Place {
    /// Whether TLS is spoken there.
    pub fn is_secure(&self) -> bool {
        self.origin.scheme_str() == Some("https")
    }

    /// The name that it was given by: that of its certificate.
    pub fn host(&self) -> &str {
        self.origin.host().unwrap_or_default()
    }
}

/// Reads a list that is separated by commas.
pub(super) fn read(variable: &'static str, given: &str) -> Result<Vec<Address>, NotAnAddress> {
    let one = |text: &str| {
        Address::of(text.trim()).ok_or_else(|| NotAnAddress {
            variable,
            given: text.to_owned(),
        })
    };
    given.split(',').map(one).collect()
}

impl Address {
    fn of(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let usual = match uri.scheme_str()? {
            "http" => USUAL_PORT,
            "https" => USUAL_SECURE_PORT,
            _ => return None,
        };
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let host = uri.host().filter(|host| is_bare && !host.is_empty())?;
        // Whatever else is in it (a user, a port that is none) is not understood.
        let port = match uri.authority()?.as_str().strip_prefix(host)? {
            "" => usual,
            port => port
                .strip_prefix(':')?
                .parse()
                .ok()
                .filter(|port| *port > 0)?,
        };
        let host = host.to_owned();
        Some(Self { uri, host, port })
    }

    /// What there is before anything is resolved.
    pub fn as_given(&self) -> Place {
        self.place(self.host_and_port())
    }

    pub fn is_name(&self) -> bool {
        self.host_and_port().parse::<SocketAddr>().is_err()
    }

    /// All that it resolves to, in order.
    pub async fn resolve(&self) -> std::io::Result<Vec<Place>> {
        let found = tokio::net::lookup_host(self.host_and_port()).await?;
        let mut found: Vec<SocketAddr> = found.collect();
        found.sort_unstable();
        found.dedup();
        Ok(found
            .into_iter()
            .map(|at| self.place(at.to_string()))
            .collect())
    }

    fn place(&self, at: String) -> Place {
        let origin = self.uri.clone();
        Place { origin, at }
    }

    fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_read() {
        let read = read(
            "WEIR_QUOTA_URL",
            "http://a:1, http://10.0.0.1:2/,https://[::1]:3,http://b,https://c",
        );
        let read = read.unwrap();
        let places: Vec<_> = read.iter().map(|address| address.as_given().at).collect();
        assert_eq!(places, ["a:1", "10.0.0.1:2", "[::1]:3", "b:80", "c:443"]);
        let names: Vec<_> = read.iter().map(Address::is_name).collect();
        assert_eq!(names, [true, false, false, true, true]);
        let secure: Vec<_> = read.iter().map(|one| one.as_given().is_secure()).collect();
        assert_eq!(secure, [false, false, true, false, true]);
    }

    #[test]
    fn what_is_no_address_is_said_with_its_variable() {
        for wrong in [
            "",
            "a:1",
            "http://",
            "http://:1",
            "http://a:0",
            "http://a:99999",
            "http://a:b",
            "http://a:1/path",
            "http://a:1?query",
            "http://user@a:1",
            "ftp://a:1",
            "http://a b:1",
            "http://a:1,",
            "http://a:1,,http://b:1",
            "http://a:1;http://b:1",
        ] {
            let refused = read("WEIR_QUOTA_URL", wrong).unwrap_err().to_string();
            assert!(
                refused.starts_with("WEIR_QUOTA_URL: "),
                "{wrong}: {refused}"
            );
        }
    }

    #[tokio::test]
    async fn an_address_resolves_to_itself() {
        let read = read("X", "http://127.0.0.1:7001").unwrap();
        assert_eq!(read[0].resolve().await.unwrap(), [read[0].as_given()]);
    }
}
