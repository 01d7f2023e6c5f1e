//! A person sets a source up from nothing, and is told when data arrives (semantics 7.2); events
//! of a file are sent from the front door.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::json;
use weir_proto::mapping::v1 as mapping;
use weir_stack::StackOptions;
use weir_testkit::PostOffice;
use weir_tests::events::{sample_identify, sample_track};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone_with};

/// `weir send`, with what it printed.
fn send(weir: &Weir, account: &Account, text: &str, arguments: &[&str]) -> (i32, String) {
    let folder = std::env::temp_dir();
    let file = folder.join(format!("weir-send-{}.json", uuid::Uuid::new_v4()));
    std::fs::write(&file, text).unwrap();
    let source = format!("{}/Segment", account.account_id);
    let mut command = Command::new(front_door());
    command.env("WEIR_TOKEN", weir.stack.token());
    command.arg("send").arg(&file).args(["--source", &source]);
    command.args(["--edge", weir.stack.edge_url().as_str()]);
    let mapping = format!("mapping={}", weir.stack.file().grpc["mapping"]);
    command.args(["--address", &mapping]).args(arguments);
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    std::fs::remove_file(file).unwrap();
    let said = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), said)
}

fn front_door() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.ancestors().nth(2).unwrap().join("weir");
    assert!(
        path.exists(),
        "`cargo build --workspace --bins` makes {}",
        path.display()
    );
    path
}

#[test]
fn the_first_identify_of_an_unmapped_source_is_a_mail_in_the_receiver() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let options = StackOptions::temporary()
        .env("WEIR_SMTP_URL", &format!("smtp://{address}"))
        .env("WEIR_CONSOLE_URL", "https://weir.example");
    journey_alone_with(options, async |weir| {
        let office = PostOffice::open_at(address).await;
        let account = Account::unmapped(weir, Plan::default()).await;
        let put = mapping::PutAccountRequest {
            name: account.name.clone(),
            notification_address: Some("owner@example.org".into()),
            ..Default::default()
        };
        weir.mapping().put_account(put).await.unwrap();
        // A sample as it stands, from a file: 422, since nothing is mapped.
        let text = serde_json::to_string_pretty(&sample_identify()).unwrap();
        let (code, said) = send(weir, &account, &text, &[]);
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("422") && said.contains("NO_MAPPING"),
            "{said}"
        );

        let mail = eventually("the mail is there", async || office.mails().pop()).await;
        assert_eq!(mail.to, ["owner@example.org"]);
        let map = format!("/sources/{}/map", account.source_id);
        assert!(mail.readable().contains(&map), "{}", mail.data);

        // Once it is mapped the same file is taken, together with the rest; no second mail.
        account.map_contacts().await;
        account.map_activity("Sign-in button clicked", 730).await;
        let lines = format!("{}\n{}\nno JSON\n", sample_identify(), sample_track());
        let said = eventually("the mappings count", async || {
            let (code, said) = send(weir, &account, &lines, &[]);
            assert_eq!(code, 1, "{said}");
            said.contains("  2       200").then_some(said)
        });
        assert!(said.await.contains("not sent"));
        let many: Vec<_> = (0..1_200)
            .map(|number| {
                json!({
                    "user_id": format!("person-{number}"), "message_id": format!("m-{number}"),
                    "timestamp": "2025-07-10T06:09:00Z", "traits": {"firstName": "A"},
                })
            })
            .collect();
        let (code, said) = send(weir, &account, &json!(many).to_string(), &[]);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("  1200    200"), "{said}");
        assert_eq!(office.mails().len(), 1);

        // The keys that were made for it are gone.
        let keys = weir
            .mapping()
            .list_keys(mapping::ListKeysRequest {
                account_id: account.account_id.clone(),
                source_id: account.source_id.clone(),
                ..Default::default()
            })
            .await;
        let keys = keys.unwrap().into_inner().keys;
        let valid = keys.iter().filter(|key| key.revoke_time.is_none());
        assert_eq!(valid.count(), 1, "{keys:?}");
    });
}
