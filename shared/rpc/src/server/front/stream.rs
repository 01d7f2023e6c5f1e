//! The many messages of an answer, each in an envelope, and how it ended in the last of them.

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value, json};
use tonic::Status;
use tonic::body::Body;

use super::answer;
use super::body::HEAD;
use super::media::Form;
use crate::MAX_MESSAGE;
use crate::error::internal;
use crate::unary::status_in;

/// The flag of the last envelope.
const END: u8 = 0b10;

/// A gRPC answer in another dress, message by message as they come.
pub(super) fn of(answer: Response<Body>, form: Form, kind: MessageDescriptor) -> Response<Body> {
    let (parts, body) = answer.into_parts();
    let ended = status_in(&parts.headers);
    let messages = Messages {
        body,
        form,
        kind,
        buffer: BytesMut::new(),
        ended: ended.map(|how| last(how, parts.headers.clone())),
        is_over: false,
    };
    let envelopes = stream::unfold(messages, |mut messages| async move {
        let envelope = messages.next().await?;
        Some((Ok::<_, Status>(Frame::data(envelope)), messages))
    });
    let mut response = Response::new(Body::new(StreamBody::new(envelopes)));
    for (name, value) in answer::kept(parts.headers) {
        response.headers_mut().append(name, value);
    }
    let media = HeaderValue::from_static(form.stream_media());
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

struct Messages {
    body: Body,
    form: Form,
    kind: MessageDescriptor,
    /// What came, and is no whole message yet.
    buffer: BytesMut,
    /// The last envelope, once it is known.
    ended: Option<Bytes>,
    is_over: bool,
}

impl Messages {
    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            match self.message().await {
                Ok(Some(envelope)) => return Some(envelope),
                Ok(None) => {}
                Err(status) => self.ended = Some(last(Err(status), HeaderMap::new())),
            }
            if let Some(end) = self.ended.take() {
                self.is_over = true;
                return Some(end);
            }
            match self.body.frame().await.transpose() {
                Ok(Some(frame)) => self.take(frame),
                // Without a word of how it ended.
                Ok(None) => self.ended = Some(last(Err(internal()), HeaderMap::new())),
                Err(status) => self.ended = Some(last(Err(status), HeaderMap::new())),
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) {
        match frame.into_data() {
            Ok(data) => self.buffer.extend_from_slice(&data),
            Err(other) => {
                let trailers = other.into_trailers().unwrap_or_default();
                let how = status_in(&trailers).unwrap_or_else(|| Err(internal()));
                self.ended = Some(last(how, trailers));
            }
        }
    }

    /// The next whole message, in its envelope.
    async fn message(&mut self) -> Result<Option<Bytes>, Status> {
        let Some((&[flags, length @ ..], _)) = self.buffer.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(length) as usize;
        if flags != 0 || length > MAX_MESSAGE {
            return Err(internal());
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        let whole = self.buffer.split_to(HEAD + length).freeze();
        match self.form {
            // Both have the same head.
            Form::Proto => Ok(Some(whole)),
            Form::Json => {
                let json = answer::as_json(whole.slice(HEAD..), self.kind.clone()).await?;
                Ok(Some(enveloped(0, &json)))
            }
        }
    }
}

/// How it ended, and what the service said at the end.
fn last(how: Result<(), Status>, trailers: HeaderMap) -> Bytes {
    let mut end = Map::new();
    if let Err(status) = how {
        end.insert("error".to_owned(), weir_protojson::error(&status));
    }
    let mut metadata = Map::new();
    for (name, value) in answer::kept(trailers) {
        let values = metadata.entry(name.as_str()).or_insert_with(|| json!([]));
        if let (Some(values), Ok(value)) = (values.as_array_mut(), value.to_str()) {
            values.push(value.into());
        }
    }
    if !metadata.is_empty() {
        end.insert("metadata".to_owned(), metadata.into());
    }
    enveloped(END, Value::from(end).to_string().as_bytes())
}

fn enveloped(flags: u8, message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut envelope = Vec::with_capacity(HEAD + message.len());
    envelope.push(flags);
    envelope.extend_from_slice(&length.to_be_bytes());
    envelope.extend_from_slice(message);
    envelope.into()
}
