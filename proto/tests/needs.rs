//! Who may call what: every RPC says it, and what it says can be.

#![allow(clippy::unwrap_used)]

extern crate prost_reflect;

// It takes the crate from the root that it is built in.
#[path = "../build/needs.rs"]
mod needs;

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};
use serde_json::{Value, json};
use weir_access::{Need, On, Role};
use weir_proto::{FILE_DESCRIPTOR_SET, NEEDS};

#[test]
fn every_rpc_is_in_the_table_once() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let methods = pool.services().flat_map(|service| {
        let paths = service
            .methods()
            .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()));
        paths.collect::<Vec<_>>()
    });
    let methods: BTreeSet<_> = methods.collect();
    let declared: BTreeSet<_> = NEEDS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(methods, declared);
    assert_eq!(declared.len(), NEEDS.len());
}

/// Whoever looks at a server sees who may call what.
#[test]
fn reflection_tells_it_too() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let option = pool.get_extension_by_name("weir.access.v1.need").unwrap();
    for service in pool.services() {
        for method in service.methods() {
            let options = method.options();
            assert!(options.has_extension(&option), "{}", method.full_name());
        }
    }
}

#[test]
fn the_pipeline_is_for_services_and_the_rest_for_roles() {
    let need = |path: &str| NEEDS.iter().find(|(known, _)| *known == path).unwrap().1;
    for path in [
        "/weir.contact.v1.ContactService/UpsertContacts",
        "/weir.quota.v1.QuotaService/Reserve",
        "/weir.ledger.v1.LedgerService/FenceUsage",
        "/weir.erasure.v1.ErasureService/EraseAccount",
        "/weir.mapping.v1.MappingService/Authenticate",
    ] {
        assert_eq!(need(path), Need::Services, "{path}");
    }
    let on = |role, without| Need::Caller {
        role,
        on: On::Account {
            field: &[1],
            without,
        },
    };
    assert_eq!(
        need("/weir.contact.v1.ContactService/GetContact"),
        on(Role::Read, Role::Read)
    );
    assert_eq!(
        need("/weir.mapping.v1.ConfigurationService/DeleteAccount"),
        on(Role::Admin, Role::Admin)
    );
    let list = need("/weir.mapping.v1.MappingService/ListAccounts");
    let on = On::Accounts { field: 3 };
    let role = Role::Read;
    assert_eq!(list, Need::Caller { role, on });
}

/// One that is asked for by another field of the request than the one that its handler reads would
/// let a token into accounts of others.
#[test]
fn the_field_that_is_asked_is_the_one_that_names_the_account() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for (path, need) in NEEDS {
        let (service, name) = path[1..].split_once('/').unwrap();
        let service = pool.get_service_by_name(service).unwrap();
        let method = service.methods().find(|method| method.name() == name);
        let request = method.unwrap().input();
        let named: Vec<String> = fields(&request, String::new())
            .into_iter()
            .filter(|field| field.ends_with("account_id"))
            .collect();
        match need {
            Need::Services => {}
            Need::Caller {
                on: On::Account { field, .. },
                ..
            } => assert_eq!(named, [name_of(&request, field)], "{path}"),
            Need::Caller {
                on: On::Accounts { field },
                ..
            } => {
                let field = name_of(&request, &[*field]);
                assert!(
                    ["account_ids", "only_accounts"].contains(&&*field),
                    "{path}"
                );
                assert_eq!(named, [""; 0], "{path}");
            }
            Need::Caller { on: On::All, .. } => assert_eq!(named, [""; 0], "{path}"),
        }
    }
}

/// All fields of a message and of those in it, by their paths.
fn fields(message: &MessageDescriptor, before: String) -> Vec<String> {
    let all = message.fields().flat_map(|field| {
        let path = format!("{before}{}", field.name());
        match field.kind() {
            // None of ours is in itself.
            Kind::Message(inner) => fields(&inner, format!("{path}.")),
            _ => vec![path],
        }
    });
    all.collect()
}

fn name_of(message: &MessageDescriptor, path: &[u32]) -> String {
    let (mut message, mut names) = (message.clone(), Vec::new());
    for number in path {
        let field = message.get_field(*number).unwrap();
        names.push(field.name().to_owned());
        if let Kind::Message(inner) = field.kind() {
            message = inner;
        }
    }
    names.join(".")
}

