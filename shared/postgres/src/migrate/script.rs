//! A script's statements, as `psql` parts them: at semicolons outside of quotes, comments,
//! parentheses and dollar-quoted bodies.

/// The statements in their order, without their semicolons. Comments alone are none.
pub(super) fn statements(script: &str) -> Vec<&str> {
    let bytes = script.as_bytes();
    let mut found = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0_u32);
    let mut is_one = false;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (length, is_code) = match rest {
            [b';', ..] if depth == 0 => {
                if is_one {
                    found.push(script[start..at].trim());
                }
                (start, is_one) = (at + 1, false);
                (1, false)
            }
            [b'-', b'-', ..] => (line(rest), false),
            [b'/', b'*', ..] => (comment(rest), false),
            [b'\'', ..] => (quoted(rest, is_escaped(&bytes[..at])), true),
            [b'"', ..] => (quoted(rest, false), true),
            [b'$', ..] if !ends_in_name(&bytes[..at]) => (dollar_quoted(rest), true),
            [byte, ..] => {
                match byte {
                    b'(' => depth += 1,
                    b')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                (1, !byte.is_ascii_whitespace())
            }
            [] => unreachable!("it ends before that"),
        };
        is_one |= is_code;
        at += length;
    }
    if is_one {
        found.push(script[start..].trim());
    }
    found
}

fn line(text: &[u8]) -> usize {
    let end = text.iter().position(|byte| *byte == b'\n');
    end.unwrap_or(text.len())
}

/// They nest.
fn comment(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// A doubled quote ends one and begins the next, which is the same here.
fn quoted(text: &[u8], is_escaped: bool) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' if is_escaped => at += 2,
            byte if byte == text[0] => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// `E'…'` takes backslashes.
fn is_escaped(before: &[u8]) -> bool {
    matches!(before, [front @ .., b'e' | b'E'] if !ends_in_name(front))
}

fn ends_in_name(before: &[u8]) -> bool {
    before.last().is_some_and(|byte| is_of_name(*byte))
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || !byte.is_ascii()
}

/// `$tag$ … $tag$`; a parameter (`$1`) is none.
fn dollar_quoted(text: &[u8]) -> usize {
    let Some(end) = text[1..].iter().position(|byte| *byte == b'$') else {
        return 1;
    };
    let tag = &text[..end + 2];
    let name = &tag[1..=end];
    let is_tag = !name.first().is_some_and(u8::is_ascii_digit)
        && name.iter().all(|byte| *byte != b'$' && is_of_name(*byte));
    if !is_tag {
        return 1;
    }
    let body = &text[tag.len()..];
    let close = body.windows(tag.len()).position(|window| window == tag);
    close.map_or(text.len(), |close| tag.len() + close + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_and_nowhere_else() {
        let script = r#"
            -- first; not a statement
            CREATE TABLE a (t text DEFAULT ';''x');;
            /* none; /* nested; */ either; */
            INSERT INTO "odd;""name" VALUES (E'it\'s;', 'back\'), ($1);
            DO $$ BEGIN PERFORM 1; PERFORM '$x$'; END $$;
            CREATE FUNCTION f() RETURNS int AS $body$ SELECT 1; SELECT $$;$$; $body$ LANGUAGE sql;
            CREATE RULE r AS ON INSERT TO a DO (SELECT 1; SELECT 2);
            SELECT a$b$c;
            SELECT 'last'
            -- the end; really
        "#;
        let found = statements(script);
        let starts = [
            "-- first",
            "/* none",
            "DO $$",
            "CREATE FUNCTION",
            "CREATE RULE",
            "SELECT a",
            "SELECT 'last'",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (statement, start) in found.iter().zip(starts) {
            assert!(statement.starts_with(start), "{statement}");
            assert!(!statement.ends_with(';'), "{statement}");
        }
        assert!(statements(" ;; -- nothing;\n /* at all */ ").is_empty());
        for unfinished in ["SELECT 'a;", "SELECT $x$;", "/* ;", "SELECT (;", "SELECT $"] {
            assert!(statements(unfinished).len() <= 1, "{unfinished}");
        }
    }
}
