//! The request that is answered: its id goes along with every call that is made for it, and stands
//! in the log lines of all processes that it reaches; and whether one of those calls was not for
//! whoever asked.

use std::cell::Cell;
use std::future::Future;

struct Request {
    id: String,
    was_forbidden: Cell<bool>,
}

tokio::task_local! {
    static REQUEST: Request;
}

/// Answers a request under this id; with whether a call for it was forbidden.
pub async fn within_request<T>(id: String, answering: impl Future<Output = T>) -> (T, bool) {
    let request = Request {
        id,
        was_forbidden: Cell::new(false),
    };
    let answering = async {
        let answer = answering.await;
        let was_forbidden = REQUEST.try_with(|request| request.was_forbidden.get());
        (answer, was_forbidden.unwrap_or(false))
    };
    REQUEST.scope(request, answering).await
}

/// That of the present request; empty outside of any.
pub fn request_id() -> String {
    let id = REQUEST.try_with(|request| request.id.clone());
    id.unwrap_or_default()
}

/// A call of the present request was not for whoever asked.
pub(super) fn note_forbidden() {
    // Outside of any there is no answer that would say so.
    let _ = REQUEST.try_with(|request| request.was_forbidden.set(true));
}
