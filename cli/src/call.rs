//! `call`: any gRPC method, with JSON in and out.

mod codec;
mod listing;
mod reflection;

use std::io::Read;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use weir_protojson::Fault;
use weir_stack::{Channel, Service};

use crate::address::{self, Addresses};
use crate::arguments::CallOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &CallOptions) -> Result<ExitCode, Failure> {
    if options.list {
        listing::run(options).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let (channel, method) = find(options).await?;
    let request = read_request(&request_text(&options.request)?, method.input());
    let called = match request {
        Ok(request) => send(channel, &method, request).await,
        Err(wrong) => Err(Called::Refused(Box::new(wrong))),
    };
    match called {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Called::Failed(failure)) => Err(failure),
        Err(Called::Refused(status)) => refused(&status, options.errors_as_json),
    }
}

/// What is called, and where.
async fn find(options: &CallOptions) -> Result<(Channel, MethodDescriptor), Failure> {
    let method = options.method.as_deref().unwrap_or_default();
    let (service, name) = read_method(method)?;
    let addresses = Addresses::read(&options.addresses)?;
    let channel = addresses.connect(service).await?;
    let described = reflection::describe(channel.clone(), service).await?;
    let methods = || described.iter().flat_map(ServiceDescriptor::methods);
    let method = methods().find(|found| found.name() == name);
    let method = method.ok_or_else(|| no_method(service, name, &methods().collect::<Vec<_>>()))?;
    if method.is_client_streaming() {
        return Err(Failure::Input(format!(
            "{name} takes a stream; only single requests are supported"
        )));
    }
    Ok((channel, method))
}

fn no_method(service: Service, name: &str, known: &[MethodDescriptor]) -> Failure {
    let known: Vec<_> = known.iter().map(MethodDescriptor::name).collect();
    let (service, known) = (service.name(), known.join(", "));
    Failure::Input(format!("{service} has no method {name:?}; it has {known}"))
}

/// How a call ends that does not succeed.
enum Called {
    /// The service says no, or would.
    Refused(Box<Status>),
    Failed(Failure),
}

/// Exit code 2 where the request was wrong, else 1.
fn refused(status: &Status, as_json: bool) -> Result<ExitCode, Failure> {
    let is_wrong = status.code() == Code::InvalidArgument;
    if as_json {
        say!("{:#}", weir_protojson::error(status));
        return Ok(ExitCode::from(if is_wrong { 2 } else { 1 }));
    }
    let text = describe_status(status);
    Err(if is_wrong {
        Failure::Input(text)
    } else {
        anyhow!(text).into()
    })
}

/// `contact/GetContact`, `ContactService/GetContact`, `weir.contact.v1.ContactService/GetContact`.
fn read_method(text: &str) -> Result<(Service, &str), Failure> {
    let (service, method) = text.trim_matches('/').split_once('/').ok_or_else(|| {
        Failure::Input(format!(
            "{text:?} is not SERVICE/METHOD; with --list instead it shows what there is"
        ))
    })?;
    let service = read_service(service)?;
    Ok((service, method))
}

fn read_service(text: &str) -> Result<Service, Failure> {
    let named = |service: &Service| {
        service.grpc_name().is_some_and(|full| {
            let short = full.rsplit('.').next().unwrap_or(full);
            [full, short].contains(&text)
        })
    };
    Service::named(text)
        .filter(|service| service.grpc_name().is_some())
        .or_else(|| Service::ALL.into_iter().find(named))
        .ok_or_else(|| {
            Failure::Input(format!(
                "there is no gRPC service {text:?}; there are {}",
                address::names()
            ))
        })
}

