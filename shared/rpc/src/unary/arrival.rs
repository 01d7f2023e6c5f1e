//! Reading the one message of a call from its body.

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use tonic::Status;
use tower::BoxError;

use super::{PrefixedMessage, status_in};
use crate::MAX_MESSAGE;

const HEAD: usize = PrefixedMessage::HEAD;

/// What a body brought.
pub(crate) struct Arrival {
    /// The message in the pieces in which it came; none where none came.
    message: Option<Vec<Bytes>>,
    /// Empty where none came.
    pub trailers: HeaderMap,
}

impl Arrival {
    /// Takes a body in, to its end.
    pub async fn of<B>(mut body: B) -> Result<Self, Status>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let mut pieces = Pieces::default();
        let mut trailers = HeaderMap::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Status::from_error(error.into()))?;
            match frame.into_data() {
                Ok(data) => pieces.add(data)?,
                Err(other) => trailers.extend(other.into_trailers().unwrap_or_default()),
            }
        }
        Ok(Self {
            message: pieces.finish()?,
            trailers,
        })
    }

    /// Takes an answer in. None where it does not say how it ended.
    ///
    /// # Errors
    /// As it says, or where it breaks off.
    pub async fn answered<B>(headers: &HeaderMap, body: B) -> Result<Option<Self>, Status>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        // One without a message has its status in front.
        status_in(headers).unwrap_or(Ok(()))?;
        let arrival = Self::of(body).await?;
        let ended = status_in(&arrival.trailers).transpose()?;
        Ok(ended.map(|()| arrival))
    }

    /// The message as it is on the wire; none where none came.
    pub fn whole(self) -> Option<Bytes> {
        let mut pieces = self.message?;
        Some(match pieces.len() {
            1 => pieces.remove(0),
            _ => pieces.concat().into(),
        })
    }

    /// The message as it is on the wire, and what came behind it; none where none came.
    pub fn parted(mut self) -> Option<(Bytes, HeaderMap)> {
        let trailers = std::mem::take(&mut self.trailers);
        Some((self.whole()?, trailers))
    }

    /// `of` says in the error of whom a message is missing.
    pub fn decode<M: prost::Message + Default>(self, of: &str) -> Result<M, Status> {
        let pieces = self.message.ok_or_else(|| missing(of))?;
        let undecodable =
            |error| Status::internal(format!("the {of}'s message can't be decoded: {error}"));
        if let [_, _, ..] = &pieces[..] {
            // One field after the other is the same as all at once. Our own messages are
            // parted between two fields; others need not be.
            if let Ok(message) = merge(&pieces) {
                return Ok(message);
            }
            return M::decode(Bytes::from(pieces.concat())).map_err(undecodable);
        }
        merge(&pieces).map_err(undecodable)
    }
}

/// `of` is what has no message.
pub(crate) fn missing(of: &str) -> Status {
    Status::internal(format!("the {of} has no message"))
}

fn merge<M: prost::Message + Default>(pieces: &[Bytes]) -> Result<M, prost::DecodeError> {
    let mut message = M::default();
    for piece in pieces {
        message.merge(piece.clone())?;
    }
    Ok(message)
}

/// A message that comes in.
#[derive(Default)]
struct Pieces {
    head: [u8; HEAD],
    /// How much of the head is there.
    known: usize,
    pieces: Vec<Bytes>,
    received: usize,
}

impl Pieces {
    fn add(&mut self, mut data: Bytes) -> Result<(), Status> {
        let head = data.split_to(data.len().min(HEAD - self.known));
        self.head[self.known..self.known + head.len()].copy_from_slice(&head);
        self.known += head.len();
        if self.known < HEAD {
            return Ok(());
        }
        let length = self.length();
        if self.head[0] != 0 {
            return Err(Status::unimplemented(
                "messages of this method are not taken compressed",
            ));
        }
        if length > MAX_MESSAGE {
            return Err(Status::out_of_range(format!(
                "a message of {length} bytes; at most {MAX_MESSAGE} are taken"
            )));
        }
        self.received += data.len();
        if self.received > length {
            return Err(Status::internal(
                "more than the one message of a unary call",
            ));
        }
        if !data.is_empty() {
            self.pieces.push(data);
        }
        Ok(())
    }

