//! All that is wrong with a request.

use tonic::Status;
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::error::invalid_all;
use crate::wire::id;

/// What is wrong with a request, found member by member, and told at once.
#[derive(Debug, Default)]
pub struct Faults {
    violations: Vec<(String, String)>,
    /// One that is about no field.
    other: Option<Status>,
}

impl Faults {
    /// This member should have been as `expected`.
    pub fn add(&mut self, field: impl Into<String>, expected: impl Into<String>) {
        self.violations.push((field.into(), expected.into()));
    }

    /// The member as it was read; none where it is wrong.
    pub fn take<T>(&mut self, read: Result<T, Status>) -> Option<T> {
        let status = match read {
            Ok(value) => return Some(value),
            Err(status) => status,
        };
        let violations = status.get_details_bad_request();
        let violations = violations.map(|found| found.field_violations);
        match violations.filter(|found| !found.is_empty()) {
            Some(found) => found
                .into_iter()
                .for_each(|one| self.add(one.field, one.description)),
            None => {
                self.other.get_or_insert(status);
            }
        }
        None
    }

    pub fn id<T: From<Uuid>>(&mut self, field: &str, text: &str) -> Option<T> {
        self.take(id(field, text))
    }

    pub fn is_empty(&self) -> bool {
        self.violations.is_empty() && self.other.is_none()
    }

    /// # Errors
    /// Something is wrong: all of it.
    pub fn told(self) -> Result<(), Status> {
        if self.is_empty() {
            return Ok(());
        }
        Err(self.status())
    }

    /// Of whom something is wrong.
    pub fn status(self) -> Status {
        let all = self.violations.iter();
        let all = all.map(|(field, expected)| (&**field, &**expected));
        self.other.unwrap_or_else(|| invalid_all(all))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::error::{invalid, unavailable};

    #[test]
    fn everything_is_told_at_once() {
        let mut faults = Faults::default();
        assert_eq!(faults.take(Ok(1)), Some(1));
        assert!(faults.is_empty());
        assert_eq!(faults.id::<Uuid>("account_id", "x"), None);
        assert_eq!(
            faults.take::<()>(Err(invalid("name", "must be given"))),
            None
        );
        faults.add("kind", "is not known");
        let told = faults.told().unwrap_err();
        let told = told.get_details_bad_request().unwrap().field_violations;
        let fields: Vec<String> = told.into_iter().map(|one| one.field).collect();
        assert_eq!(fields, ["account_id", "name", "kind"]);
    }

    #[test]
    fn what_is_about_no_field_goes_first() {
        let mut faults = Faults::default();
        faults.add("kind", "is not known");
        faults.take::<()>(Err(unavailable("mapping")));
        assert_eq!(faults.told().unwrap_err().code(), Code::Unavailable);
    }
}