fn request_text(json: &str) -> Result<String, Failure> {
    if json != "-" {
        return Ok(json.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .context("can't read the request from standard input")?;
    Ok(text)
}

/// The error is what a server would answer.
fn read_request(json: &str, message: MessageDescriptor) -> Result<DynamicMessage, Status> {
    weir_protojson::read(json.as_bytes(), &message).map_err(|fault| {
        let mut details = ErrorDetails::new();
        if let Fault::Field { field, expected } = &fault {
            details.add_bad_request_violation(field, expected);
        }
        let text = format!("the JSON is not a {}: {fault}", message.name());
        Status::with_error_details(Code::InvalidArgument, text, details)
    })
}

/// Prints what is answered, of a stream one message after the other.
async fn send(
    channel: Channel,
    method: &MethodDescriptor,
    request: DynamicMessage,
) -> Result<(), Called> {
    let failed = |error: anyhow::Error| Called::Failed(error.into());
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = http::uri::PathAndQuery::try_from(path)
        .context("a method name in a path")
        .map_err(failed)?;
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(64 * 1024 * 1024);
    let ready = client.ready().await.context("the connection broke");
    ready.map_err(failed)?;
    let codec = codec::Dynamic::new(method.output());
    let refused = |status| Called::Refused(Box::new(status));
    let show = |answer: &DynamicMessage| {
        let text = weir_protojson::write_pretty(answer).context("the answer as JSON");
        say!("{}", text.map_err(failed)?);
        Ok(())
    };
    let request = tonic::Request::new(request);
    if !method.is_server_streaming() {
        let answer = client.unary(request, path, codec).await.map_err(refused)?;
        return show(answer.get_ref());
    }
    let answers = client.server_streaming(request, path, codec).await;
    let mut answers = answers.map_err(refused)?.into_inner();
    while let Some(answer) = answers.message().await.map_err(refused)? {
        show(&answer)?;
    }
    Ok(())
}

/// Whether the connection ended with INADEQUATE_SECURITY, which is what `weir_tls` says to whom
/// it is spoken to without TLS; tonic keeps the code alone.
fn was_spoken_to_plainly(status: &Status) -> bool {
    status.code() == Code::PermissionDenied && status.message().starts_with("h2 protocol error")
}

/// The code, the message, and what is wrong with which field.
pub fn describe_status(status: &Status) -> String {
    if was_spoken_to_plainly(status) {
        return "the port speaks TLS: call it by https://".to_owned();
    }
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(info) = status.get_details_error_info() {
        text += &format!(" ({})", info.reason);
    }
    if let Some(details) = status.get_details_bad_request() {
        for violation in details.field_violations {
            text += &format!("\n  {}: {}", violation.field, violation.description);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> MessageDescriptor {
        let pool = prost_reflect::DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap();
        pool.get_message_by_name(name).unwrap()
    }

    #[test]
    fn services_have_short_and_long_names() {
        for text in [
            "contact/GetContact",
            "contact-upsert/GetContact",
            "ContactService/GetContact",
            "weir.contact.v1.ContactService/GetContact",
            "/weir.contact.v1.ContactService/GetContact",
        ] {
            let (service, method) = read_method(text).unwrap();
            assert_eq!((service, method), (Service::ContactUpsert, "GetContact"));
        }
        for text in ["GetContact", "edge/GetContact", "nobody/GetContact"] {
            assert!(
                matches!(read_method(text), Err(Failure::Input(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn requests_are_read_in_either_spelling() {
        let request = message("weir.contact.v1.GetContactRequest");
        for json in [
            r#"{"account_id": "a", "user_id": "u"}"#,
            r#"{"accountId": "a", "userId": "u"}"#,
        ] {
            let read = read_request(json, request.clone()).unwrap();
            let field = read.get_field_by_name("account_id").unwrap();
            assert_eq!(field.as_str(), Some("a"));
        }
    }

    #[test]
    fn a_request_that_is_wrong_is_told_where() {
        let request = message("weir.contact.v1.GetContactRequest");
        for (json, hint) in [
            (r#"{"accountid": "a"}"#, "accountid"),
            (r#"{"account_id": 5}"#, "account_id: must be a text"),
            (r#"{"field": {"fieldId": []}}"#, "field.field_id: must be"),
            ("{", "line 1"),
            ("{} {}", "trailing"),
        ] {
            let wrong = read_request(json, request.clone()).unwrap_err();
            let text = describe_status(&wrong);
            assert!(text.contains(hint), "{json}: {text}");
            assert!(text.contains("GetContactRequest"), "{text}");
        }
    }

    #[test]
    fn answers_are_canonical_proto_json() {
        let usage = message("weir.quota.v1.Usage");
        let message = read_request(r#"{"limit": "50000"}"#, usage).unwrap();
        let text = weir_protojson::write_pretty(&message).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json, serde_json::json!({"limit": "50000"}));
    }

    #[test]
    fn an_error_says_its_code_and_every_violation() {
        let request = message("weir.contact.v1.GetContactRequest");
        let wrong = read_request(r#"{"userId": 1}"#, request).unwrap_err();
        let text = describe_status(&wrong);
        assert!(text.starts_with("InvalidArgument: "), "{text}");
        assert!(text.ends_with("\n  user_id: must be a text"), "{text}");
        assert!(matches!(refused(&wrong, false), Err(Failure::Input(_))));
        assert!(refused(&wrong, true).is_ok());
        let away = Status::unavailable("away");
        assert!(matches!(refused(&away, false), Err(Failure::Failed(_))));
    }
}
