//! Who may do what (semantics 9), through the processes that run.

use std::process::Command;

use tonic::{Code, Request};
use weir_proto::mapping::v1::ListAccountsRequest;
use weir_proto::mapping::v1::mapping_service_client::MappingServiceClient;
use weir_proto::quota::v1::SettleRequest;
use weir_stack::{Service, Shown, find_programs};
use weir_tests::front_door::{said, weir_command};
use weir_tests::journey;

#[test]
fn a_call_without_a_token_is_refused_and_the_front_door_shows_its_own() {
    journey(async |weir| {
        let channel = tonic::transport::Endpoint::from_shared(weir.stack.url(Service::Mapping));
        let channel = channel.unwrap().connect_lazy();
        for (token, expected) in [
            ("", Some(Code::Unauthenticated)),
            ("nonsense", Some(Code::Unauthenticated)),
            (weir.stack.token(), None),
        ] {
            let shown = Shown::token(token).unwrap().by(channel.clone());
            let list = Request::new(ListAccountsRequest::default());
            let listed = MappingServiceClient::new(shown).list_accounts(list).await;
            assert_eq!(listed.err().map(|status| status.code()), expected);
        }
        // What belongs to the pipeline is for services, whatever a token may do.
        let refused = weir.quota().settle(SettleRequest::default()).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);

        let call = |token: &str| {
            let mut command = weir_command(weir, &["call", "mapping/ListAccounts"]);
            command.env("WEIR_TOKEN", token).env("WEIR_TOKEN_FILE", "");
            command.output().unwrap()
        };
        assert!(call(weir.stack.token()).status.success());
        let stranger = call("");
        assert_eq!(stranger.status.code(), Some(1));
        let said = said(&stranger);
        assert!(said.contains("the call shows no token"), "{said}");
    });
}

/// Semantics 9.1.
#[test]
fn a_service_that_would_let_everybody_in_does_not_start() {
    for (settings, sentence) in [
        (
            &[("WEIR_ACCESS", "open"), ("WEIR_LISTEN", "0.0.0.0:0")][..],
            "is no loopback address",
        ),
        (
            &[("WEIR_LISTEN", "127.0.0.1:0")],
            "WEIR_SERVICE_TOKEN is missing",
        ),
    ] {
        let program = find_programs(None).unwrap().join("weir-quota");
        let mut command = Command::new(program);
        command
            .env("WEIR_REDIS_URL", "redis://127.0.0.1:1")
            .envs(settings.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = said(&output);
        assert!(said.contains(sentence), "{said}");
    }
}
