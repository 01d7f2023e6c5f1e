//! The page itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use prost_reflect::{MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use weir_access::Need;

use crate::contract::{Contract, short};
use crate::{access, edge, example, table};

const HEAD: &str = include_str!("head.md");

/// Where a package is served, how that is called, and at which port where nothing else is said.
fn home(package: &str) -> (&'static str, &str, Option<u16>) {
    match short(package) {
        "mapping" => ("mapping", "mapping", Some(7001)),
        "contact" => ("contact-upsert", "contact", Some(7002)),
        "activity" => ("activity", "activity", Some(7003)),
        "audience" => ("audience", "audience", Some(7004)),
        "quota" => ("quota", "quota", Some(7005)),
        // Tokens and the record of changes live in mapping.
        "access" => ("mapping", "mapping", Some(7001)),
        "ledger" => (
            "contact-upsert and activity, each for its own units",
            "ledger",
            None,
        ),
        "process" => ("every service, about itself", "process", Some(7001)),
        short => ("every service that keeps something", short, None),
    }
}

/// What a heading of this text is linked by.
pub fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

pub fn write(contract: &Contract) -> String {
    let mut page = HEAD.to_owned();
    let services = contract.services();
    contents(contract, &services, &mut page);
    edge::write(&mut page);
    for (at, service) in services.iter().enumerate() {
        write_service(contract, service, &mut page);
        let package = service.package_name();
        let is_last = services
            .get(at + 1)
            .is_none_or(|next| next.package_name() != package);
        if is_last {
            write_messages(contract, package, &mut page);
        }
    }
    write_unserved(contract, &services, &mut page);
    page
}

/// The first sentence of a text.
fn first_sentence(text: &str) -> &str {
    let text = text.split("\n\n").next().unwrap_or_default();
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    &text[..end]
}

fn contents(contract: &Contract, services: &[ServiceDescriptor], page: &mut String) {
    page.push_str("\n## Contents\n\n");
    edge::contents(page);
    for service in services {
        let name = service.full_name();
        let about = contract.comment_of_service(service);
        let about = first_sentence(&about);
        writeln!(page, "- [{name}](#{}): {about}", anchor(name)).unwrap();
        let methods: Vec<String> = service
            .methods()
            .map(|method| format!("[{}](#{})", method.name(), anchor(&call(&method))))
            .collect();
        writeln!(page, "  {}", methods.join(" · ")).unwrap();
    }
}

/// `contact/GetContact`, as `./weir call` takes it.
fn call(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    let (_, name, _) = home(service.package_name());
    format!("{name}/{}", method.name())
}

fn write_service(contract: &Contract, service: &ServiceDescriptor, page: &mut String) {
    let (process, _, port) = home(service.package_name());
    let port = port.map(|port| format!(", port {port}"));
    let port = port.unwrap_or_default();
    writeln!(page, "\n## {}\n", service.full_name()).unwrap();
    writeln!(page, "Served by {process}{port}.\n").unwrap();
    writeln!(page, "{}", contract.comment_of_service(service)).unwrap();
    for method in service.methods() {
        write_method(contract, &method, page);
    }
}

fn write_method(contract: &Contract, method: &MethodDescriptor, page: &mut String) {
    writeln!(page, "\n### {}\n", call(method)).unwrap();
    writeln!(page, "{}\n", contract.comment_of_method(method)).unwrap();
    let need = access::of(method);
    writeln!(page, "{}\n", access::sentence(need, &method.input())).unwrap();
    write_body(contract, "Request", &method.input(), page);
    let answer = if method.is_server_streaming() {
        "Answers, as a stream"
    } else {
        "Answer"
    };
    write_body(contract, answer, &method.output(), page);
    let (_, _, port) = home(method.parent_service().package_name());
    if need != Need::Services
        && !method.is_server_streaming()
        && let Some(port) = port
    {
        write_example(method, port, page);
    }
}

fn write_body(contract: &Contract, word: &str, message: &MessageDescriptor, page: &mut String) {
    let about = contract.comment_of_message(message);
    let about = if about.is_empty() {
        about
    } else {
        format!(": {about}")
    };
    writeln!(page, "**{word}** `{}`{about}\n", message.name()).unwrap();
    writeln!(page, "{}", table::fields(contract, message)).unwrap();
}

fn write_example(method: &MethodDescriptor, port: u16, page: &mut String) {
    let service = method.parent_service();
    let request = example::request(&method.input());
    writeln!(
        page,
        "```sh\n\
         request='{request}'\n\
         ./weir call {} \"$request\"\n\
         curl -H \"authorization: Bearer $WEIR_TOKEN\" -H 'content-type: application/json' \\\n  \
         -d \"$request\" http://127.0.0.1:{port}/{}/{}\n\
         ```",
        call(method),
        service.full_name(),
        method.name()
    )
    .unwrap();
}

/// Messages and enums of a package that are no request or answer of its own, or stand in others as
/// well.
fn write_messages(contract: &Contract, package: &str, page: &mut String) {
    let mut sections = BTreeMap::new();
    let is_shown = |message: &MessageDescriptor| {
        let mut methods = contract.pool.services().flat_map(|service| {
            let methods: Vec<_> = service.methods().collect();
            methods
        });
        let is_whole = methods.any(|it| it.input() == *message || it.output() == *message);
        let all = contract.pool.all_messages();
        let mut fields = all.flat_map(|one| one.fields().collect::<Vec<_>>());
        is_whole && !fields.any(|field| field.kind().as_message() == Some(message))
    };
    let inside = |name: &str| name == package;
    for message in contract.pool.all_messages() {
        if inside(message.package_name()) && !is_shown(&message) && !message.is_map_entry() {
            let title = table::title(package, message.full_name());
            let about = contract.comment_of_message(&message);
            sections.insert(title, (about, table::fields(contract, &message)));
        }
    }
    for kind in contract.pool.all_enums() {
        if inside(kind.package_name()) {
            let title = table::title(package, kind.full_name());
            let about = contract.comment_of_enum(&kind);
            sections.insert(title, (about, table::values(contract, &kind)));
        }
    }
    if sections.is_empty() {
        return;
    }
    writeln!(page, "\n## Messages of {package}").unwrap();
    for (title, (about, table)) in sections {
        writeln!(page, "\n### {title}\n").unwrap();
        if !about.is_empty() {
            writeln!(page, "{about}\n").unwrap();
        }
        page.push_str(&table);
    }
}

/// Packages that serve nothing: what several say in the same words.
fn write_unserved(contract: &Contract, services: &[ServiceDescriptor], page: &mut String) {
    let kinds = contract
        .pool
        .all_messages()
        .map(|message| message.full_name().to_owned());
    let mut packages: Vec<String> = kinds
        .filter(|name| name.starts_with("weir."))
        .map(|name| name.split('.').take(3).collect::<Vec<_>>().join("."))
        .filter(|package| {
            services
                .iter()
                .all(|service| service.package_name() != package)
        })
        .collect();
    packages.sort();
    packages.dedup();
    for package in packages {
        write_messages(contract, &package, page);
    }
}
