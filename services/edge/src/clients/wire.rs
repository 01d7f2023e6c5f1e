//! Protobuf, written field by field from borrowed values.
//!
//! For the messages that are made for every event of a batch: the generated types own
//! their texts, and would have each of them copied before it is encoded.

use bytes::Bytes;
use prost_types::Timestamp;

const VARINT: u32 = 0;
const DELIMITED: u32 = 2;

/// A message in the making. As proto3 has it, what is zero or empty is left out.
#[derive(Debug, Default)]
pub(super) struct Wire(Vec<u8>);

impl Wire {
    /// Goes on behind the fields of `head`, with room for so many bytes more.
    pub fn after(head: &impl prost::Message, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(head.encoded_len() + room);
        head.encode(&mut bytes)
            .expect("memory takes what is written");
        Self(bytes)
    }

    pub fn finish(self) -> Bytes {
        self.0.into()
    }

    pub fn number(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(u64::from(value));
        }
    }

    pub fn numbers(&mut self, field: u32, values: &[u32]) {
        if !values.is_empty() {
            self.message(field, |packed| {
                for value in values {
                    packed.varint(u64::from(*value));
                }
            });
        }
    }

    pub fn variant(&mut self, field: u32, value: impl Into<i32>) {
        self.integer(field, i64::from(value.into()));
    }

    pub fn flag(&mut self, field: u32, value: bool) {
        self.number(field, u32::from(value));
    }

    pub fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.tag(field, DELIMITED);
            self.varint(value.len() as u64);
            self.0.extend_from_slice(value);
        }
    }

    pub fn time(&mut self, field: u32, time: Timestamp) {
        self.message(field, |inner| {
            inner.integer(1, time.seconds);
            inner.integer(2, i64::from(time.nanos));
        });
    }

    /// A message inside this one; there even when it is empty.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.tag(field, DELIMITED);
        let start = self.0.len();
        write(self);
        let end = self.0.len();
        // The length stands in front, and is known behind.
        self.varint((end - start) as u64);
        let size = self.0.len() - end;
        self.0[start..].rotate_right(size);
    }

    /// Negative numbers go as their two's complement.
    fn integer(&mut self, field: u32, value: i64) {
        if value != 0 {
            self.tag(field, VARINT);
            self.varint(value.cast_unsigned());
        }
    }

    fn tag(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
