//! Patterns, taken to pieces: runs of one letter, which must be tokens, and what stands
//! between them.

use super::InvalidFormat;

/// Patterns longer than this are nobody's date.
const MAX_PATTERN: usize = 64;

/// A piece of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Of the same letter each: `YYYY`.
    Letters(&'a str),
    /// To be found as it stands; without the brackets where there were some.
    Literal(&'a str),
}

/// Takes a pattern to pieces.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, InvalidFormat> {
    let wrong = |what: &str| Err(InvalidFormat(what.to_owned()));
    if text.len() > MAX_PATTERN {
        return wrong("a format is shorter than that");
    }
    // In brackets, too: nothing that is sent looks like it.
    if text
        .chars()
        .any(|c| c.is_control() || crate::is_invisible(c))
    {
        return wrong("the format holds a character that nobody sees");
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return wrong(
            "the format begins or ends with white space: take it away, or write [ ] where it is sent",
        );
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut after_space = false;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '[' => {
                let Some(end) = rest.find(']') else {
                    return wrong(
                        "[ is never closed: letters that stand for themselves are written as [T]",
                    );
                };
                pieces.push(Piece::Literal(&rest[1..end]));
                end + 1
            }
            ']' => return wrong("] closes nothing"),
            letter if letter.is_alphanumeric() => {
                let length = rest.len() - rest.trim_start_matches(letter).len();
                pieces.push(Piece::Letters(&rest[..length]));
                length
            }
            space if space.is_whitespace() && after_space => {
                return wrong(
                    "the format has white space twice in a row: once is enough, or write [  ] where both are sent",
                );
            }
            other => {
                pieces.push(Piece::Literal(&rest[..other.len_utf8()]));
                other.len_utf8()
            }
        };
        after_space = next.is_whitespace();
        rest = &rest[length..];
    }
    Ok(pieces)
}

/// The refusal of letters that are no token.
pub fn no_token(letters: &str, tokens: &str) -> InvalidFormat {
    InvalidFormat(format!(
        "{letters:?} is no token: the tokens are {tokens}; letters that stand for themselves are written as [{letters}]"
    ))
}
