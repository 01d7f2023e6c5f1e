//! What went wrong with a call, as pages tell it: by the names that fields have there, and in no
//! words of the APIs.

use weir_reasons::Reason;

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
    /// It did not answer in time: it, or one that it asks.
    Late { service: Service },
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
            Self::Refused { code, says } => match in_words(code) {
                Some(words) => words.to_owned(),
                None => sentence(says),
            },
            Self::Missing { says } => sentence(says),
            Self::Invalid(faults) => {
                let said: Vec<_> = faults.iter().map(Fault::sentence).collect();
                said.join(" ")
            }
            Self::Away { service } => {
                let who = match *service {
                    "Redis" => "Redis".to_owned(),
                    service => format!("The {service} service"),
                };
                format!(
                    "{who} does not answer now. What needs it is missing here; it comes back by \
                     itself."
                )
            }
            Self::Late { service } => format!(
                "The {service} service did not answer in time: it, or one that it asks, is away or \
                 busy. What needs it is missing here; it comes back by itself."
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
            Self::Away { .. } | Self::Late { .. } => 503,
            Self::Failed { .. } => 500,
        }
    }

    /// Whether it carries this reason code.
    pub fn is(&self, reason: Reason) -> bool {
        matches!(self, Self::Refused { code, .. } if code == reason.code())
    }
}

/// Of reasons that the APIs tell in words for whoever writes requests.
fn in_words(code: &str) -> Option<&'static str> {
    Some(match Reason::of_code(code)? {
        Reason::RequestIdTaken => TAKEN,
        Reason::ContactsExist => {
            "There are contacts already: what tells them apart is changed on the map page of a \
             source, which has all of them looked at."
        }
        Reason::ReplayRunning => {
            "Another replay of this source has not ended: one runs at a time. Nothing was started."
        }
        Reason::ReindexUnderWay => {
            "Contacts are being looked at for other unique identifiers now: the settings lead to \
             how far that is. Change them once it is done."
        }
        _ => return None,
    })
}

/// Where a request was taken for another one of before.
const TAKEN: &str = "This page was used before to send something else. Nothing was done now: look at \
                     what stands, and send it again.";

/// What fields of requests are called on pages, those of lists with their lines.
const CALLED: [(&str, &str); 26] = [
    ("notification_address", "Notification address"),
    ("webhook_url", "Webhook"),
    ("webhook_secret", "The webhook's secret"),
    ("blocked_values.blocked", "Values that mean nobody"),
    (
        "blocked_values.allowed_defaults",
        "Defaults that mean somebody here",
    ),
    (
        "allowed_origins.origins",
        "Origins that browsers may send from",
    ),
    ("plan.included_contacts", "Included contacts"),
    ("plan.additional_contacts", "Additional contacts"),
    ("plan.activity_slots", "Activity slots"),
    ("plan.profile_factor", "Identifies per contact and day"),
    (
        "plan.activity_factor",
        "Tracks per contact, activity and day",
    ),
    ("unique_identifiers.field_ids", "Unique identifiers"),
    ("unique_identifiers", "Unique identifiers"),
    ("key_strategy", "Key strategy"),
    ("merge_strategy", "When a contact is there already"),
    ("existing_only", "Only contacts that are there already"),
    ("from_source_id", "Copy a mapping"),
    ("to_source_id", "Copy a mapping"),
    ("retention_days", "Kept for"),
    ("event_name", "Event"),
    ("filter.event_names", "Event"),
    ("filter.codes", "Reason"),
    ("codes", "Reason"),
    ("expire_time", "Ends"),
    ("overlap", "When the others end"),
    ("query", "What is looked for"),
];

/// Those of a form's box that takes a line each.
const LINES: [&str; 3] = [
    "blocked_values.blocked",
    "blocked_values.allowed_defaults",
    "allowed_origins.origins",
];

impl Fault {
    /// `Name: must be given.`
    pub fn sentence(&self) -> String {
        if self.field.is_empty() {
            return sentence(&self.says);
        }
        if self.field == "page_token" {
            return "The list does not go on here: begin with its first page.".to_owned();
        }
        sentence(&format!("{}: {}", called(&self.field), self.told()))
    }

    /// What is wrong, in the words of the page.
    fn told(&self) -> String {
        if self.field.starts_with("blocked_values.blocked") && self.field.ends_with(".kind") {
            return "in front of “=” stands user_id, anonymous_id, or the id of a field of this \
                    account that is a text, an e-mail or a phone"
                .to_owned();
        }
        self.says
            .replace("webhook_url", "webhook")
            .replace("webhook_secret", "secret")
            .replace(" (docs/reasons.md)", ", such as NO_MAPPING")
    }
}

/// A field of a request, or of the record of changes, as pages call it.
pub fn called(field: &str) -> String {
    let below = |name: &str| {
        let rest = field.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with(['[', '.'])).then_some(rest)
    };
    let known = CALLED
        .iter()
        .find_map(|(name, called)| Some((name, called, below(name)?)));
    let Some((name, called, rest)) = known else {
        return sentence(&field.replace('_', " "))
            .trim_end_matches('.')
            .to_owned();
    };
    let place = rest.split(['[', ']']).nth(1);
    let place = place.and_then(|place| place.parse::<usize>().ok());
    match place.filter(|_| LINES.contains(name)) {
        Some(place) => format!("{called}, line {}", place + 1),
        None => (*called).to_owned(),
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

    #[test]
    fn what_is_wrong_is_told_by_the_names_that_pages_have() {
        for (field, says, told) in [
            (
                "notification_address",
                "must be an e-mail address, or empty",
                "Notification address: must be an e-mail address, or empty.",
            ),
            (
                "webhook_secret",
                "must be given with the first webhook_url: whsec_ and the base64 of …",
                "The webhook's secret: must be given with the first webhook: whsec_ and the base64 of ….",
            ),
            (
                "blocked_values.blocked[1].pattern",
                "would block everything",
                "Values that mean nobody, line 2: would block everything.",
            ),
            (
                "allowed_origins.origins[1]",
                "must be an origin",
                "Origins that browsers may send from, line 2: must be an origin.",
            ),
            (
                "to_source_id",
                "must be another source",
                "Copy a mapping: must be another source.",
            ),
            (
                "codes[0]",
                "must be a reason code of events or values (docs/reasons.md)",
                "Reason: must be a reason code of events or values, such as NO_MAPPING.",
            ),
            (
                "page_token",
                "must be the next_page_token of another answer",
                "The list does not go on here: begin with its first page.",
            ),
            ("some_thing", "is wrong", "Some thing: is wrong."),
        ] {
            let fault = Fault {
                field: field.to_owned(),
                says: says.to_owned(),
            };
            assert_eq!(fault.sentence(), told);
        }
        let kind = Fault {
            field: "blocked_values.blocked[0].kind".to_owned(),
            says: "must be user_id, anonymous_id, a text, …".to_owned(),
        };
        let told = kind.sentence();
        assert!(told.starts_with("Values that mean nobody, line 1: in front of"));
        let taken = Trouble::Refused {
            code: Reason::RequestIdTaken.code().to_owned(),
            says: "something else was asked for under this request_id".to_owned(),
        };
        assert_eq!(taken.says(), TAKEN);
    }
}
