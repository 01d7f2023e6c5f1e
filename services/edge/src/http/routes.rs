//! Paths and methods.

use ::http::Method;

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
}

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
        }
    }
}

/// The route of a request.
///
/// # Errors
/// 404 for the path, or 405 for the method.
pub fn find(method: &Method, path: &str) -> Result<Route, Problem> {
    for route in Route::ALL {
        let (its_path, methods) = route.path();
        if its_path == path {
            return if methods.allows(method) {
                Ok(route)
            } else {
                Err(Problem::method_not_allowed(methods))
            };
        }
    }
    Err(Problem::no_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_takes_its_methods_alone() {
        let found = |method: &str, path| find(&method.parse().unwrap(), path);
        assert_eq!(
            found("PUT", "/v1/audiences/members").unwrap(),
            Route::Batch(Kind::Member)
        );
        assert_eq!(found("HEAD", "/healthz").unwrap(), Route::Health);
        assert!(found("GET", "/v1/identify").is_err());
        assert!(found("POST", "/v1/identify/").is_err());
    }
}
