//! Events of a file: one JSON object, an array of them, an object with a `batch` of them, or one
//! object a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// What Segment sends at once today, and so much that the edge's 16 MiB are not reached.
const MAX_EVENTS: usize = 500;
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// A line that is longer is no event, since the edge would not take it.
const MAX_LINE: u64 = 16 * 1024 * 1024;
/// What is not one object a line is read as a whole.
const MAX_WHOLE: u64 = 256 * 1024 * 1024;

/// Where events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum To {
    Identify,
    Track,
    /// Entries of audiences.
    Members,
}

impl To {
    pub fn path(self) -> &'static str {
        match self {
            Self::Identify => "/v1/identify",
            Self::Track => "/v1/track",
            Self::Members => "/v1/audiences/members",
        }
    }

    pub fn method(self) -> Method {
        match self {
            Self::Members => Method::PUT,
            Self::Identify | Self::Track => Method::POST,
        }
    }
}

/// Some events that go to one place, in their order.
#[derive(Debug)]
pub struct Batch {
    pub to: To,
    /// Of each event in the file, from 1.
    pub numbers: Vec<u64>,
    events: Vec<Box<RawValue>>,
    bytes: usize,
    /// What stood among them and is no event that can be sent.
    pub unsent: Vec<(u64, String)>,
}

impl Batch {
    fn new(to: To) -> Self {
        Self {
            to,
            numbers: Vec::new(),
            events: Vec::new(),
            bytes: 0,
            unsent: Vec::new(),
        }
    }

    /// A JSON array, each event as it stands in the file.
    pub fn body(&self) -> String {
        let events: Vec<&str> = self.events.iter().map(|event| event.get()).collect();
        format!("[{}]", events.join(","))
    }

    fn takes(&self, to: To, event: &RawValue) -> bool {
        self.events.is_empty()
            || (self.to == to
                && self.events.len() < MAX_EVENTS
                && self.bytes + event.get().len() <= MAX_BYTES)
    }

    fn push(&mut self, number: u64, to: To, event: Box<RawValue>) {
        self.to = to;
        self.bytes += event.get().len();
        self.numbers.push(number);
        self.events.push(event);
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.unsent.is_empty()
    }
}

enum Events {
    Whole(std::vec::IntoIter<Box<RawValue>>),
    /// Behind the first line, which was looked at.
    Lines(Option<Vec<u8>>, Box<dyn BufRead>),
}

/// Reads a file batch by batch; of a file of lines never more than that is in memory.
pub struct Batches {
    events: Events,
    to: Option<To>,
    number: u64,
    /// An event that begins the next batch.
    held: Option<(u64, To, Box<RawValue>)>,
    size: Option<u64>,
    read: u64,
}

impl Batches {
    /// `-` is standard input.
    pub fn open(path: &Path, to: Option<To>) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Self::read(Box::new(BufReader::new(io::stdin())), None, to);
        }
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = opened
            .map_err(|error| Failure::Input(format!("can't read {}: {error}", path.display())))?;
        let reader = Box::new(BufReader::with_capacity(1024 * 1024, file));
        Self::read(reader, Some(size), to)
            .map_err(|failure| named(failure, &path.display().to_string()))
    }

    fn read(
        mut reader: Box<dyn BufRead>,
        size: Option<u64>,
        to: Option<To>,
    ) -> Result<Self, Failure> {
        let mut first = Vec::new();
        // Empty lines in front are nobody's.
        while first.trim_ascii().is_empty() {
            first.clear();
            if next_line(&mut reader, &mut first)? == 0 {
                break;
            }
        }
        let is_line = serde_json::from_slice::<serde_json::Map<String, _>>(&first)
            .is_ok_and(|object: serde_json::Map<String, serde_json::Value>| !is_batch(&object));
        let events = if is_line {
            Events::Lines(Some(first), reader)
        } else {
            let mut whole = first;
            reader
                .take(MAX_WHOLE)
                .read_to_end(&mut whole)
                .context("can't read")?;
            if whole.len() as u64 > MAX_WHOLE {
                return Err(Failure::Input(
                    "is larger than 256 MiB: write one event a line".to_owned(),
                ));
            }
            Events::Whole(read_whole(&whole)?.into_iter())
        };
        Ok(Self {
            events,
            to,
            number: 0,
            held: None,
            size,
            read: 0,
        })
    }

    /// How much of a file of lines is read.
    pub fn percent(&self) -> Option<u64> {
        let size = self.size.filter(|size| *size > 0 && self.read > 0)?;
        Some((self.read * 100 / size).min(100))
    }

    /// The next batch; none at the end.
    pub fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let mut batch = Batch::new(To::Identify);
        if let Some((number, to, event)) = self.held.take() {
            batch.push(number, to, event);
        }
        while batch.unsent.len() < MAX_EVENTS {
            let Some(read) = self.next_event()? else {
                break;
            };
            self.number += 1;
            let number = self.number;
            let read = read.and_then(|event| Ok((destination(&event, self.to)?, event)));
            match read {
                Ok((to, event)) if batch.takes(to, &event) => batch.push(number, to, event),
                Ok((to, event)) => {
                    self.held = Some((number, to, event));
                    break;
                }
                Err(why) => batch.unsent.push((number, why)),
            }
        }
        Ok(Some(batch).filter(|batch| !batch.is_empty()))
    }

    /// An event, or why it is none.
    fn next_event(&mut self) -> Result<Option<Result<Box<RawValue>, String>>, Failure> {
        let (first, reader) = match &mut self.events {
            Events::Whole(events) => return Ok(events.next().map(Ok)),
            Events::Lines(first, reader) => (first, reader),
        };
        loop {
            let line = match first.take() {
                Some(line) => line,
                None => {
                    let mut line = Vec::new();
                    if next_line(reader, &mut line)? == 0 {
                        return Ok(None);
                    }
                    line
                }
            };
            self.read += line.len() as u64;
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let event = serde_json::from_slice(text);
            return Ok(Some(event.map_err(|error| {
                format!("the line is no JSON (column {})", error.column())
            })));
        }
    }
}

