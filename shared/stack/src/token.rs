//! What whoever calls a service shows.

use anyhow::anyhow;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};

use crate::Reached;

/// A connection whose calls show a token.
pub type Channel = InterceptedService<Reached, Shown>;

/// Goes along with every call. Not shown by `Debug`.
#[derive(Clone, Default)]
pub struct Shown(Option<MetadataValue<Ascii>>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shown")
    }
}

impl Shown {
    /// An empty one is none.
    ///
    /// # Errors
    /// It would not go into a header.
    pub fn token(text: &str) -> anyhow::Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let value = format!("Bearer {text}").parse();
        let mut value: MetadataValue<Ascii> =
            value.map_err(|_| anyhow!("a token has visible ASCII characters only"))?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }

    /// With every call of this connection.
    pub fn by(self, channel: impl Into<Reached>) -> Channel {
        InterceptedService::new(channel.into(), self)
    }
}

impl Interceptor for Shown {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_along_and_is_not_shown() {
        let mut shown = Shown::token("weir_secret").unwrap();
        let request = shown.call(Request::new(())).unwrap();
        let sent = request.metadata().get("authorization");
        assert_eq!(sent.unwrap(), "Bearer weir_secret");
        assert!(!format!("{shown:?}{request:?}").contains("secret"));
        let none = Shown::token("").unwrap().call(Request::new(())).unwrap();
        assert!(none.metadata().is_empty());
        assert!(Shown::token("two\nlines").is_err());
    }
}
