//! Reading bodies: bounded in size (also once inflated), in memory and in time.

use std::io::{self, Write};
use std::mem;
use std::time::{Duration, Instant};

use ::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::write::GzDecoder;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use weir_rpc::Deadline;

use super::admission::Hold;
use super::problem::Problem;
use crate::domain::pace;

/// The largest batch, inflated: far above anything Segment sends, since a 413 loses data.
pub const MAX_BATCH: usize = 16 * 1024 * 1024;
/// A refused body that is no larger than this, and here at once, does not cost its connection.
const SMALL: u64 = 64 * 1024;
const AT_ONCE: Duration = Duration::from_millis(5);
/// Room that is made at once for a body that says how long it is.
const TRUSTED: usize = 512 * 1024;
/// What a connection reads ahead, about: no body takes less while it is read. So bodies alone
/// can't take all of the connections either: of 96 MiB, 3,072.
const READ_AHEAD: usize = 32 * 1024;
/// A body that comes in one piece of this size is kept as it came. It stands in a buffer that
/// may be larger, but not by much; a smaller one is copied out of there.
const KEPT: usize = 128 * 1024;

/// A body may be several that were packed each by itself. Every one costs as much as some KiB,
/// also where nothing is in it, and some of them are read before anybody showed a key.
const MOST_MEMBERS: usize = 1_000;

/// What the head of a request says of its body.
pub struct Announced {
    is_gzip: bool,
    /// In bytes, as it comes over the line, where that is said.
    length: Option<usize>,
    /// Of bytes, once inflated.
    most: usize,
}

impl Announced {
    /// A body of at most `most` bytes.
    ///
    /// # Errors
    /// 415 for a content type that is there and is not JSON, or for an encoding other than gzip;
    /// 413 for what is too long.
    pub fn of(headers: &HeaderMap, body: &Incoming, most: usize) -> Result<Self, Problem> {
        check_type(headers)?;
        Self::of_any_type(headers, body, most)
    }

    /// As [`Self::of`], whatever its content type says: browsers send JSON as text/plain, so that
    /// they need not ask first.
    ///
    /// # Errors
    /// 415 for an encoding other than gzip; 413 for what is too long.
    pub fn of_any_type(headers: &HeaderMap, body: &Incoming, most: usize) -> Result<Self, Problem> {
        let is_gzip = is_gzip(headers)?;
        let said = body.size_hint().exact();
        let length = said.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > most) {
            return Err(too_large(most));
        }
        Ok(Self {
            is_gzip,
            length,
            most,
        })
    }

    /// The whole body, inflated.
    ///
    /// # Errors
    /// 408 where it does not come, or too slowly; 413 or 503; 400 where it breaks off or can't
    /// be inflated.
    pub async fn read(
        self,
        body: &mut Incoming,
        held: &mut Hold,
        deadline: Deadline,
    ) -> Result<Bytes, Problem> {
        let begun = Instant::now();
        let length = self.length.unwrap_or(READ_AHEAD);
        held.grow(length.clamp(READ_AHEAD, TRUSTED))?;
        let mut sink = Sink::new(&self);
        let mut arrived = 0;
        loop {
            let time = pace::due(arrived).saturating_sub(begun.elapsed());
            let frame = tokio::time::timeout(time.min(deadline.remaining()), body.frame()).await;
            match frame.map_err(|_| Problem::timeout())? {
                None => break,
                Some(Err(_)) => return Err(Problem::broken_body("the body broke off")),
                Some(Ok(frame)) => {
                    if let Ok(chunk) = frame.into_data() {
                        arrived += chunk.len();
                        let is_whole = self.length == Some(chunk.len());
                        if is_whole && chunk.len() >= KEPT && !self.is_gzip {
                            held.set(chunk.len());
                            return Ok(chunk);
                        }
                        sink.write(&chunk, &self)?;
                        held.grow(sink.size())?;
                    }
                }
            }
        }
        let bytes = sink.finish(self.most)?;
        held.set(bytes.len());
        Ok(bytes)
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let media = value.to_str().unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Problem::content_type())
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    let encoding = encoding.map_or(Ok(""), |value| value.to_str());
    let encoding = encoding.map(|name| name.trim().to_ascii_lowercase());
    match encoding.as_deref() {
        Ok("" | "identity") => Ok(false),
        Ok("gzip" | "x-gzip") => Ok(true),
        _ => Err(Problem::content_encoding()),
    }
}

