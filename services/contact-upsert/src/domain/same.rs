//! Comparing short texts.

/// Whether two short texts are the same. Field ids are compared more often than anything
/// else, and are too short for a call to be worth it.
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    let length = one.len();
    if length != other.len() {
        return false;
    }
    // Both ends of a text, which overlap, are all of it.
    if let (Some(one), Some(other)) = (eights(one), eights(other))
        && length <= 16
    {
        return one == other;
    }
    if let (Some(one), Some(other)) = (sixteens(one), sixteens(other))
        && length <= 32
    {
        return one == other;
    }
    one == other
}

fn eights(text: &[u8]) -> Option<[u64; 2]> {
    let ends = [*text.first_chunk()?, *text.last_chunk()?];
    Some(ends.map(u64::from_ne_bytes))
}

fn sixteens(text: &[u8]) -> Option<[u128; 2]> {
    let ends = [*text.first_chunk()?, *text.last_chunk()?];
    Some(ends.map(u128::from_ne_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_in_all_their_bytes() {
        let text = b"str:cm:a-name-of-more-than-32-bytes";
        for length in 0..=text.len() {
            let text = &text[..length];
            for at in 0..length {
                let mut other = text.to_owned();
                assert!(same(text, &other));
                other[at] = b'~';
                assert!(!same(text, &other), "{other:?}");
            }
        }
        assert!(!same(b"str::a", b"str::aa"));
    }
}
