//! What calls of a person show.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// A page that takes longer is of no use.
const PATIENCE: Duration = Duration::from_secs(8);

/// Goes along with every call. Not shown by `Debug`.
#[derive(Clone)]
pub struct Shown(MetadataValue<Ascii>);

impl Shown {
    /// One that would not go into a header is nobody's.
    pub fn token(text: &str) -> Self {
        let value = format!("Bearer {text}").parse();
        let mut value = value.unwrap_or_else(|_| MetadataValue::from_static("Bearer -"));
        value.set_sensitive(true);
        Self(value)
    }
}

impl Interceptor for Shown {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let shown = self.0.clone();
        request.metadata_mut().insert("authorization", shown);
        if let Ok(id) = super::request_id().parse() {
            request.metadata_mut().insert(weir_rpc::REQUEST_ID, id);
        }
        Ok(request)
    }
}

/// A call with a deadline.
pub fn ask<T>(message: T) -> Request<T> {
    within(message, PATIENCE)
}

/// As [`ask`], of what may take longer.
pub fn within<T>(message: T, patience: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(patience);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    // Semantics 9.2.
    #[test]
    fn every_call_shows_something_of_the_person() {
        for (token, shown) in [
            ("weir_secret", "Bearer weir_secret"),
            // Never nothing: what is not shown would be filled in with the console's own.
            ("two\nlines", "Bearer -"),
            ("", "Bearer "),
        ] {
            let request = Shown::token(token).call(Request::new(())).unwrap();
            let sent = request.metadata().get("authorization").unwrap();
            assert_eq!(sent, shown);
        }
    }
}
