//! What a Segment SDK sends, as a classic source takes it (semantics 8.0 to 8.2) → events that
//! the pipeline knows.
//!
//! Each identify and track is written anew with what counts of it, and nothing else: type, ids,
//! event, timestamp, traits, properties, each as it was sent. So a try of an SDK is the same
//! event as the one before it (`sentAt` differs), and whatever comes later (repeats, samples,
//! kept events, replays) reads one form. What is refused stays as it was sent.

mod event;
mod verdict;

use std::ops::Range;

use bytes::Bytes;
use weir_json::{NotJson, behind_space, behind_value, text};

use super::envelope::Kind;
use super::split::{Unsplittable, split};
use event::{Found, read};
pub use verdict::Verdict;

/// Of a request, inflated; as Segment's own.
pub const MAX_BODY: usize = 500 * 1024;
/// Of one event, as it was sent; as Segment's own.
pub const MAX_EVENT: usize = 32 * 1024;
/// Of a request; as Segment's own.
pub const MAX_EVENTS: usize = 2_500;

/// What an event is, by its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Identify,
    Track,
    Page,
    Screen,
    Group,
    Alias,
}

impl Type {
    pub const ALL: [Self; 6] = [
        Self::Identify,
        Self::Track,
        Self::Page,
        Self::Screen,
        Self::Group,
        Self::Alias,
    ];

    /// As `type` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Track => "track",
            Self::Page => "page",
            Self::Screen => "screen",
            Self::Group => "group",
            Self::Alias => "alias",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// None of what is accepted and not stored (semantics 8.1).
    fn kind(self) -> Option<Kind> {
        match self {
            Self::Identify => Some(Kind::Identify),
            Self::Track => Some(Kind::Track),
            Self::Page | Self::Screen | Self::Group | Self::Alias => None,
        }
    }
}

/// What an endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `{"batch": […]}`, whose events say what they are.
    Batch,
    /// One event.
    One(Type),
}

/// Why a body is none of a classic source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the body must be a JSON object")]
    NotAnObject,
    #[error("the body has no array `batch`")]
    NoBatch,
    #[error("something follows the object")]
    Trailing,
    #[error("the batch: {0}")]
    Batch(Unsplittable),
}

/// A body, as far as it is looked at before it is known whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    body: Bytes,
    call: Call,
    pub write_key: Option<String>,
    /// All of the body, or its batch.
    events: Range<usize>,
}

/// Events of one kind, written anew one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub kind: Kind,
    pub body: Bytes,
    pub events: Vec<Placed>,
}

/// An event of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// In the body of the part.
    pub span: Range<usize>,
    /// In the request.
    pub index: usize,
    /// In bytes, as it was sent: written anew it may be a little longer.
    pub size: usize,
}

/// The events of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorted {
    /// Identifies, then tracks: whom a track is about may be told by an identify of the same
    /// request (semantics 8.0). Without those that are empty.
    pub parts: Vec<Part>,
    /// How many there are of each type that is accepted and not stored.
    pub not_stored: Vec<(Type, i64)>,
}

impl Opened {
    /// Looks for the key and the events, by quotes and brackets alone: an event that is no JSON
    /// costs itself (semantics 1.2).
    ///
    /// # Errors
    /// Where the body is no object, or has no batch where it is to have one.
    pub fn new(body: Bytes, call: Call) -> Result<Self, Malformed> {
        let start = behind_space(&body, 0);
        if body.get(start) != Some(&b'{') {
            return Err(Malformed::NotAnObject);
        }
        let end = behind_value(&body, start).map_err(|NotJson| Malformed::NotAnObject)?;
        if behind_space(&body, end) != body.len() {
            return Err(Malformed::Trailing);
        }
        let (mut write_key, mut batch) = (None, None);
        let walked = weir_json::object(&body[start..end], |key, value| {
            match text(key).as_deref() {
                Ok("writeKey") => write_key = text(value).ok().map(|key| key.trim().to_owned()),
                Ok("batch") => batch = Some(body.slice_ref(value)),
                _ => {}
            }
            Ok(())
        });
        walked.map_err(|NotJson| Malformed::NotAnObject)?;
        let events = match call {
            Call::One(_) => start..end,
            Call::Batch => {
                let batch = batch.filter(|batch: &Bytes| batch.starts_with(b"["));
                let batch = batch.ok_or(Malformed::NoBatch)?;
                let at = batch.as_ptr() as usize - body.as_ptr() as usize;
                at..at + batch.len()
            }
        };
        Ok(Self {
            body,
            call,
            write_key: write_key.filter(|key| !key.is_empty()),
            events,
        })
    }

    /// Writes the events anew.
    ///
    /// # Errors
    /// Where the batch can't be split, or has too many of them.
    pub fn sort(&self) -> Result<Sorted, Malformed> {
        let list = &self.body[self.events.clone()];
        let spans = match self.call {
            Call::One(_) => std::iter::once(0..list.len()).collect(),
            Call::Batch => {
                let spans = split(list, MAX_EVENTS, |_| None, |span| span);
                spans.map_err(Malformed::Batch)?
            }
        };
        let given = match self.call {
            Call::One(given) => Some(given),
            Call::Batch => None,
        };
        let (mut identifies, mut tracks) = (Writer::default(), Writer::default());
        let mut not_stored = [0_i64; Type::ALL.len()];
        for (index, span) in spans.into_iter().enumerate() {
            let raw = &list[span];
            let found = read(raw, given);
            let kind = match found {
                Found::NotStored(of) => {
                    not_stored[of as usize] += 1;
                    continue;
                }
                Found::Event(kind, _) | Found::AsSent(kind) => kind,
            };
            let writer = match kind {
                Kind::Track => &mut tracks,
                Kind::Identify | Kind::Member => &mut identifies,
            };
            let start = writer.body.len();
            match found {
                Found::Event(_, event) => event.write(&mut writer.body),
                _ => writer.body.extend_from_slice(raw),
            }
            writer.events.push(Placed {
                span: start..writer.body.len(),
                index,
                size: raw.len(),
            });
        }
        let parts = [identifies.part(Kind::Identify), tracks.part(Kind::Track)];
        let counts = Type::ALL.into_iter().zip(not_stored);
        Ok(Sorted {
            parts: parts.into_iter().flatten().collect(),
            not_stored: counts.filter(|(_, count)| *count > 0).collect(),
        })
    }
}

impl Sorted {
    /// In bytes.
    pub fn size(&self) -> usize {
        self.parts.iter().map(|part| part.body.len()).sum()
    }
}

#[derive(Default)]
struct Writer {
    body: Vec<u8>,
    events: Vec<Placed>,
}

impl Writer {
    fn part(self, kind: Kind) -> Option<Part> {
        (!self.events.is_empty()).then(|| Part {
            kind,
            body: self.body.into(),
            events: self.events,
        })
    }
}

#[cfg(test)]
mod tests;