/// Whether nothing is left of a refused body. A small one is read to its end, if it is there;
/// no answer waits for more.
pub async fn is_over(headers: &HeaderMap, body: &mut Incoming) -> bool {
    if body.is_end_stream() {
        return true;
    }
    // To look for more would ask a client for it that waits to be asked.
    if headers.contains_key(header::EXPECT) {
        return false;
    }
    let is_small = body.size_hint().upper().is_some_and(|size| size <= SMALL);
    if !is_small {
        // One that does not say how long it is ends behind its last piece.
        return matches!(body.frame().now_or_never(), Some(None));
    }
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::time::timeout(AT_ONCE, reading).await.is_ok() && body.is_end_stream()
}

fn too_large(most: usize) -> Problem {
    Problem::too_large(format!("the body is larger than {most} bytes"))
}

/// Where the bytes go, by content encoding.
enum Sink {
    Plain(BytesMut),
    Gzip(Box<Members>),
}

impl Sink {
    fn new(announced: &Announced) -> Self {
        if announced.is_gzip {
            Self::Gzip(Box::new(Members::of(announced.most)))
        } else {
            Self::Plain(BytesMut::new())
        }
    }

    fn write(&mut self, chunk: &[u8], announced: &Announced) -> Result<(), Problem> {
        match self {
            Self::Plain(bytes) => {
                if bytes.len() + chunk.len() > announced.most {
                    return Err(too_large(announced.most));
                }
                if bytes.is_empty() {
                    bytes.reserve(announced.length.unwrap_or(0).min(TRUSTED));
                }
                bytes.extend_from_slice(chunk);
                Ok(())
            }
            Self::Gzip(members) => members
                .write(chunk)
                .map_err(|error| inflating(&error, announced.most)),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Gzip(members) => members.decoder.get_ref().bytes.len(),
        }
    }

    fn finish(self, most: usize) -> Result<Bytes, Problem> {
        match self {
            Self::Plain(bytes) => Ok(bytes.freeze()),
            Self::Gzip(members) => match members.decoder.finish() {
                Ok(capped) => Ok(capped.bytes.into()),
                Err(error) => Err(inflating(&error, most)),
            },
        }
    }
}

fn inflating(error: &io::Error, most: usize) -> Problem {
    if error.kind() == io::ErrorKind::StorageFull {
        too_large(most)
    } else {
        Problem::broken_body("the body can't be inflated")
    }
}

/// What was packed, one behind the other.
struct Members {
    decoder: GzDecoder<Capped>,
    /// How many more there may be.
    left: usize,
}

impl Members {
    /// At most so many bytes, inflated.
    fn of(most: usize) -> Self {
        let bytes = Vec::new();
        Self {
            decoder: GzDecoder::new(Capped { bytes, most }),
            left: MOST_MEMBERS - 1,
        }
    }

    fn write(&mut self, mut chunk: &[u8]) -> io::Result<()> {
        while !chunk.is_empty() {
            let taken = self.decoder.write(chunk)?;
            if taken == 0 {
                self.next()?;
            }
            chunk = &chunk[taken..];
        }
        Ok(())
    }

    /// The one that was read is over, and another one begins.
    fn next(&mut self) -> io::Result<()> {
        let left = self.left.checked_sub(1);
        self.left = left.ok_or(io::ErrorKind::InvalidData)?;
        self.decoder.try_finish()?;
        let capped = mem::take(self.decoder.get_mut());
        self.decoder = GzDecoder::new(capped);
        Ok(())
    }
}

/// Takes so many bytes and no more, however small they were before they were inflated.
#[derive(Default)]
struct Capped {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Capped {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + chunk.len() > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