/// What the build makes of an RPC that declares this; `streams` requests where it says so.
fn built(declared: &Value, streams: bool) -> Result<String, String> {
    let field = |name: &str, number: u32, kind: &str| {
        let (label, kind) = match kind.strip_prefix("repeated ") {
            Some(kind) => ("LABEL_REPEATED", kind),
            None => ("LABEL_OPTIONAL", kind),
        };
        match kind {
            "Inner" => json!({"name": name, "number": number, "label": label,
                "type": "TYPE_MESSAGE", "typeName": ".weir.test.v1.Inner"}),
            kind => json!({"name": name, "number": number, "label": label, "type": kind}),
        }
    };
    let text = "TYPE_STRING";
    let mut fields = vec![
        field("account_id", 1, text),
        field("inner", 2, "Inner"),
        field("many", 3, "repeated TYPE_STRING"),
        field("inners", 4, "repeated Inner"),
        field("number", 5, "TYPE_INT64"),
        field("this", 6, text),
        field("that", 8, text),
        field("perhaps", 9, text),
    ];
    for (choice, index) in [(5, 0), (6, 0), (7, 1)] {
        fields[choice]["oneofIndex"] = json!(index);
    }
    fields[7]["proto3Optional"] = json!(true);
    let options = match declared.is_null() {
        true => json!({}),
        false => json!({"[weir.access.v1.need]": declared}),
    };
    let file = json!({
        "name": "test.proto", "package": "weir.test.v1", "syntax": "proto3",
        "dependency": ["weir/access/v1/options.proto"],
        "messageType": [
            {"name": "Inner", "field": [field("account_id", 7, text)]},
            {"name": "Request", "field": fields,
             "oneofDecl": [{"name": "either"}, {"name": "_perhaps"}]},
        ],
        "service": [{"name": "TestService", "method": [{
            "name": "Test", "clientStreaming": streams, "options": options,
            "inputType": ".weir.test.v1.Request", "outputType": ".weir.test.v1.Request",
        }]}],
    });
    let all = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    // Without our own services.
    let mut pool = DescriptorPool::new();
    for name in [
        "google/protobuf/descriptor.proto",
        "weir/access/v1/options.proto",
    ] {
        let bytes = all.get_file_by_name(name).unwrap().encode_to_vec();
        pool.decode_file_descriptor_proto(&*bytes).unwrap();
    }
    let descriptor = pool.get_message_by_name("google.protobuf.FileDescriptorProto");
    let file = DynamicMessage::deserialize(descriptor.unwrap(), &file).unwrap();
    let bytes = file.encode_to_vec();
    pool.decode_file_descriptor_proto(&*bytes).unwrap();
    needs::table(&pool)
}

#[test]
fn what_can_be_declared_is_written_down() {
    for (declared, streams, written) in [
        (json!({"role": "ROLE_SERVICE"}), false, "Need::Services"),
        (
            json!({"role": "ROLE_READ", "account": "account_id"}),
            false,
            "On::Account { field: &[1], without: Role::Read }",
        ),
        (
            json!({"role": "ROLE_WRITE", "account": "inner.account_id",
                   "roleWithoutAccount": "ROLE_ADMIN"}),
            false,
            "On::Account { field: &[2, 7], without: Role::Admin }",
        ),
        (
            json!({"role": "ROLE_READ", "account": "perhaps"}),
            false,
            "On::Account { field: &[9], without: Role::Read }",
        ),
        (
            json!({"role": "ROLE_READ", "accountsOfCaller": "many"}),
            false,
            "On::Accounts { field: 3 }",
        ),
        (
            json!({"role": "ROLE_ADMIN", "anyAccount": true}),
            false,
            "On::All",
        ),
        (json!({"role": "ROLE_SERVICE"}), true, "Need::Services"),
    ] {
        let table = built(&declared, streams).unwrap();
        assert!(table.contains(written), "{declared}: {table}");
    }
}

#[test]
fn what_declares_nothing_or_what_can_not_be_does_not_build() {
    let read = |on: &str, path: &str| json!({"role": "ROLE_READ", on: path});
    for declared in [
        Value::Null,
        json!({"account": "account_id"}),
        json!({"role": "ROLE_READ"}),
        json!({"role": "ROLE_SERVICE", "account": "account_id"}),
        read("account", "nowhere"),
        read("account", ""),
        read("account", "number"),
        read("account", "many"),
        read("account", "inner"),
        read("account", "inners.account_id"),
        read("account", "this"),
        json!({"role": "ROLE_READ", "account": "account_id",
               "roleWithoutAccount": "ROLE_SERVICE"}),
        read("accountsOfCaller", "account_id"),
        read("accountsOfCaller", "number"),
        json!({"role": "ROLE_READ", "anyAccount": false}),
        json!({"role": "ROLE_READ", "anyAccount": true, "roleWithoutAccount": "ROLE_ADMIN"}),
    ] {
        let fault = built(&declared, false).unwrap_err();
        assert!(fault.contains("TestService.Test"), "{declared}: {fault}");
    }
    let fault = built(&read("account", "account_id"), true).unwrap_err();
    assert!(fault.contains("stream"), "{fault}");
}
