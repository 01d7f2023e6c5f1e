//! HTTP to what is no service of ours, or speaks no gRPC.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Clones share connections.
#[derive(Clone)]
pub struct Web {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// None where this machine knows no authority.
    secure: Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl Web {
    pub fn new() -> Self {
        let secure = HttpsConnectorBuilder::new().with_native_roots();
        let secure = secure.map(|builder| builder.https_only().enable_http1().build());
        let builder = Client::builder(TokioExecutor::new());
        Self {
            plain: builder.build_http(),
            secure: secure.ok().map(|connector| builder.build(connector)),
        }
    }

    /// # Errors
    /// Why there is no answer, for the log.
    pub async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<hyper::body::Incoming>, String> {
        let is_secure = request.uri().scheme_str() == Some("https");
        let answer = match (&self.secure, is_secure) {
            (Some(secure), true) => secure.request(request).await,
            (None, true) => return Err("this machine has no certificates".to_owned()),
            (_, false) => self.plain.request(request).await,
        };
        answer.map_err(|error| error.to_string())
    }
}