    fn length(&self) -> usize {
        let [_, length @ ..] = self.head;
        u32::from_be_bytes(length) as usize
    }

    fn finish(self) -> Result<Option<Vec<Bytes>>, Status> {
        match self.known {
            0 => Ok(None),
            HEAD if self.received == self.length() => Ok(Some(self.pieces)),
            _ => Err(Status::internal("the message ended before its length")),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Frame;
    use http_body_util::StreamBody;
    use proptest::prelude::*;
    use prost::Message;
    use prost_types::FileDescriptorProto;
    use tonic::Code;
    use tonic::body::Body;

    use super::*;

    /// A message of several fields, some of them messages.
    fn message() -> FileDescriptorProto {
        FileDescriptorProto {
            name: Some("a name of more than a few bytes".to_owned()),
            package: Some("package".to_owned()),
            dependency: ["one", "two", "three"].map(str::to_owned).to_vec(),
            message_type: vec![prost_types::DescriptorProto {
                name: Some("Inner".to_owned()),
                ..Default::default()
            }],
            public_dependency: vec![1, 300, 70_000],
            ..Default::default()
        }
    }

    fn body(frames: Vec<Bytes>) -> Body {
        let frames = frames
            .into_iter()
            .map(|data| Ok::<_, Status>(Frame::data(data)));
        Body::new(StreamBody::new(tokio_stream::iter(frames)))
    }

    async fn framed(message: &FileDescriptorProto) -> Bytes {
        let message = PrefixedMessage::encode(message);
        message.collect().await.unwrap().to_bytes()
    }

    async fn arrived(frames: Vec<Bytes>) -> Result<FileDescriptorProto, Status> {
        Arrival::of(body(frames)).await?.decode("request")
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(future)
    }

    proptest! {
        #[test]
        fn a_message_is_the_same_wherever_it_is_cut(
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let whole = block_on(framed(&message()));
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
            places.sort_unstable();
            let mut rest = whole.clone();
            let mut frames = Vec::new();
            for place in places {
                let taken = whole.len() - rest.len();
                frames.push(rest.split_to(place - taken));
            }
            frames.push(rest);
            prop_assert_eq!(block_on(arrived(frames)).unwrap(), message());
        }

        #[test]
        fn a_message_that_is_cut_short_is_none(end in any::<prop::sample::Index>()) {
            let whole = block_on(framed(&message()));
            let end = end.index(whole.len());
            let error = block_on(arrived(vec![whole.slice(..end)])).unwrap_err();
            prop_assert_eq!(error.code(), Code::Internal);
        }
    }

    #[tokio::test]
    async fn an_empty_message_is_one() {
        let empty = FileDescriptorProto::default();
        assert_eq!(empty.encoded_len(), 0);
        assert_eq!(arrived(vec![framed(&empty).await]).await.unwrap(), empty);
    }

    #[tokio::test]
    async fn what_is_no_single_message_is_refused() {
        let whole = framed(&message()).await;
        let twice = [&whole[..], &whole[..]].concat().into();
        let mut compressed = whole.to_vec();
        compressed[0] = 1;
        let mut large = whole.to_vec();
        large[1..HEAD].copy_from_slice(&(MAX_MESSAGE as u32 + 1).to_be_bytes());
        let garbled = [&[0, 0, 0, 0, 3][..], &[0xff; 3]].concat().into();
        for (frames, code) in [
            (vec![], Code::Internal),
            (vec![twice], Code::Internal),
            (vec![whole.clone(), whole], Code::Internal),
            (vec![compressed.into()], Code::Unimplemented),
            (vec![large.into()], Code::OutOfRange),
            (vec![garbled], Code::Internal),
        ] {
            assert_eq!(arrived(frames).await.unwrap_err().code(), code);
        }
    }
}
