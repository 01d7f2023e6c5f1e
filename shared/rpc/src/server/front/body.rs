//! A body in another dress, which becomes the message of a gRPC call once somebody reads it.

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use futures_util::{TryStreamExt, stream};
use http::Request;
use http::header::EXPECT;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use prost_reflect::MessageDescriptor;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::body::Body;
use tonic::{Code, Status};
use weir_protojson::Fault;
use weir_reasons::Reason;

use super::media::Form;
use crate::error::{internal, invalid, late, refused};
use crate::{Deadline, MAX_MESSAGE, PrefixedMessage};

/// The largest body that is JSON, unpacked: what a batch has at the edge, too.
const MAX_JSON: usize = 16 * 1024 * 1024;
/// What stands in front of a message: one byte of flags, four of its length.
pub(super) const HEAD: usize = PrefixedMessage::HEAD;

/// Bodies that are being read are counted in these, so that a body of nothing has a price, too.
const UNIT: usize = 1024;
/// For the bodies of all calls that are being read, in units: two of the largest. A message made
/// of JSON takes many times its memory until it is on its way.
pub(super) const ROOM: usize = 2 * MAX_MESSAGE / UNIT;
/// What is larger than this is not made on a thread that other calls wait for.
pub(super) const LARGE: usize = 64 * 1024;
/// A packed body is unpacked in pieces of at most this.
const PIECE: usize = 16 * 1024;
/// A packed body may be several, one behind the other. Each costs as much as some KiB, also where
/// nothing is in it.
const MOST_MEMBERS: usize = 1_000;

/// How long a body may take that holds room meanwhile, whatever its caller has time for.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// How a body is to be read.
pub(super) struct Reading {
    pub form: Form,
    pub is_gzip: bool,
    /// The message has flags and a length in front.
    pub in_envelope: bool,
    pub input: MessageDescriptor,
    pub deadline: Deadline,
    /// Of all bodies.
    pub room: Arc<Semaphore>,
}

impl Reading {
    /// At most so many bytes, packed or not.
    pub fn limit(form: Form) -> usize {
        match form {
            Form::Json => MAX_JSON,
            Form::Proto => MAX_MESSAGE,
        }
    }

    /// As gRPC has it. Nothing is read before somebody asks for it.
    pub fn of(self, body: Body) -> Body {
        let message = stream::once(Box::pin(self.message(body)));
        let frames = message.map_ok(|message| stream::iter(message.pieces().map(framed)));
        Body::new(StreamBody::new(frames.try_flatten()))
    }

    async fn message(self, body: Body) -> Result<PrefixedMessage, Status> {
        let collected = collect(body, Self::limit(self.form), &self.room);
        let remaining = self.deadline.remaining().min(READ_WITHIN);
        let (bytes, taken) = tokio::time::timeout(remaining, collected)
            .await
            .map_err(|_| late())??;
        let is_quick = bytes.len() < LARGE && !self.is_gzip;
        // The room is held until the message is made.
        let make = move || self.make(bytes, taken);
        if is_quick {
            return make();
        }
        let made = tokio::task::spawn_blocking(make).await;
        made.map_err(|_| internal())?
    }

    fn make(
        &self,
        mut bytes: Bytes,
        mut taken: OwnedSemaphorePermit,
    ) -> Result<PrefixedMessage, Status> {
        if self.is_gzip {
            bytes = unpacked(&bytes, Self::limit(self.form), &mut taken)?;
        }
        if self.in_envelope {
            bytes = enveloped(bytes)?;
        }
        match self.form {
            Form::Proto => Ok(PrefixedMessage::new(vec![0; HEAD], bytes)),
            Form::Json => {
                let message =
                    weir_protojson::read(&bytes, &self.input).map_err(|why| told(&why))?;
                Ok(PrefixedMessage::encode(&message))
            }
        }
    }
}

fn framed(piece: Bytes) -> Result<Frame<Bytes>, Status> {
    Ok(Frame::data(piece))
}

/// The whole of a body, and the room that it takes.
async fn collect(
    mut body: Body,
    limit: usize,
    room: &Arc<Semaphore>,
) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
    let mut taken = Arc::clone(room).try_acquire_owned().map_err(|_| full())?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Status::from_error(error.into()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(too_large(limit));
        }
        take(&mut taken, bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.freeze(), taken))
}

/// Takes what is missing of the room for so many bytes.
fn take(taken: &mut OwnedSemaphorePermit, bytes: usize) -> Result<(), Status> {
    let missing = bytes.div_ceil(UNIT).saturating_sub(taken.num_permits());
    let missing = u32::try_from(missing).map_err(|_| full())?;
    let more = Arc::clone(taken.semaphore()).try_acquire_many_owned(missing);
    taken.merge(more.map_err(|_| full())?);
    Ok(())
}

