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

/// Trims a name and checks its length.
///
/// # Errors
/// When nothing is left, or too much.
pub fn read_name(name: &str) -> Result<String, Invalid> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains('\0') {
        return Err(Invalid::new(
            "name",
            format!("must have 1 to {MAX_NAME} characters"),
        ));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_something_to_read_and_no_nul() {
        assert_eq!(read_name(" Lana "), Ok("Lana".to_owned()));
        for name in [" ", "a\0", &"é".repeat(151)] {
            assert!(read_name(name).is_err(), "{name}");
        }
    }
}
