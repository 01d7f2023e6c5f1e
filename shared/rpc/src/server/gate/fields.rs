//! A field of a message, read from the wire as whoever decodes all of it would.

use bytes::Buf;
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// No message of protobuf.
#[derive(Debug)]
pub struct Unreadable;

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Self {
        Self
    }
}

/// The text behind a path of fields that are there once each: of several the last one counts,
/// and an empty one is none.
pub fn last<'a>(message: &'a [u8], path: &[u32]) -> Result<Vec<&'a [u8]>, Unreadable> {
    let mut found: &[u8] = &[];
    visit(message, path, &mut |text| found = text)?;
    Ok(if found.is_empty() {
        Vec::new()
    } else {
        vec![found]
    })
}

/// The texts of a repeated field.
pub fn all(message: &[u8], field: u32) -> Result<Vec<&[u8]>, Unreadable> {
    let mut found = Vec::new();
    visit(message, &[field], &mut |text| found.push(text))?;
    Ok(found)
}

fn visit<'a>(
    mut rest: &'a [u8],
    path: &[u32],
    found: &mut impl FnMut(&'a [u8]),
) -> Result<(), Unreadable> {
    let Some((first, further)) = path.split_first() else {
        return Err(Unreadable);
    };
    while !rest.is_empty() {
        let (field, wire_type) = decode_key(&mut rest)?;
        if field != *first {
            skip_field(wire_type, field, &mut rest, DecodeContext::default())?;
            continue;
        }
        if wire_type != WireType::LengthDelimited {
            return Err(Unreadable);
        }
        let length = decode_varint(&mut rest)?;
        let length = usize::try_from(length).map_err(|_| Unreadable)?;
        let value = rest.get(..length).ok_or(Unreadable)?;
        rest.advance(length);
        if further.is_empty() {
            found(value);
        } else {
            // A message that comes in parts is all of them together.
            visit(value, further, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use prost_types::{FileDescriptorProto, FileOptions};

    use super::*;

    /// `package` is field 2, `options.java_package` 8.1, `dependency` 3 and repeated.
    fn files() -> impl Strategy<Value = FileDescriptorProto> {
        let text = || prop_oneof![Just(None), "[a-z]{0,5}".prop_map(Some)];
        let options = prop_oneof![
            Just(None),
            (text(), text()).prop_map(|(java_package, go_package)| Some(FileOptions {
                java_package,
                go_package,
                ..Default::default()
            })),
        ];
        let list = prop::collection::vec("[a-z]{0,5}", 0..4);
        (text(), text(), options, list).prop_map(|(name, package, options, dependency)| {
            FileDescriptorProto {
                name,
                package,
                options,
                dependency,
                public_dependency: vec![1, 300],
                ..Default::default()
            }
        })
    }

    fn texts(found: Result<Vec<&[u8]>, Unreadable>) -> Vec<String> {
        let found = found.unwrap().into_iter();
        found
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
            .collect()
    }

    fn one(text: Option<String>) -> Vec<String> {
        text.into_iter().filter(|text| !text.is_empty()).collect()
    }

    proptest! {
        /// Several messages, one after the other, are one to protobuf.
        #[test]
        fn it_finds_what_is_decoded(parts in prop::collection::vec(files(), 1..4)) {
            let wire: Vec<u8> = parts.iter().flat_map(Message::encode_to_vec).collect();
            let whole = FileDescriptorProto::decode(&*wire).unwrap();
            prop_assert_eq!(texts(last(&wire, &[2])), one(whole.package));
            prop_assert_eq!(texts(all(&wire, 3)), whole.dependency);
            let inner = whole.options.and_then(|options| options.java_package);
            prop_assert_eq!(texts(last(&wire, &[8, 1])), one(inner));
        }

        /// What it can't read nobody can, and it reads nothing that nobody else does.
        #[test]
        fn garbage_is_read_as_it_is_decoded(
            file in files(),
            noise in prop::collection::vec(any::<u8>(), 0..12),
            at in any::<prop::sample::Index>(),
        ) {
            let mut wire = file.encode_to_vec();
            let at = at.index(wire.len() + 1);
            wire.splice(at..at, noise);
            if let Ok(whole) = FileDescriptorProto::decode(&*wire) {
                prop_assert_eq!(texts(last(&wire, &[2])), one(whole.package));
                prop_assert_eq!(texts(all(&wire, 3)), whole.dependency);
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_of_another_type_is_unreadable() {
        let wire = FileDescriptorProto {
            package: Some("weir".to_owned()),
            ..Default::default()
        }
        .encode_to_vec();
        assert!(last(&wire[..wire.len() - 1], &[2]).is_err());
        // Field 2 as a number.
        assert!(last(&[2 << 3, 1], &[2]).is_err());
        // A group that does not end.
        assert!(last(&[5 << 3 | 3], &[2]).is_err());
    }
}
