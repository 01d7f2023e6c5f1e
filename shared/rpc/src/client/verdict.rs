//! What came of a try, as far as others go: whether it was begun, and whether the replica is
//! well.

use std::error::Error;

use tonic::{Code, Status};

/// What came of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The replica did what was asked, or said why not.
    Answered,
    /// The replica says that it can't serve.
    Unavailable,
    /// The replica does not know the method, and did nothing.
    Unknown,
    /// There was no connection, and none could be made; nothing was sent.
    Unreached,
    /// The connection was closed before the call was sent, or the replica refused it unread.
    Unbegun,
    /// The connection broke, or did not answer; what was done is not known.
    Broken,
    /// It was given up on this side.
    GivenUp,
}

impl Verdict {
    pub fn of(sent: &Result<http::Response<tonic::body::Body>, tonic::transport::Error>) -> Self {
        match sent {
            Ok(response) => Self::of_answer(response.headers()),
            Err(error) => Self::of_error(error),
        }
    }

    /// An error that is told at once stands in front.
    fn of_answer(headers: &http::HeaderMap) -> Self {
        let status = headers.get(Status::GRPC_STATUS);
        match status.map(|code| Code::from_bytes(code.as_bytes())) {
            Some(Code::Unavailable) => Self::Unavailable,
            Some(Code::Unimplemented) => Self::Unknown,
            _ => Self::Answered,
        }
    }

    fn of_error(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<tonic::ConnectError>() {
                return Self::Unreached;
            }
            if error.is::<tonic::TimeoutExpired>() {
                return Self::GivenUp;
            }
            if let Some(error) = error.downcast_ref::<hyper::Error>()
                && error.is_canceled()
            {
                return Self::Unbegun;
            }
            if let Some(error) = error.downcast_ref::<h2::Error>() {
                let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
                    // Streams behind the last one that it says it has read.
                    || error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
                if refused && error.is_remote() {
                    return Self::Unbegun;
                }
            }
            next = error.source();
        }
        Self::Broken
    }
}
