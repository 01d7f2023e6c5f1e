//! What a caller needs, as a sentence.

use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use weir_access::{Need, On};
use weir_proto::NEEDS;

/// As it is declared beside the method.
pub fn of(method: &MethodDescriptor) -> Need {
    let service = method.parent_service();
    let path = format!("/{}/{}", service.full_name(), method.name());
    let found = NEEDS.iter().find(|(known, _)| *known == path);
    found.unwrap().1
}

pub fn sentence(need: Need, request: &MessageDescriptor) -> String {
    let Need::Caller { role, on } = need else {
        return "For Weir's own services alone.".to_owned();
    };
    let of_what = match on {
        On::Account { field, without } => {
            let field = name(request, field);
            if without == role {
                format!(" for the account in `{field}`")
            } else {
                format!(
                    " for the account in `{field}`, or the role `{without}` for all accounts \
                     where that is empty"
                )
            }
        }
        On::Accounts { field } => format!(
            " for the accounts in `{}`; where there are none, for those of the token",
            name(request, &[field])
        ),
        On::All => " that is for all accounts".to_owned(),
    };
    format!("Needs a token with the role `{role}`{of_what}.")
}

/// `filter.account_id`, say.
fn name(request: &MessageDescriptor, path: &[u32]) -> String {
    let (mut message, mut names) = (request.clone(), Vec::new());
    for number in path {
        let field = message.get_field(*number).unwrap();
        names.push(field.name().to_owned());
        if let Kind::Message(inner) = field.kind() {
            message = inner;
        }
    }
    names.join(".")
}
