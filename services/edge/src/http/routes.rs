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
    use std::collections::BTreeSet;

    use weir_reasons::{About, Reason};

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
        let there: BTreeSet<(&str, &str)> = Route::ALL
            .into_iter()
            .map(|route| {
                let (path, methods) = route.path();
                let method = match methods {
                    Methods::Get => "get",
                    Methods::Post => "post",
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
