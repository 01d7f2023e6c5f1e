//! Paths and methods.

use ::http::Method;

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
}

impl Route {
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
        }
    }
}

/// The route of a request.
///
/// # Errors
/// 404 for the path, or 405 for the method.
pub fn find(method: &Method, path: &str) -> Result<Route, Problem> {
    let (route, allowed) = match path {
        "/v1/me" => (Route::Me, "GET, HEAD"),
        "/v1/identify" => (Route::Batch(Kind::Identify), "POST"),
        "/v1/track" => (Route::Batch(Kind::Track), "POST"),
        "/v1/audiences/members" => (Route::Batch(Kind::Member), "PUT"),
        "/v1/audiences/create" => (Route::CreateAudience, "POST"),
        "/v1/audiences/get" => (Route::GetAudience, "POST"),
        "/healthz" => (Route::Health, "GET, HEAD"),
        "/readyz" => (Route::Ready, "GET, HEAD"),
        _ => return Err(Problem::not_found("there is nothing at this path")),
    };
    if allowed.split(", ").any(|one| one == method.as_str()) {
        Ok(route)
    } else {
        Err(Problem::method_not_allowed(allowed))
    }
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
