//! How the edge is called: HTTP/1.1, plainly or by TLS.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use weir_stack::Reach;

pub type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

pub fn client(reach: &Reach) -> Http {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(reach.config())
        .https_or_http()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}
