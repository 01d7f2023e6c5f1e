//! Addresses and links of the form that most have, told by their bytes alone. Whoever passes
//! here passes the library too, which the tests of [`super`] check; who does not is asked there.

/// RFC 5321.
const MAX_LOCAL_PART: usize = 64;
const MAX_LABEL: usize = 63;

/// A dot-atom of ASCII at a domain of two or more labels of letters, digits and hyphens.
/// How long it may be altogether is not checked.
pub fn is_plain_email(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    local.len() <= MAX_LOCAL_PART
        && is_dot_atom(local.as_bytes())
        && is_plain_domain(domain.as_bytes())
}

/// `http://` or `https://`, a domain in small letters, and graphic ASCII behind it, which can't
/// be wrong: no user, no port, no address of numbers, nothing international.
pub fn is_plain_link(link: &str) -> bool {
    let Some(rest) = link
        .strip_prefix("https://")
        .or_else(|| link.strip_prefix("http://"))
    else {
        return false;
    };
    let rest = rest.as_bytes();
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
    let end = rest.iter().position(ends).unwrap_or(rest.len());
    let (domain, rest) = rest.split_at(end);
    let last = domain.rsplit(|byte| *byte == b'.').next();
    is_plain_domain(domain)
        // A digit there could make it an IPv4 address.
        && last.is_some_and(|label| label[0].is_ascii_alphabetic())
        && !domain.iter().any(u8::is_ascii_uppercase)
        // `xn--` stands in front of what is international.
        && !domain.windows(2).any(|pair| pair == b"--")
        && rest.iter().all(u8::is_ascii_graphic)
}

fn is_dot_atom(text: &[u8]) -> bool {
    let mut before = b'.';
    let fits = text.iter().all(|byte| {
        let fits = match byte {
            b'.' => before != b'.',
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?'
            | b'^' | b'_' | b'`' | b'{' | b'|' | b'}' | b'~' => true,
            byte => byte.is_ascii_alphanumeric(),
        };
        before = *byte;
        fits
    });
    fits && before != b'.'
}

/// Two or more labels of letters, digits and, between those, hyphens.
fn is_plain_domain(domain: &[u8]) -> bool {
    let mut before = b'.';
    let mut label = 0;
    for (at, byte) in domain.iter().enumerate() {
        let fits = match byte {
            b'.' => before.is_ascii_alphanumeric() && at - label <= MAX_LABEL,
            b'-' => before != b'.',
            byte => byte.is_ascii_alphanumeric(),
        };
        if !fits {
            return false;
        }
        if *byte == b'.' {
            label = at + 1;
        }
        before = *byte;
    }
    label > 0 && before.is_ascii_alphanumeric() && domain.len() - label <= MAX_LABEL
}
