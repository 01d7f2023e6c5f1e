//! What is refused of a request, and names, which are all read alike.

/// Of names that people give to things.
pub const MAX_NAME: usize = 150;

/// A value that was refused: the field of the request, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {expected}")]
pub struct Invalid {
    pub field: String,
    pub expected: String,
}

impl Invalid {
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
        }
    }
}

impl From<Invalid> for Vec<Invalid> {
    fn from(invalid: Invalid) -> Self {
        vec![invalid]
    }
}

/// What is wrong with several values, which is told at once.
#[derive(Debug, Default)]
pub struct Faults(Vec<Invalid>);

impl Faults {
    /// The value as it was read; none where it is wrong.
    pub fn take<T>(&mut self, read: Result<T, impl Into<Vec<Invalid>>>) -> Option<T> {
        read.map_err(|faults| self.0.extend(faults.into())).ok()
    }

    /// # Errors
    /// Something is wrong: all of it.
    pub fn told(self) -> Result<(), Vec<Invalid>> {
        none_of(self.0)
    }
}

/// # Errors
/// There are any.
pub fn none_of(faults: Vec<Invalid>) -> Result<(), Vec<Invalid>> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// Trims a name that somebody gives to something, and checks it.
///
/// # Errors
/// When nothing is left, or too much, or what can't be written in a line.
pub fn read_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    match name_fault(name) {
        Some(expected) => Err(Invalid::new("name", expected)),
        None => Ok(name.to_owned()),
    }
}

/// What is wrong with a trimmed name: as of audiences, and of names in a file of configuration.
pub fn name_fault(name: &str) -> Option<String> {
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Some(format!("must have 1 to {MAX_NAME} characters"));
    }
    let is_control = name.chars().any(char::is_control);
    is_control.then(|| "must not hold control characters such as line breaks or tabs".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_something_to_read_in_one_line() {
        assert_eq!(read_name(" Lana "), Ok("Lana".to_owned()));
        for (name, why) in [
            (" ", "1 to 150"),
            (&"é".repeat(151), "1 to 150"),
            ("a\0", "control characters"),
            ("tab\there", "control characters"),
            ("a\nline", "control characters"),
            ("a\u{85}b", "control characters"),
        ] {
            let wrong = read_name(name).unwrap_err();
            assert!(wrong.expected.contains(why), "{name}: {wrong}");
        }
    }
}
