//! Paths and methods.

use ::http::Method;

use super::classic::Endpoint;
use super::methods::Methods;
use super::problem::Problem;
use crate::domain::envelope::Kind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    Me,
    Batch(Kind),
    CreateAudience,
    GetAudience,
    Health,
    Ready,
    Description,
    Classic(Endpoint),
}

/// Which listener a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    Main,
    /// Takes the events of classic sources where SDKs send them.
    Classic,
}

/// Where the main listener has what the classic one has at its root.
const CLASSIC: &str = "/classic";

impl Route {
    const ALL: [Self; 9] = [
        Self::Me,
        Self::Batch(Kind::Identify),
        Self::Batch(Kind::Track),
        Self::Batch(Kind::Member),
        Self::CreateAudience,
        Self::GetAudience,
        Self::Health,
        Self::Ready,
        Self::Description,
    ];

    /// For metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Batch(Kind::Identify) => "identify",
            Self::Batch(Kind::Member) => "audiences_members",
            Self::Batch(Kind::Track) => "track",
            Self::CreateAudience => "audiences_create",
            Self::GetAudience => "audiences_get",
            Self::Health => "healthz",
            Self::Ready => "readyz",
            Self::Description => "openapi",
            Self::Classic(endpoint) => endpoint.name(),
        }
    }

    fn path(self) -> (&'static str, Methods) {
        match self {
            Self::Me => ("/v1/me", Methods::Get),
            Self::Batch(Kind::Identify) => ("/v1/identify", Methods::Post),
            Self::Batch(Kind::Track) => ("/v1/track", Methods::Post),
            Self::Batch(Kind::Member) => ("/v1/audiences/members", Methods::Put),
            Self::CreateAudience => ("/v1/audiences/create", Methods::Post),
            Self::GetAudience => ("/v1/audiences/get", Methods::Post),
            Self::Health => ("/healthz", Methods::Get),
            Self::Ready => ("/readyz", Methods::Get),
            Self::Description => ("/openapi.json", Methods::Get),
            Self::Classic(endpoint) => ("/classic/v1/…", endpoint.methods()),
        }
    }
}

/// The route of a request.
///
/// # Errors
/// 404 for the path, or 405 for the method.
pub fn find(listener: Listener, method: &Method, path: &str) -> Result<Route, Problem> {
    let route = named(listener, path).ok_or_else(Problem::no_path)?;
    let (_, methods) = route.path();
    if methods.allows(method) {
        Ok(route)
    } else {
        Err(Problem::method_not_allowed(methods))
    }
}

fn named(listener: Listener, path: &str) -> Option<Route> {
    let classic = match path.strip_prefix(CLASSIC) {
        None if listener == Listener::Classic => Some(path),
        stripped => stripped,
    };
    if let Some(endpoint) = classic.and_then(Endpoint::named) {
        return Some(Route::Classic(endpoint));
    }
    let mut all = Route::ALL.into_iter();
    let is_there = |route: &Route| match listener {
        Listener::Main => true,
        Listener::Classic => matches!(route, Route::Health | Route::Ready),
    };
    all.find(|route| route.path().0 == path && is_there(route))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use weir_reasons::{About, Reason};

    use super::*;

    #[test]
    fn a_path_takes_its_methods_alone() {
        let found = |method: &str, path| find(Listener::Main, &method.parse().unwrap(), path);
        assert_eq!(
            found("PUT", "/v1/audiences/members").unwrap(),
            Route::Batch(Kind::Member)
        );
        assert_eq!(found("HEAD", "/healthz").unwrap(), Route::Health);
        assert!(found("GET", "/v1/identify").is_err());
        assert!(found("POST", "/v1/identify/").is_err());
    }

    #[test]
    fn the_classic_listener_has_at_its_root_what_the_main_one_has_below_classic() {
        let post = Method::POST;
        let identify = find(Listener::Classic, &post, "/v1/identify").unwrap();
        assert_ne!(
            identify,
            find(Listener::Main, &post, "/v1/identify").unwrap()
        );
        for path in ["/v1/identify", "/v1/i", "/classic/v1/i"] {
            assert_eq!(
                find(Listener::Classic, &post, path).unwrap(),
                identify,
                "{path}"
            );
        }
        for path in ["/classic/v1/identify", "/classic/v1/i"] {
            assert_eq!(
                find(Listener::Main, &post, path).unwrap(),
                identify,
                "{path}"
            );
        }
        let options = Method::OPTIONS;
        assert!(find(Listener::Classic, &options, "/v1/t").is_ok());
        assert!(find(Listener::Main, &options, "/v1/track").is_err());
        for path in [
            "/v1/me",
            "/v1/audiences/create",
            "/openapi.json",
            "/v1/x",
            "/v1/",
        ] {
            assert!(find(Listener::Classic, &post, path).is_err(), "{path}");
        }
        assert!(find(Listener::Main, &post, "/v1/t").is_err());
        assert!(find(Listener::Classic, &Method::GET, "/readyz").is_ok());
    }

    #[test]
    fn the_description_describes_every_path_and_no_other() {
        let text = include_str!("../../openapi.json");
        let description: serde_json::Value = serde_json::from_str(text).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let described: BTreeSet<(&str, &str)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| (path.as_str(), method.as_str()))
            })
            .collect();
        let there = Route::ALL.into_iter().map(Route::path);
        // The letters that stand for these are told of in words.
        let classic = Endpoint::DESCRIBED
            .into_iter()
            .map(|(path, endpoint)| (path, endpoint.methods()));
        let there: BTreeSet<(&str, &str)> = there
            .chain(classic)
            .map(|(path, methods)| {
                let method = match methods {
                    Methods::Get | Methods::GetFromPages => "get",
                    Methods::Post | Methods::PostFromPages => "post",
                    Methods::Put => "put",
                };
                (path, method)
            })
            .collect();
        assert_eq!(described, there);
    }

    #[test]
    fn the_description_knows_every_reason_of_an_event() {
        let text = include_str!("../../openapi.json");
        let description: serde_json::Value = serde_json::from_str(text).unwrap();
        let codes = &description["components"]["schemas"]["Outcome"]["properties"]["code"]["enum"];
        let described: BTreeSet<Reason> = codes
            .as_array()
            .unwrap()
            .iter()
            .map(|code| Reason::of_code(code.as_str().unwrap()).unwrap())
            .collect();
        for reason in Reason::ALL {
            let is_there = described.contains(reason);
            match reason.about() {
                About::Event => assert!(is_there, "{reason}"),
                About::Row | About::Call => assert!(!is_there, "{reason}"),
                // An identify may be refused for a value that was ignored.
                About::Value => {}
            }
        }
    }
}
