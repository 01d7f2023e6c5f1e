//! Calls of webhooks.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use uuid::Uuid;

use crate::domain::delivery::Failed;
use crate::domain::news::News;
use crate::domain::webhook::Webhook;

/// From the connection to the head of the answer; whoever has to do more does it later.
const PATIENCE: Duration = Duration::from_secs(10);

/// Calls webhooks, over HTTP or, with the machine's certificates, HTTPS.
#[derive(Clone)]
pub struct Webhooks {
    plain: Client<HttpConnector, Full<Bytes>>,
    /// None where the machine has no certificates.
    secure: Option<Client<HttpsConnector<HttpConnector>, Full<Bytes>>>,
}

impl Webhooks {
    pub fn new() -> Self {
        let secure = HttpsConnectorBuilder::new().with_native_roots();
        let secure = secure.map(|builder| builder.https_only().enable_http1().build());
        if let Err(error) = &secure {
            tracing::warn!(%error, "the machine has no certificates: no webhook can be https");
        }
        let builder = Client::builder(TokioExecutor::new());
        Self {
            plain: builder.build_http(),
            secure: secure.ok().map(|connector| builder.build(connector)),
        }
    }

    /// Tells one. Redirects are not followed, and the answer's body is not read.
    ///
    /// # Errors
    /// Where it was not answered with a 2xx.
    pub async fn call(
        &self,
        id: Uuid,
        news: &News,
        console: &str,
        webhook: &Webhook,
        now: DateTime<Utc>,
    ) -> Result<(), Failed> {
        let body = news.json(console);
        let request = Request::post(&webhook.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("weir/", env!("CARGO_PKG_VERSION")),
            )
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", now.timestamp())
            .header("webhook-signature", webhook.secret.sign(id, now, &body))
            .body(Full::from(body))
            .map_err(|_| Failed::for_good("the URL can't be called"))?;
        let answer = if request.uri().scheme_str() == Some("https") {
            let Some(secure) = &self.secure else {
                return Err(Failed::for_now(
                    "the machine of mapping has no certificates (ca-certificates)",
                ));
            };
            secure.request(request)
        } else {
            self.plain.request(request)
        };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => judge(answer.status()),
            Ok(Err(error)) => Err(Failed::for_now(described(&error))),
            Err(_) => Err(Failed::for_now("no answer within 10 s")),
        }
    }
}

/// As Standard Webhooks has it: 2xx is taken, 410 is never wanted again, all else comes again.
fn judge(status: StatusCode) -> Result<(), Failed> {
    if status.is_success() {
        return Ok(());
    }
    let message = format!("answered {status}");
    Err(match status {
        StatusCode::GONE => Failed::for_good(message),
        _ => Failed::for_now(message),
    })
}

fn described(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_not_called_again() {
        assert!(judge(StatusCode::NO_CONTENT).is_ok());
        assert!(judge(StatusCode::GONE).unwrap_err().for_good);
        for status in [301, 400, 404, 429, 500, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!judge(status).unwrap_err().for_good, "{status}");
        }
    }
}