/// How many bytes the line has with its end; what is behind its limit is left for the next one.
fn next_line(reader: &mut Box<dyn BufRead>, line: &mut Vec<u8>) -> Result<usize, Failure> {
    let read = reader.take(MAX_LINE).read_until(b'\n', line);
    Ok(read.context("can't read")?)
}

fn named(failure: Failure, path: &str) -> Failure {
    match failure {
        Failure::Input(message) => Failure::Input(format!("{path} {message}")),
        Failure::Failed(error) => Failure::Failed(error.context(path.to_owned())),
        Failure::Unread => Failure::Unread,
    }
}

fn is_batch(object: &serde_json::Map<String, serde_json::Value>) -> bool {
    object.get("batch").is_some_and(serde_json::Value::is_array)
}

#[derive(Deserialize)]
struct Batched {
    batch: Vec<Box<RawValue>>,
}

fn read_whole(text: &[u8]) -> Result<Vec<Box<RawValue>>, Failure> {
    let trimmed = text.trim_ascii_start();
    let read = match trimmed.first() {
        None => return Ok(Vec::new()),
        Some(b'[') => serde_json::from_slice(text),
        _ => match serde_json::from_slice::<Batched>(text) {
            Ok(batched) => Ok(batched.batch),
            Err(_) => serde_json::from_slice(text).map(|event| vec![event]),
        },
    };
    read.map_err(|error| {
        Failure::Input(format!(
            "is neither an event, nor an array of events, nor one event a line: {error}"
        ))
    })
}

/// What an event says of where it goes.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    r#type: Option<serde_json::Value>,
    #[serde(default)]
    event: Option<serde::de::IgnoredAny>,
}

fn destination(event: &RawValue, to: Option<To>) -> Result<To, String> {
    if let Some(to) = to {
        return Ok(to);
    }
    // What is no object is for the edge to refuse.
    let Ok(head) = serde_json::from_str::<Head>(event.get()) else {
        return Ok(To::Identify);
    };
    let kind = head.r#type.as_ref().and_then(serde_json::Value::as_str);
    match kind {
        Some("identify") => Ok(To::Identify),
        Some("track") => Ok(To::Track),
        Some(other @ ("page" | "screen" | "group" | "alias" | "delete")) => {
            Err(format!("an event of type {other} is not taken"))
        }
        _ if head.event.is_some() => Ok(To::Track),
        _ => Ok(To::Identify),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, to: Option<To>) -> Result<Vec<Batch>, Failure> {
        let reader = Box::new(io::Cursor::new(text.to_owned().into_bytes()));
        let mut batches = Batches::read(reader, None, to)?;
        let mut all = Vec::new();
        while let Some(batch) = batches.next()? {
            all.push(batch);
        }
        Ok(all)
    }

    fn bodies(text: &str) -> Vec<(To, String)> {
        let batches = read(text, None).unwrap();
        batches
            .iter()
            .map(|batch| (batch.to, batch.body()))
            .collect()
    }

    #[test]
    fn every_shape_gives_the_same_events() {
        let expected = [(To::Identify, r#"[{"a":1},{"a":2}]"#.to_owned())];
        for text in [
            r#"[{"a":1},{"a":2}]"#,
            "\n [ {\"a\":1} ,\n {\"a\":2} ]\n",
            "{\"a\":1}\n{\"a\":2}\n",
            "\n{\"a\":1}\r\n\r\n{\"a\":2}",
            r#"{"batch":[{"a":1},{"a":2}],"writeKey":"x"}"#,
        ] {
            assert_eq!(bodies(text), expected, "{text}");
        }
        assert_eq!(bodies("{\n \"a\": 1\n}")[0].1, "[{\n \"a\": 1\n}]");
        assert!(bodies(" \n").is_empty());
    }

    #[test]
    fn events_go_where_they_belong_in_their_order() {
        let text =
            r#"[{"type":"identify"},{"event":"a"},{"type":"track","event":"b"},{"traits":{}},7]"#;
        let found = bodies(text);
        let expected = [
            (To::Identify, r#"[{"type":"identify"}]"#),
            (To::Track, r#"[{"event":"a"},{"type":"track","event":"b"}]"#),
            (To::Identify, r#"[{"traits":{}},7]"#),
        ];
        assert_eq!(found, expected.map(|(to, body)| (to, body.to_owned())));
        let all = read(text, Some(To::Members)).unwrap();
        assert_eq!((all.len(), all[0].numbers.len()), (1, 5));
    }

    #[test]
    fn what_can_not_be_sent_is_named_and_the_rest_goes_on() {
        let batches = read("{\"a\":1}\nnonsense\n{\"type\":\"page\"}\n{\"a\":2}", None).unwrap();
        assert_eq!(batches[0].numbers, [1, 4]);
        let unsent: Vec<u64> = batches[0]
            .unsent
            .iter()
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(unsent, [2, 3]);
        let Err(Failure::Input(message)) = read("[{\"a\":1},", None) else {
            panic!("half an array was read")
        };
        assert!(message.contains("line 1"), "{message}");
    }

    #[test]
    fn a_long_file_comes_in_batches() {
        let text = "{\"a\":1}\n".repeat(1_201);
        let batches = read(&text, None).unwrap();
        let counts: Vec<usize> = batches.iter().map(|batch| batch.numbers.len()).collect();
        assert_eq!(counts, [500, 500, 201]);
        assert_eq!(batches[2].numbers[200], 1_201);
    }
}
