//! Which list a page goes on with: what was asked, but for the page itself. So a token goes on with
//! the list that gave it, and with no other one's ([`crate::page`]).

use std::collections::HashMap;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Buf;
use http::{Request, Response};
use prost::DecodeError;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use weir_ids::TimedKey;

use super::Answering;
use crate::page::QUESTION;
use crate::unary::{Arrival, PrefixedMessage, missing};

/// The fields of a request that say which page: by the path of its method.
static PAGED: LazyLock<HashMap<&str, [u32; 2]>> =
    LazyLock::new(|| weir_proto::PAGED.iter().copied().collect());

/// A service whose lists know what was asked.
#[derive(Clone)]
pub(super) struct Questions<S>(S);

impl<S> Questions<S> {
    pub fn layer() -> impl tower::Layer<S, Service = Self> + Clone {
        tower::layer::layer_fn(Self)
    }
}

impl<S> Service<Request<Body>> for Questions<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answering<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(paging) = PAGED.get(request.uri().path()) else {
            return Box::pin(self.0.call(request));
        };
        // The clone that was asked whether it is ready is the one that is called.
        let unasked = self.0.clone();
        let mut inner = std::mem::replace(&mut self.0, unasked);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            match arrived(body).await {
                Ok(message) => {
                    // What can't be read is refused where it is decoded.
                    let question = question(head.uri.path(), &message, paging).unwrap_or(0);
                    let start = vec![0; PrefixedMessage::HEAD];
                    let body = Body::new(PrefixedMessage::new(start, message));
                    let answering = inner.call(Request::from_parts(head, body));
                    QUESTION.scope(question, answering).await
                }
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

async fn arrived(body: Body) -> Result<bytes::Bytes, Status> {
    Arrival::of(body)
        .await?
        .whole()
        .ok_or_else(|| missing("request"))
}

/// The same in every process and version, since a list may go on elsewhere.
fn question(path: &str, message: &[u8], paging: &[u32; 2]) -> Result<u32, DecodeError> {
    let (mut asked, mut rest) = (Vec::with_capacity(message.len()), message);
    while rest.has_remaining() {
        let before = rest;
        let (field, wire_type) = decode_key(&mut rest)?;
        skip_field(wire_type, field, &mut rest, DecodeContext::default())?;
        if !paging.contains(&field) {
            asked.extend_from_slice(&before[..before.len() - rest.len()]);
        }
    }
    let hash = TimedKey::new(0, &[path.as_bytes(), &asked]).0.as_u128();
    Ok(hash as u32)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use weir_proto::mapping::v1::ListSourcesRequest;

    use super::*;

    #[test]
    fn another_question_is_another_and_another_page_of_it_is_not() {
        const PATH: &str = "/weir.mapping.v1.MappingService/ListSources";
        let asked = |path: &str, account_id: &str, page_size, page_token: &str| {
            let request = ListSourcesRequest {
                account_id: account_id.into(),
                page_size,
                page_token: page_token.into(),
            };
            question(path, &request.encode_to_vec(), &PAGED[PATH]).unwrap()
        };
        let first = asked(PATH, "a", 0, "");
        assert_eq!(asked(PATH, "a", 7, "token"), first);
        assert_ne!(asked(PATH, "b", 0, ""), first);
        assert_ne!(
            asked("/weir.mapping.v1.MappingService/ListFields", "a", 0, ""),
            first
        );
        assert!(question(PATH, b"\xff", &PAGED[PATH]).is_err());
    }
}
