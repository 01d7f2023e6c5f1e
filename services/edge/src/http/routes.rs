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
    pub const ALL: [Self; 9] = [
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

    pub fn path(self) -> (&'static str, Methods) {
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
}
