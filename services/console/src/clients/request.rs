//! The id of the request that is answered: it goes along with every call that is made for it, and
//! stands in the log lines of all processes that it reaches.

use std::future::Future;

tokio::task_local! {
    static REQUEST: String;
}

/// Answers a request under this id.
pub async fn within_request<T>(id: String, answering: impl Future<Output = T>) -> T {
    REQUEST.scope(id, answering).await
}

/// That of the present request; empty outside of any.
pub fn request_id() -> String {
    REQUEST.try_with(Clone::clone).unwrap_or_default()
}
