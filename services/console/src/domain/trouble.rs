//! What went wrong with a call, as pages tell it.

/// Which service was asked.
pub type Service = &'static str;

/// A field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// As the API calls it: `mappings[3].date_format`.
    pub field: String,
    pub says: String,
}

/// Why a call did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The token is not good any more.
    SignedOut,
    /// Another role, or another account, is needed.
    Forbidden { says: String },
    /// There is no such thing.
    Missing { says: String },
    /// What was written is wrong.
    Invalid(Vec<Fault>),
    /// It can't be done as things stand; the reason code says why.
    Refused { code: String, says: String },
    /// The service does not answer; the same may go well later.
    Away { service: Service },
    /// Ours to mend.
    Failed {
        service: Service,
        says: String,
        /// By which log lines and traces of all processes are found.
        request: String,
    },
}

impl Trouble {
    /// A sentence for whoever looks at the page.
    pub fn says(&self) -> String {
        match self {
            Self::SignedOut => "Your session has ended; sign in again.".to_owned(),
            Self::Forbidden { says } => {
                format!("You may not do this: {says}. Ask an administrator for a token that may.")
            }
            Self::Missing { says } | Self::Refused { says, .. } => sentence(says),
            Self::Invalid(faults) => {
                let said: Vec<_> = faults.iter().map(Fault::sentence).collect();
                said.join(" ")
            }
            Self::Away { service } => format!(
                "The {service} service does not answer now. What needs it is missing here; it \
                 comes back by itself."
            ),
            Self::Failed {
                service,
                says,
                request,
            } => format!(
                "The {service} service failed ({says}). Try again; its log says why, by the \
                 request id {request}."
            ),
        }
    }

    /// The status of a page that has nothing else to show.
    pub fn status(&self) -> u16 {
        match self {
            Self::SignedOut => 401,
            Self::Forbidden { .. } => 403,
            Self::Missing { .. } => 404,
            Self::Invalid(_) => 422,
            Self::Refused { .. } => 409,
            Self::Away { .. } => 503,
            Self::Failed { .. } => 500,
        }
    }

    /// Whether it carries this reason code.
    pub fn is(&self, reason: weir_reasons::Reason) -> bool {
        matches!(self, Self::Refused { code, .. } if code == reason.code())
    }
}

impl Fault {
    /// `Name: must be given.`
    pub fn sentence(&self) -> String {
        if self.field.is_empty() {
            return sentence(&self.says);
        }
        sentence(&format!("{}: {}", self.field, self.says))
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut said: String = first.to_uppercase().chain(letters).collect();
    if !said.ends_with(['.', '!', '?']) {
        said.push('.');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_a_sentence() {
        let says = |says: &str| Trouble::Missing {
            says: says.to_owned(),
        };
        assert_eq!(says("no such contact").says(), "No such contact.");
        assert_eq!(says("").says(), "");
        let faults = vec![
            Fault {
                field: "name".to_owned(),
                says: "must be given".to_owned(),
            },
            Fault {
                field: String::new(),
                says: "and 2 more".to_owned(),
            },
        ];
        assert_eq!(
            Trouble::Invalid(faults).says(),
            "Name: must be given. And 2 more."
        );
    }
}