fn full() -> Status {
    let message = "more bodies are being read than there is room for";
    refused(Code::ResourceExhausted, Reason::Overloaded, message)
}

pub(super) fn too_large(limit: usize) -> Status {
    let message = format!("at most {} MiB are taken", limit / (1024 * 1024));
    refused(Code::ResourceExhausted, Reason::MessageTooLarge, message)
}

/// Piece by piece, each of which finds room before it is kept, beside what is packed: a body of
/// some KiB may be thousands of times as large.
fn unpacked(bytes: &[u8], limit: usize, taken: &mut OwnedSemaphorePermit) -> Result<Bytes, Status> {
    let (mut unpacked, mut piece) = (BytesMut::new(), vec![0; PIECE]);
    let mut rest = bytes;
    for _ in 0..MOST_MEMBERS {
        let mut decoder = GzDecoder::new(rest);
        loop {
            let length = decoder
                .read(&mut piece)
                .map_err(|_| unreadable("the body is not gzip"))?;
            if length == 0 {
                break;
            }
            if length > limit - unpacked.len() {
                return Err(too_large(limit));
            }
            take(taken, bytes.len() + unpacked.len() + length)?;
            unpacked.extend_from_slice(&piece[..length]);
        }
        rest = decoder.into_inner();
        if rest.is_empty() {
            return Ok(unpacked.freeze());
        }
    }
    Err(unreadable("the body is gzip in too many pieces"))
}

/// The one message in the one envelope of a call that streams nothing but its answer.
fn enveloped(mut bytes: Bytes) -> Result<Bytes, Status> {
    let Some((&[flags, length @ ..], _)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(unreadable(
            "the body is no envelope: flags and length are missing",
        ));
    };
    if flags != 0 {
        let message = "messages are not taken compressed, and the first is the only one";
        return Err(refused(
            Code::Unimplemented,
            Reason::CallUnsupported,
            message,
        ));
    }
    let message = bytes.split_off(HEAD);
    if message.len() != u32::from_be_bytes(length) as usize {
        return Err(unreadable(
            "the body is not exactly one message, as long as its head says",
        ));
    }
    Ok(message)
}

fn told(fault: &Fault) -> Status {
    match fault {
        Fault::Field { field, expected } => invalid(field, expected),
        Fault::NotJson(why) => unreadable(&format!("the body is not JSON: {why}")),
    }
}

fn unreadable(why: &str) -> Status {
    refused(Code::InvalidArgument, Reason::MessageInvalid, why)
}

/// How much of a refused body is taken in, and for how long.
const MAX_LEFT: usize = 64 * 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// A body of which the rest is taken in where nobody wanted it. Else the connection, or the stream
/// of HTTP/2, would be reset under a client that is still sending: `curl`, say, would never see its
/// answer.
struct Lingering(Option<Body>);

/// See [`Lingering`]. Who asks first whether the body is wanted has not begun to send it.
pub(super) fn lingering(request: Request<Body>) -> Request<Body> {
    if request.headers().contains_key(EXPECT) {
        return request;
    }
    request.map(|body| Body::new(Lingering(Some(body))))
}

impl http_body::Body for Lingering {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        if !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.0 = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let Some(mut body) = self.0.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        let rest = async move {
            let mut left = MAX_LEFT;
            while let Some(Ok(frame)) = body.frame().await {
                let data = frame.into_data().unwrap_or_default();
                match left.checked_sub(data.len()) {
                    Some(less) => left = less,
                    None => break,
                }
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body_util::Full;

    use super::super::help;
    use super::*;
    use crate::reason_of;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    /// The message of a packed body, read in this room.
    async fn read(body: Vec<u8>, room: &Arc<Semaphore>) -> Result<Bytes, Status> {
        let name = "weir.contact.v1.ImportContactsRequest";
        let reading = Reading {
            form: Form::Json,
            is_gzip: true,
            in_envelope: false,
            input: help::POOL.get_message_by_name(name).unwrap(),
            deadline: Deadline::after(READ_WITHIN),
            room: Arc::clone(room),
        };
        let message = reading.of(Body::new(Full::from(body)));
        message.collect().await.map(|whole| whole.to_bytes())
    }

    #[tokio::test]
    async fn a_packed_body_takes_the_room_of_what_is_in_it() {
        let room = Arc::new(Semaphore::new(64));
        let blanks = |length: usize| format!("{}{{}}", " ".repeat(length - 2));
        let large = packed(blanks(1 << 20).as_bytes());
        assert!(large.len() < 2 * UNIT, "packed there would be room");
        let refused = read(large, &room).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(Reason::Overloaded));
        assert_eq!(room.available_permits(), 64);
        let fits = read(packed(blanks(48 * UNIT).as_bytes()), &room).await;
        assert_eq!(fits.unwrap()[..], [0; HEAD]);
        assert_eq!(room.available_permits(), 64);
    }
}
