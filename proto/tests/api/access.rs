//! What a caller needs, where that is declared beside an RPC (`(weir.access.v1.need)`).

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage, Value};

const NEED: &str = "weir.access.v1.need";

/// What is declared.
pub struct Need(DynamicMessage);

/// None where nothing is.
pub fn of(pool: &DescriptorPool, method: &MethodDescriptor) -> Option<Need> {
    let extension = pool.get_extension_by_name(NEED)?;
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    match options.get_extension(&extension).into_owned() {
        Value::Message(need) => Some(Need(need)),
        _ => None,
    }
}

impl Need {
    pub fn is_for_services(&self) -> bool {
        self.role("role").as_deref() == Some("service")
    }

    /// A sentence.
    pub fn sentence(&self) -> String {
        if self.is_for_services() {
            return "For Weir's own services alone.".to_owned();
        }
        let role = self.role("role").unwrap_or_default();
        let of_what = if let Some(field) = self.text("account") {
            let without = self
                .role("role_without_account")
                .map(|role| format!(", or the role `{role}` for all accounts where that is empty"));
            format!(
                " for the account in `{field}`{}",
                without.unwrap_or_default()
            )
        } else if let Some(field) = self.text("accounts_of_caller") {
            format!(" for the accounts in `{field}`; where there are none, for those of the token")
        } else {
            ", whatever its accounts are".to_owned()
        };
        format!("Needs a token with the role `{role}`{of_what}.")
    }

    /// `read` of `ROLE_READ`; none where nothing is said.
    fn role(&self, field: &str) -> Option<String> {
        let value = self.0.get_field_by_name(field)?;
        let field = self.0.descriptor().get_field_by_name(field)?;
        let number = value.as_enum_number().filter(|number| *number != 0)?;
        let kind = field.kind();
        let name = kind.as_enum()?.get_value(number)?.name().to_lowercase();
        Some(name.trim_start_matches("role_").to_owned())
    }

    fn text(&self, field: &str) -> Option<String> {
        let value = self.0.get_field_by_name(field)?;
        let text = value.as_str()?.to_owned();
        (!text.is_empty()).then_some(text)
    }
}
