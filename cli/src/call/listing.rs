//! `call --list`: the methods that there are.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MethodDescriptor};
use weir_stack::Service;

use super::{read_service, reflection};
use crate::address::Addresses;
use crate::arguments::CallOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &CallOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let wanted = options
        .method
        .as_deref()
        .map(|text| read_service(text.split('/').next().unwrap_or(text)))
        .transpose()?;
    let services = Service::ALL
        .into_iter()
        .filter(|service| service.grpc_name().is_some())
        .filter(|service| wanted.is_none_or(|wanted| wanted == *service));
    for service in services {
        let channel = addresses.connect(service).await?;
        let described = reflection::describe(channel, service).await?;
        let names: Vec<&str> = described
            .iter()
            .map(|described| described.full_name())
            .collect();
        say!(
            "{} ({}, {})",
            service.name(),
            names.join(", "),
            addresses.of(service)?.join(", ")
        );
        for method in described.iter().flat_map(|described| described.methods()) {
            say!(
                "  {}/{} {}",
                service.name(),
                method.name(),
                request(&method)
            );
            for line in comment(&method).lines() {
                say!("      {}", line.trim());
            }
        }
        say!();
    }
    Ok(())
}

/// The fields of the request with their types: `{account_id: string, events: [Event]}`.
fn request(method: &MethodDescriptor) -> String {
    let fields: Vec<String> = method
        .input()
        .fields()
        .map(|field| describe(&field))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

fn describe(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(kind) => kind.name().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    match field.cardinality() {
        Cardinality::Repeated => format!("{}: [{kind}]", field.name()),
        _ => format!("{}: {kind}", field.name()),
    }
}

/// The comment above the method in its proto file, where the service hands it out.
fn comment(method: &MethodDescriptor) -> String {
    let file = method.parent_file();
    let file = file.file_descriptor_proto();
    let path = method.path();
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations
        .filter(|location| location.path == path)
        .find_map(|location| location.leading_comments.clone())
        .unwrap_or_default()
}
