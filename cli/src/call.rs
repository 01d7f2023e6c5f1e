//! `call`: any gRPC method, with JSON in and out.

mod codec;
mod listing;
mod reflection;

use std::io::Read;

use anyhow::{Context, anyhow};
use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
    ServiceDescriptor,
};
use tonic::Code;
use tonic_types::StatusExt;
use weir_stack::{Channel, Service};

use crate::address::{self, Addresses};
use crate::arguments::CallOptions;
use crate::failure::Failure;
use crate::output::say;

pub async fn run(options: &CallOptions) -> Result<(), Failure> {
    if options.list {
        return listing::run(options).await;
    }
    let method = options.method.as_deref().unwrap_or_default();
    let (service, name) = read_method(method)?;
    let addresses = Addresses::read(&options.addresses)?;
    let channel = addresses.connect(service).await?;
    let described = reflection::describe(channel.clone(), service).await?;
    let methods = || described.iter().flat_map(ServiceDescriptor::methods);
    let method = methods()
        .find(|found| found.name() == name)
        .ok_or_else(|| {
            let known: Vec<_> = methods().map(|found| found.name().to_owned()).collect();
            Failure::Input(format!(
                "{} has no method {name:?}; it has {}",
                service.name(),
                known.join(", ")
            ))
        })?;
    if method.is_client_streaming() || method.is_server_streaming() {
        return Err(Failure::Input(format!(
            "{name} streams; only single calls are supported"
        )));
    }
    let request = read_request(&request_text(&options.json)?, method.input())?;
    let answer = send(channel, &method, request).await?;
    say!("{}", to_json(&answer)?);
    Ok(())
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

fn read_request(json: &str, message: MessageDescriptor) -> Result<DynamicMessage, Failure> {
    let name = message.name().to_owned();
    let mut reader = serde_json::Deserializer::from_str(json);
    let request = DynamicMessage::deserialize_with_options(
        message,
        &mut reader,
        &DeserializeOptions::new().deny_unknown_fields(true),
    )
    .and_then(|request| reader.end().map(|()| request));
    request.map_err(|error| Failure::Input(format!("the JSON is not a {name}: {error}")))
}

fn to_json(message: &DynamicMessage) -> anyhow::Result<String> {
    let mut text = Vec::new();
    let mut writer = serde_json::Serializer::pretty(&mut text);
    // ProtoJSON as the specification has it, so that what is printed is what every other tool
    // prints and reads.
    message.serialize_with_options(&mut writer, &SerializeOptions::new())?;
    Ok(String::from_utf8(text)?)
}

async fn send(
    channel: Channel,
    method: &MethodDescriptor,
    request: DynamicMessage,
) -> Result<DynamicMessage, Failure> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = http::uri::PathAndQuery::try_from(path).context("a method name in a path")?;
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(64 * 1024 * 1024);
    client.ready().await.context("the connection broke")?;
    let codec = codec::Dynamic::new(method.output());
    let sent = client
        .unary(tonic::Request::new(request), path, codec)
        .await;
    match sent {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) if status.code() == Code::InvalidArgument => {
            Err(Failure::Input(describe_status(&status)))
        }
        Err(status) => Err(anyhow!(describe_status(&status)).into()),
    }
}

/// The code, the message, and what is wrong with which field.
pub fn describe_status(status: &tonic::Status) -> String {
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
            (r#"{"account_id": 5}"#, "line 1"),
            ("{", "line 1"),
            ("{} {}", "trailing"),
        ] {
            let Err(Failure::Input(text)) = read_request(json, request.clone()) else {
                panic!("{json} was read")
            };
            assert!(text.contains(hint), "{json}: {text}");
            assert!(text.contains("GetContactRequest"), "{text}");
        }
    }

    #[test]
    fn answers_are_canonical_proto_json() {
        let usage = message("weir.quota.v1.Usage");
        let message = read_request(r#"{"limit": "50000"}"#, usage).unwrap();
        let json: serde_json::Value = serde_json::from_str(&to_json(&message).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({"limit": "50000"}));
    }
}
