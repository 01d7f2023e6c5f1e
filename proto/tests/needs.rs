//! Who may call what: every RPC says it, and what it says can be.

#![allow(clippy::unwrap_used)]

#[path = "../build/needs.rs"]
mod needs;

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
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

/// The protos of a test, as the build reads them.
fn built(method: &str) -> Result<String, String> {
    let file = format!(
        r#"syntax = "proto3";
        package weir.test.v1;
        import "weir/access/v1/options.proto";
        service TestService {{
          rpc Test({}Request) returns (Request) {{ {} }}
        }}
        message Inner {{ string account_id = 7; }}
        message Request {{
          string account_id = 1;
          Inner inner = 2;
          repeated string many = 3;
          repeated Inner inners = 4;
          int64 number = 5;
          oneof either {{ string this = 6; string that = 8; }}
          optional string perhaps = 9;
        }}"#,
        if method.contains("streams") {
            "stream "
        } else {
            ""
        },
        match method {
            "" => String::new(),
            said => format!(
                "option (weir.access.v1.need) = {{{}}};",
                said.trim_start_matches("streams ")
            ),
        }
    );
    let folder = env!("CARGO_MANIFEST_DIR");
    let mut resolver = protox::file::ChainFileResolver::new();
    resolver.add(Only(file));
    resolver.add(protox::file::IncludeFileResolver::new(folder.into()));
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file("test.proto")
        .unwrap();
    needs::table(&compiler.descriptor_pool())
}

struct Only(String);

impl protox::file::FileResolver for Only {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        if name == "test.proto" {
            protox::file::File::from_source(name, &self.0)
        } else {
            Err(protox::Error::file_not_found(name))
        }
    }
}

#[test]
fn what_can_be_declared_is_written_down() {
    for (said, written) in [
        ("role: ROLE_SERVICE", "Need::Services"),
        (
            r#"role: ROLE_READ, account: "account_id""#,
            "On::Account { field: &[1], without: Role::Read }",
        ),
        (
            r#"role: ROLE_WRITE, account: "inner.account_id", role_without_account: ROLE_ADMIN"#,
            "On::Account { field: &[2, 7], without: Role::Admin }",
        ),
        (
            r#"role: ROLE_READ, account: "perhaps""#,
            "On::Account { field: &[9], without: Role::Read }",
        ),
        (
            r#"role: ROLE_READ, accounts_of_caller: "many""#,
            "On::Accounts { field: 3 }",
        ),
        ("role: ROLE_ADMIN, any_account: true", "On::All"),
        ("streams role: ROLE_SERVICE", "Need::Services"),
    ] {
        let table = built(said).unwrap();
        assert!(table.contains(written), "{said}: {table}");
    }
}

#[test]
fn what_declares_nothing_or_what_can_not_be_does_not_build() {
    for said in [
        "",
        r#"account: "account_id""#,
        "role: ROLE_READ",
        r#"role: ROLE_SERVICE, account: "account_id""#,
        r#"role: ROLE_READ, account: "nowhere""#,
        r#"role: ROLE_READ, account: """#,
        r#"role: ROLE_READ, account: "number""#,
        r#"role: ROLE_READ, account: "many""#,
        r#"role: ROLE_READ, account: "inner""#,
        r#"role: ROLE_READ, account: "inners.account_id""#,
        r#"role: ROLE_READ, account: "this""#,
        r#"role: ROLE_READ, account: "account_id", role_without_account: ROLE_SERVICE"#,
        r#"role: ROLE_READ, accounts_of_caller: "account_id""#,
        r#"role: ROLE_READ, accounts_of_caller: "number""#,
        "role: ROLE_READ, any_account: false",
        "role: ROLE_READ, any_account: true, role_without_account: ROLE_ADMIN",
        r#"streams role: ROLE_READ, account: "account_id""#,
    ] {
        let fault = built(said).unwrap_err();
        assert!(fault.contains("TestService.Test"), "{said}: {fault}");
    }
}
