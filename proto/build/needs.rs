//! What each RPC declares to need (`weir.access.v1.need`), checked, as a table in Rust.

use crate::prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ReflectMessage,
};

const OPTION: &str = "weir.access.v1.need";

/// The table of all RPCs.
///
/// # Errors
/// One of them declares nothing, or what can't be: says which, and what is wrong.
pub fn table(pool: &DescriptorPool) -> Result<String, String> {
    let mut rows = Vec::new();
    for service in pool.services() {
        for method in service.methods() {
            let need = need(pool, &method)
                .map_err(|fault| format!("{}: {fault} ({OPTION})", method.full_name()))?;
            let path = format!("/{}/{}", service.full_name(), method.name());
            rows.push(format!("    ({path:?}, {need}),\n"));
        }
    }
    rows.sort();
    Ok(format!("&[\n{}]\n", rows.concat()))
}

fn need(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<String, String> {
    let option = pool.get_extension_by_name(OPTION);
    let option = option.ok_or("there is no such option")?;
    let options = method.options();
    if !options.has_extension(&option) {
        return Err("an RPC says who may call it".to_owned());
    }
    let declared = options.get_extension(&option);
    let declared = declared.as_message().ok_or("it is no message")?;
    let role = role(declared, "role")?.ok_or("its role is missing")?;
    let on = on(declared, role, &method.input())?;
    match (role, on) {
        ("Service", None) => Ok("Need::Services".to_owned()),
        ("Service", Some(_)) => Err("services may touch all accounts".to_owned()),
        (_, None) => Err("it says nothing of accounts".to_owned()),
        (_, Some(_)) if method.is_client_streaming() => {
            Err("of a stream of requests only services may be callers".to_owned())
        }
        (role, Some(on)) => Ok(format!("Need::Caller {{ role: Role::{role}, on: {on} }}")),
    }
}

fn role(declared: &DynamicMessage, field: &str) -> Result<Option<&'static str>, String> {
    let value = declared.get_field_by_name(field);
    match value.and_then(|value| value.as_enum_number()) {
        Some(0) | None => Ok(None),
        Some(1) => Ok(Some("Read")),
        Some(2) => Ok(Some("Write")),
        Some(3) => Ok(Some("Admin")),
        Some(4) => Ok(Some("Service")),
        Some(other) => Err(format!("{field} {other} is none that is known")),
    }
}

fn on(
    declared: &DynamicMessage,
    role_with: &'static str,
    request: &MessageDescriptor,
) -> Result<Option<String>, String> {
    let without = role(declared, "role_without_account")?;
    let descriptor = declared.descriptor();
    let mut said = descriptor
        .fields()
        .filter(|field| field.containing_oneof().is_some() && declared.has_field(field));
    let Some(field) = said.next() else {
        return Ok(None);
    };
    let value = declared.get_field(&field);
    if without.is_some() && field.name() != "account" {
        return Err("role_without_account belongs to account".to_owned());
    }
    let text = value.as_str().unwrap_or_default();
    match field.name() {
        "account" => {
            let path = account(request, text)?;
            let without = without.unwrap_or(role_with);
            if without == "Service" {
                return Err("role_without_account is read, write or admin".to_owned());
            }
            Ok(Some(format!(
                "On::Account {{ field: &{path:?}, without: Role::{without} }}"
            )))
        }
        "accounts_of_caller" => {
            let field = named(request, text)?;
            if !is_text(&field, Cardinality::Repeated) {
                return Err(format!("{text} is no list of strings"));
            }
            let number = field.number();
            Ok(Some(format!("On::Accounts {{ field: {number} }}")))
        }
        "any_account" if value.as_bool() == Some(true) => Ok(Some("On::All".to_owned())),
        other => Err(format!("{other} says nothing")),
    }
}

/// The numbers of the fields on the way to the one that holds the account.
fn account(request: &MessageDescriptor, path: &str) -> Result<Vec<u32>, String> {
    let mut message = request.clone();
    let mut numbers = Vec::new();
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let field = named(&message, name)?;
        // The wire would have to be read for the other fields of a choice, too.
        let is_choice = field.containing_oneof().is_some()
            // To a descriptor `optional` is a choice of one.
            && !field.field_descriptor_proto().proto3_optional();
        if is_choice {
            return Err(format!("{name} is one of several"));
        }
        numbers.push(field.number());
        match (names.peek(), field.kind()) {
            (Some(_), Kind::Message(inner)) if !field.is_list() && !field.is_map() => {
                message = inner;
            }
            (None, Kind::String) if is_text(&field, Cardinality::Optional) => {}
            _ => return Err(format!("{path} leads to no string")),
        }
    }
    Ok(numbers)
}

fn named(message: &MessageDescriptor, name: &str) -> Result<FieldDescriptor, String> {
    let field = message.get_field_by_name(name);
    field.ok_or_else(|| format!("{} has no field {name:?}", message.name()))
}

fn is_text(field: &FieldDescriptor, cardinality: Cardinality) -> bool {
    field.kind() == Kind::String && field.cardinality() == cardinality
}
