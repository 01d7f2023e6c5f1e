//! Whether a request that changes something comes from a page of this console.

use ::http::{HeaderMap, header};

/// Of the browser's word about where a request comes from: browsers write it, pages can't.
pub fn is_from_here(headers: &HeaderMap, own_url: &str) -> bool {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = said("sec-fetch-site")
        && site != "same-origin"
    {
        return false;
    }
    let Some(origin) = said(header::ORIGIN.as_str()) else {
        // A browser that says neither is none that we know.
        return said("sec-fetch-site").is_some();
    };
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let own = own_url.split_once("://").map(|(_, rest)| rest);
    let own = own.map(|rest| rest.split('/').next().unwrap_or(rest));
    Some(authority) == said(header::HOST.as_str()) || Some(authority) == own
}

/// Whether a page was asked for by one of ours, where the browser says by whom.
pub fn is_led_here(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    site.is_none_or(|site| site == "same-origin")
}

/// In a time that tells nothing of how much is alike.
pub fn is_same(given: &str, expected: &str) -> bool {
    let (given, expected) = (given.as_bytes(), expected.as_bytes());
    let differs = given
        .iter()
        .zip(expected)
        .fold(0, |seen, (a, b)| seen | (a ^ b));
    given.len() == expected.len() && differs == 0
}

/// A cookie's value.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    named.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// An address within the console, to go on to; none where it leads elsewhere.
pub fn own_path(path: &str) -> Option<&str> {
    let is_own = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && !path.chars().any(char::is_control);
    is_own.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    // Semantics 9.4.
    #[test]
    fn only_pages_of_ours_change_something() {
        let host = ("host", "127.0.0.1:8000");
        let ours = ("origin", "http://127.0.0.1:8000");
        for (pairs, is) in [
            (vec![host, ours], true),
            (vec![host, ours, ("sec-fetch-site", "same-origin")], true),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![host, ours, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ours, ("sec-fetch-site", "same-site")], false),
            (vec![host, ours, ("sec-fetch-site", "none")], false),
            (vec![host, ("origin", "https://evil.example")], false),
            (vec![host, ("origin", "http://127.0.0.1:9000")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host], false),
        ] {
            assert_eq!(is_from_here(&headers(&pairs), ""), is, "{pairs:?}");
        }
        let behind = headers(&[("host", "console:8000"), ("origin", "https://weir.example")]);
        assert!(is_from_here(&behind, "https://weir.example/"));
        assert!(!is_from_here(&behind, "https://weir.example.evil"));
    }

    #[test]
    fn a_link_from_elsewhere_says_nothing_of_what_was_done() {
        assert!(is_led_here(&headers(&[])));
        assert!(is_led_here(&headers(&[("sec-fetch-site", "same-origin")])));
        for site in ["none", "cross-site", "same-site"] {
            assert!(
                !is_led_here(&headers(&[("sec-fetch-site", site)])),
                "{site}"
            );
        }
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let headers = headers(&[("cookie", "a=1; weir-session=abc; weir-theme=dark")]);
        assert_eq!(cookie(&headers, "weir-session"), Some("abc"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(own_path("/a/1?x=2"), Some("/a/1?x=2"));
        for path in ["//evil", "https://evil", "/\\evil", "", "/a\r\nb"] {
            assert_eq!(own_path(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_alike_is_the_same() {
        assert!(is_same("abc", "abc"));
        for other in ["", "ab", "abd", "abcd"] {
            assert!(!is_same(other, "abc"), "{other}");
        }
    }
}
