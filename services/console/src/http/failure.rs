//! What a page comes to that can't be shown.

use ::http::StatusCode;
use askama::Template;
use axum::response::Response;

use super::frame::Frame;
use super::resend::Sent;
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
    /// What did not come to what it was sent for.
    sent: Option<Sent>,
}

impl Visit {
    /// The whole of a page that has nothing else to show.
    pub async fn failed(&self, section: &'static str, trouble: Trouble) -> Response {
        let is_form = !self.sent.pairs().is_empty();
        if trouble == Trouble::SignedOut {
            return match is_form {
                true => sign_in::ask_for(&self.app, &self.path, &self.sent, self.theme),
                false => sign_in::ask(&self.path),
            };
        }
        let heading = match &trouble {
            Trouble::Forbidden { .. } if is_form => "You may not do this",
            Trouble::Forbidden { .. } => "You may not see this",
            Trouble::Missing { .. } => "There is nothing here",
            Trouble::Away { .. } | Trouble::Late { .. } => "Something is away",
            Trouble::Failed { .. } => "Something went wrong",
            _ => "That did not work",
        };
        let status = trouble.status();
        let mut frame = match &trouble {
            // It was waited for once.
            Trouble::Away { service } | Trouble::Late { service } if *service == "mapping" => {
                self.frame_of_address(heading, section)
            }
            _ => self.frame(heading, section).await,
        };
        let mut says = trouble.says();
        if frame.trouble == says {
            frame.trouble.clear();
        }
        if !is_form && matches!(trouble, Trouble::Forbidden { .. }) {
            says = says.replacen("do this", "see this", 1);
        }
        let page = FailurePage {
            sent: (is_form && status >= 500).then(|| Sent::of(&self.sent)),
            says,
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

    /// What the page of a form says of why it was not done. What nobody mends by writing something
    /// else is a page of its own, with the form kept where it may go well later.
    pub async fn told(&self, section: &'static str, trouble: Trouble) -> Result<String, Response> {
        match trouble {
            Trouble::Invalid(_) | Trouble::Refused { .. } | Trouble::Missing { .. } => {
                Ok(trouble.says())
            }
            trouble => Err(self.failed(section, trouble).await),
        }
    }

    /// In the place of a page that is for a higher role alone: nobody fills in what is refused.
    pub async fn not_for_this_role(&self, section: &'static str, takes: &str) -> Response {
        let says = format!("it takes the role {takes}, and yours is {}", self.me.role);
        self.failed(section, Trouble::Forbidden { says }).await
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
