//! `call --list`: the methods that there are.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MethodDescriptor};
use weir_stack::Service;

use super::{no_method, read_service, reflection};
use crate::address::Addresses;
use crate::arguments::CallOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &CallOptions) -> Result<(), Failure> {
    let addresses = Addresses::read(&options.addresses)?;
    let text = options.method.as_deref().map(|text| text.trim_matches('/'));
    let (wanted, method) = match text.map(|text| text.split_once('/').unwrap_or((text, ""))) {
        Some((service, method)) => (Some(read_service(service)?), method),
        None => (None, ""),
    };
    let services = Service::ALL
        .into_iter()
        .filter(|service| service.grpc_name().is_some())
        .filter(|service| wanted.is_none_or(|wanted| wanted == *service));
    for service in services {
        let channel = addresses.connect(service).await?;
        let described = reflection::describe(channel, service).await?;
        let methods = described.iter().flat_map(|described| described.methods());
        let methods = named(methods.collect(), method, service)?;
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
        for method in methods {
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

/// All where none is named.
fn named(
    mut methods: Vec<MethodDescriptor>,
    name: &str,
    service: Service,
) -> Result<Vec<MethodDescriptor>, Failure> {
    if name.is_empty() {
        return Ok(methods);
    }
    let unknown = no_method(service, name, &methods);
    methods.retain(|method| method.name() == name);
    match methods.is_empty() {
        true => Err(unknown),
        false => Ok(methods),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_named_is_shown_alone() {
        let pool = prost_reflect::DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap();
        let service = pool
            .get_service_by_name("weir.mapping.v1.MappingService")
            .unwrap();
        let all: Vec<_> = service.methods().collect();
        let names = |name: &str| {
            let found = named(all.clone(), name, Service::Mapping);
            found.map(|methods| {
                methods
                    .iter()
                    .map(|one| one.name().to_owned())
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(names("GetAccount").unwrap(), ["GetAccount"]);
        assert_eq!(names("").unwrap().len(), all.len());
        let Err(Failure::Input(said)) = names("GetAcount") else {
            panic!("found");
        };
        assert!(said.contains("no method \"GetAcount\"; it has "), "{said}");
    }
}
