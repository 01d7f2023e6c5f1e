//! Protobuf, written field by field from borrowed values.
//!
//! For the messages that are made for every event of a batch: the generated types own
//! their texts, and would have each of them copied before it is encoded.

use std::net::Ipv4Addr;

use bytes::Bytes;
use prost_types::Timestamp;

use weir_rpc::PrefixedMessage;

const VARINT: u32 = 0;
const DELIMITED: u32 = 2;

/// A message in the making. As proto3 has it, what is zero or empty is left out.
#[derive(Debug)]
pub(super) struct Wire(Vec<u8>);

impl Wire {
    /// Goes on behind the fields of `head`, with room for so many bytes more.
    pub fn after(head: &impl prost::Message, room: usize) -> Self {
        let mut bytes = Vec::with_capacity(PrefixedMessage::HEAD + head.encoded_len() + room);
        bytes.resize(PrefixedMessage::HEAD, 0);
        head.encode(&mut bytes)
            .expect("memory takes what is written");
        Self(bytes)
    }

    pub fn finish(self) -> PrefixedMessage {
        PrefixedMessage::new(self.0, Bytes::new())
    }

    /// With a last field that is large, and is not copied for this.
    pub fn finish_with(mut self, field: u32, value: Bytes) -> PrefixedMessage {
        if !value.is_empty() {
            self.tag(field, DELIMITED);
            self.varint(value.len() as u64);
        }
        PrefixedMessage::new(self.0, value)
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

    /// An address as text.
    pub fn address(&mut self, field: u32, address: Ipv4Addr) {
        let mut digits = itoa::Buffer::new();
        self.message(field, |wire| {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    wire.0.push(b'.');
                }
                wire.0.extend_from_slice(digits.format(octet).as_bytes());
            }
        });
    }

    pub fn time(&mut self, field: u32, time: Timestamp) {
        self.message(field, |inner| {
            inner.integer(1, time.seconds);
            inner.integer(2, i64::from(time.nanos));
        });
    }

    /// A message inside this one; there even when it is empty.
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.message_of_about(field, 0, write);
    }

    /// As [`Wire::message`], of about so many bytes: a good guess spares moving them, since
    /// the length stands in front, and is known behind.
    pub fn message_of_about(&mut self, field: u32, guess: usize, write: impl FnOnce(&mut Self)) {
        self.tag(field, DELIMITED);
        let start = self.0.len();
        let guessed = varint_width(guess);
        self.0.resize(start + guessed, 0);
        write(self);
        let length = self.0.len() - start - guessed;
        let width = varint_width(length);
        if width > guessed {
            self.0.splice(start..start, (guessed..width).map(|_| 0));
        } else {
            self.0.drain(start..start + (guessed - width));
        }
        fill_varint(&mut self.0[start..start + width], length);
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

/// How many bytes a varint takes.
fn varint_width(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    bits.max(1).div_ceil(7) as usize
}

/// Writes a number into bytes that are as many as it needs.
fn fill_varint(bytes: &mut [u8], mut value: usize) {
    let Some((last, others)) = bytes.split_last_mut() else {
        return;
    };
    for byte in others {
        *byte = (value & 0x7f) as u8 | 0x80;
        value >>= 7;
    }
    *last = value as u8;
}
