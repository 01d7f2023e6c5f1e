//! Where one message ends and the next begins.

/// A tag, and the length of what follows it, itself included.
const HEAD: usize = 5;
const LENGTH: usize = 4;

/// Follows the messages of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD],
    known: usize,
    /// Of the message's body, still to come.
    left: usize,
    last_byte: u8,
}

impl Frames {
    /// A client's first message has no tag.
    pub fn beginning_with_one_without_a_tag() -> Self {
        Self {
            known: HEAD - LENGTH,
            ..Self::default()
        }
    }

    /// Takes what came or went; tells the tag and the last byte of each message that ended.
    pub fn pass(&mut self, mut bytes: &[u8], mut ended: impl FnMut(u8, u8)) {
        while !bytes.is_empty() {
            if self.known < HEAD {
                let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.known));
                self.head[self.known..self.known + head.len()].copy_from_slice(head);
                self.known += head.len();
                bytes = rest;
                if self.known < HEAD {
                    return;
                }
                let [_, length @ ..] = self.head;
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(LENGTH);
                self.last_byte = 0;
            }
            let (body, rest) = bytes.split_at(bytes.len().min(self.left));
            self.last_byte = body.last().copied().unwrap_or(self.last_byte);
            self.left -= body.len();
            bytes = rest;
            if self.left == 0 {
                ended(self.head[0], self.last_byte);
                self.known = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_wherever_they_are_cut() {
        let mut bytes = vec![0, 0, 0, 6, 1, 2];
        let mut expected = vec![(0, 2)];
        for (tag, body) in [
            (b'P', &b"abc"[..]),
            (b'S', b""),
            (b'D', &[7; 300]),
            (b'Z', b"T"),
        ] {
            bytes.push(tag);
            bytes.extend(u32::try_from(body.len() + LENGTH).unwrap().to_be_bytes());
            bytes.extend(body);
            expected.push((tag, body.last().copied().unwrap_or_default()));
        }
        for size in 1..=bytes.len() {
            let mut frames = Frames::beginning_with_one_without_a_tag();
            let mut ended = Vec::new();
            for piece in bytes.chunks(size) {
                frames.pass(piece, |tag, last| ended.push((tag, last)));
            }
            assert_eq!(ended, expected, "pieces of {size}");
        }
    }
}
