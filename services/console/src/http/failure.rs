//! What a page comes to that can't be shown.

use ::http::StatusCode;
use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::visit::Visit;
use super::{respond, sign_in};
use crate::clients::request_id;
use crate::domain::Trouble;

/// A page, or why there is none.
pub type Page = Result<Response, Response>;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    frame: Frame,
    heading: &'static str,
    says: String,
    status: u16,
    /// Where it is ours to mend.
    request: String,
}

impl Visit {
    /// The whole of a page that has nothing else to show.
    pub async fn failed(&self, section: &'static str, trouble: Trouble) -> Response {
        if trouble == Trouble::SignedOut {
            return sign_in::ask(&self.path);
        }
        let heading = match &trouble {
            Trouble::Forbidden { .. } => "You may not see this",
            Trouble::Missing { .. } => "There is nothing here",
            Trouble::Away { .. } => "Something is away",
            Trouble::Failed { .. } => "Something went wrong",
            _ => "That did not work",
        };
        let status = trouble.status();
        let frame = self.frame(heading, section).await;
        let page = FailurePage {
            says: trouble.says(),
            request: if status >= 500 {
                request_id()
            } else {
                String::new()
            },
            frame,
            heading,
            status,
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        respond::with_status(status, &page)
    }

    /// What is needed for the page to be one at all.
    pub async fn need<T>(
        &self,
        section: &'static str,
        answer: Result<T, Trouble>,
    ) -> Result<T, Response> {
        match answer {
            Ok(value) => Ok(value),
            Err(trouble) => Err(self.failed(section, trouble).await),
        }
    }
}

/// A part of a page that may be missing: the value, and what to say instead.
pub struct Part<T> {
    pub value: Option<T>,
    pub trouble: String,
}

impl<T> From<Result<T, Trouble>> for Part<T> {
    fn from(answer: Result<T, Trouble>) -> Self {
        match answer {
            Ok(value) => Self {
                value: Some(value),
                trouble: String::new(),
            },
            Err(trouble) => Self {
                value: None,
                trouble: trouble.says(),
            },
        }
    }
}
