//! Inflating zstd bodies within a bounded memory.

use std::io::{self, Read};

use ruzstd::decoding::StreamingDecoder;

/// Inflates all frames, to at most `most` bytes.
///
/// # Errors
/// `StorageFull` above that; other kinds for what is no zstd.
pub fn inflate(mut compressed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !compressed.is_empty() {
        // The decoder keeps a whole window in memory, whatever the caller takes of it.
        if window(compressed).ok_or(io::ErrorKind::InvalidData)? > most as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let frame = StreamingDecoder::new(&mut compressed).map_err(io::Error::other)?;
        let room = most - bytes.len() + 1;
        frame.take(room as u64).read_to_end(&mut bytes)?;
        if bytes.len() > most {
            return Err(io::ErrorKind::StorageFull.into());
        }
    }
    Ok(bytes)
}

/// How much of its output the frame refers back to (RFC 8878, 3.1.1.1).
fn window(frame: &[u8]) -> Option<u64> {
    const SINGLE_SEGMENT: u8 = 1 << 5;
    let descriptor = *frame.get(4)?;
    if descriptor & SINGLE_SEGMENT == 0 {
        let window = *frame.get(5)?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The window is the content, whose size stands behind the dictionary's id.
    let id = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let size = frame.get(5 + id..5 + id + length)?;
    let size = size
        .iter()
        .rev()
        .fold(0, |size, byte| size << 8 | u64::from(*byte));
    Some(if length == 2 { size + 256 } else { size })
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    #[test]
    fn frames_are_inflated_one_after_another() {
        let text = "[{\"user_id\":\"a\"}]".repeat(20_000);
        let (first, second) = text.split_at(100_001);
        let frames: Vec<u8> = [first, second]
            .into_iter()
            .flat_map(|part| compress_to_vec(part.as_bytes(), CompressionLevel::Fastest))
            .collect();
        assert_eq!(inflate(&frames, text.len()).unwrap(), text.as_bytes());
        let full = inflate(&frames, text.len() - 1).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn what_is_no_zstd_is_refused() {
        for bytes in [b"[]".as_slice(), b"[{\"a\":1}]", &[0x28, 0xb5, 0x2f, 0xfd]] {
            assert!(inflate(bytes, 1_000).is_err());
        }
    }

    #[test]
    fn a_frame_that_wants_a_huge_window_is_refused_before_it_is_read() {
        // 3.75 TiB.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xff, 0, 0, 0];
        assert_eq!(
            inflate(&frame, 1 << 24).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!(window(&[0, 0, 0, 0, 1 << 5 | 1 << 6, 44, 1]), Some(556));
    }
}
