//! Records of a CSV file, strictly read: what is broken costs itself alone.
//!
//! A quote that is not closed would take all rows behind it along. So a record in which a quote
//! stands where none may be ends with its first line, and reading goes on in the next one.

/// Why a record can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// It is whole, and a quote stands where none may be.
    Quotes,
    /// A quote is open at its end: more lines may close it.
    Open,
}

/// The cells of a record, which has no line end.
///
/// # Errors
/// Its quotes are broken.
pub fn cells(record: &[u8], separator: u8) -> Result<Vec<Vec<u8>>, Broken> {
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let (cell, end) = if record.get(at) == Some(&b'"') {
            quoted(record, at + 1)?
        } else {
            plain(record, at, separator)?
        };
        cells.push(cell);
        match record.get(end) {
            None => return Ok(cells),
            Some(byte) if *byte == separator => at = end + 1,
            Some(_) => return Err(Broken::Quotes),
        }
    }
}

fn plain(record: &[u8], at: usize, separator: u8) -> Result<(Vec<u8>, usize), Broken> {
    let rest = &record[at..];
    let length = rest.iter().position(|byte| *byte == separator);
    let length = length.unwrap_or(rest.len());
    let cell = &rest[..length];
    if cell.contains(&b'"') {
        return Err(Broken::Quotes);
    }
    Ok((cell.to_vec(), at + length))
}

/// Behind its first quote; ends behind its last one.
fn quoted(record: &[u8], mut at: usize) -> Result<(Vec<u8>, usize), Broken> {
    let mut cell = Vec::new();
    loop {
        let rest = &record[at..];
        let length = rest.iter().position(|byte| *byte == b'"');
        let Some(length) = length else {
            return Err(Broken::Open);
        };
        cell.extend_from_slice(&rest[..length]);
        at += length + 1;
        if record.get(at) != Some(&b'"') {
            return Ok((cell, at));
        }
        cell.push(b'"');
        at += 1;
    }
}

/// What divides the cells of a header, where nobody says it: what there is most of.
pub fn separator_of(header: &[u8]) -> u8 {
    let count = |separator: u8| header.iter().filter(|byte| **byte == separator).count();
    let mut separators = [b',', b';', b'\t'];
    separators.sort_by_key(|separator| std::cmp::Reverse(count(*separator)));
    separators[0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(record: &str) -> Result<Vec<String>, Broken> {
        let cells = cells(record.as_bytes(), b',')?;
        let text = |cell| String::from_utf8(cell).unwrap();
        Ok(cells.into_iter().map(text).collect())
    }

    #[test]
    fn cells_are_told_apart_and_quotes_taken_away() {
        for (record, expected) in [
            ("a,b", vec!["a", "b"]),
            ("", vec![""]),
            (",", vec!["", ""]),
            ("\"a,\"\"b\"\"\",c", vec!["a,\"b\"", "c"]),
            ("\"\",\"x\ny\"", vec!["", "x\ny"]),
            ("é, b ", vec!["é", " b "]),
        ] {
            assert_eq!(read(record).unwrap(), expected, "{record:?}");
        }
    }

    #[test]
    fn quotes_that_are_open_or_stand_where_none_may_be_are_told_apart() {
        for record in ["\"a", "a,\"b", "\"a\"\"", "\"a,b\n"] {
            assert_eq!(read(record), Err(Broken::Open), "{record:?}");
        }
        for record in ["a\"b", "\"a\"b,c", "a,b\"", " \"a\"", "\"a\" ,b"] {
            assert_eq!(read(record), Err(Broken::Quotes), "{record:?}");
        }
    }

    #[test]
    fn the_separator_is_what_there_is_most_of() {
        for (header, separator) in [
            ("a,b;c,d", b','),
            ("a;b", b';'),
            ("a\tb\tc,d", b'\t'),
            ("a", b','),
        ] {
            assert_eq!(separator_of(header.as_bytes()), separator, "{header}");
        }
    }

    proptest! {
        /// What another writer of CSV writes is read as it was.
        #[test]
        fn whatever_is_written_is_read_back(
            row in prop::collection::vec("[a-c,;\"\n\r é]{0,6}", 1..6),
        ) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&row).unwrap();
            let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let record = written.strip_suffix('\n').unwrap();
            prop_assert_eq!(read(record).unwrap(), row);
        }

        #[test]
        fn whatever_comes_it_ends(record in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = cells(&record, b',');
        }
    }
}
