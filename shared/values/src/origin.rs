//! Origins of web pages: `https://shop.example.com`, as browsers write them (RFC 6454), and the
//! patterns by which a data source says which of them may send (semantics 8.3).

/// How many a source may list: each request of a browser looks at all of them.
pub const MAX_ORIGINS: usize = 100;
/// A host has at most 253 characters.
const MAX_LENGTH: usize = 280;
/// Every origin.
const ANY: &str = "*";

/// Reads an entry of a list: an origin, one with `*.` in front of its host, or `*`. In the form
/// that browsers send: small letters, no port that goes without saying, nothing behind.
///
/// # Errors
/// What it must be.
pub fn read_origin(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "must be *, or an origin such as https://shop.example.com or \
                            https://*.example.com";
    let text = text.trim().to_ascii_lowercase();
    if text == ANY {
        return Ok(text);
    }
    let text = text.strip_suffix('/').unwrap_or(&text);
    let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c));
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let rest = rest.strip_suffix(usual).unwrap_or(rest);
    let (host, port) = port_of(rest);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let host = host.strip_prefix("*.").unwrap_or(host);
    let is_good = is_scheme && is_port && is_host(host) && text.len() <= MAX_LENGTH;
    is_good
        .then(|| format!("{scheme}://{rest}"))
        .ok_or(EXPECTED)
}

/// Whether a page of this origin, as its browser sends it, may send.
pub fn allows(allowed: &[String], origin: &str) -> bool {
    let origin = origin.to_ascii_lowercase();
    allowed.iter().any(|entry| {
        let Some((scheme, host)) = entry.split_once("://*.") else {
            return *entry == ANY || *entry == origin;
        };
        let sent = origin.split_once("://");
        sent.is_some_and(|(sent_scheme, sent)| {
            let front = sent
                .strip_suffix(host)
                .and_then(|front| front.strip_suffix('.'));
            sent_scheme == scheme && front.is_some_and(|front| !front.is_empty())
        })
    })
}

fn port_of(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once(':') {
        // Within the brackets it is a part of the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        for (written, kept) in [
            (" HTTPS://Shop.Example.com/ ", "https://shop.example.com"),
            ("https://example.com:443", "https://example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://example.com:80", "http://example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("https://*.example.com", "https://*.example.com"),
            ("*", "*"),
        ] {
            assert_eq!(read_origin(written).as_deref(), Ok(kept), "{written}");
        }
        for wrong in [
            "",
            "example.com",
            "//example.com",
            "https://",
            "https://a b",
            "https://example.com/shop",
            "https://example.com?x",
            "https://me@example.com",
            "https://ex*mple.com",
            "https://*",
            "https://a..b",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:x",
            "1http://example.com",
            "null",
            "https://[x]",
        ] {
            assert!(read_origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_is_allowed_where_an_entry_says_so() {
        let list = |entries: &[&str]| -> Vec<String> {
            entries.iter().map(|entry| (*entry).to_owned()).collect()
        };
        let some = list(&["https://*.example.com", "http://localhost:3000"]);
        for (origin, is_allowed) in [
            ("https://shop.example.com", true),
            ("https://a.b.example.com", true),
            ("https://SHOP.example.com", true),
            ("http://localhost:3000", true),
            ("https://example.com", false),
            ("https://.example.com", false),
            ("https://badexample.com", false),
            ("https://shop.example.com.evil.org", false),
            ("http://shop.example.com", false),
            ("https://shop.example.com:8443", false),
            ("http://localhost", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(allows(&some, origin), is_allowed, "{origin}");
        }
        assert!(allows(&list(&["*"]), "null"));
        assert!(!allows(&[], "https://example.com"));
    }

    proptest! {
        #[test]
        fn what_is_read_reads_the_same_again_and_allows_itself(
            text in "(https?|app)://(\\*\\.)?[a-zA-Z.]{1,9}(:[0-9]{1,3})?/?",
        ) {
            if let Ok(kept) = read_origin(&text) {
                prop_assert_eq!(read_origin(&kept).unwrap(), kept.clone());
                // A browser's own origin has no pattern in it.
                let sent = kept.replace("*.", "shop.");
                prop_assert!(allows(std::slice::from_ref(&kept), &sent));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text: String, origin: String) {
            let kept = read_origin(&text).unwrap_or_default();
            let _ = allows(&[kept], &origin);
        }
    }
}
