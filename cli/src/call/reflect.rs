//! What a server says of itself (`grpc.reflection.v1`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use prost::Message;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::transport::Channel;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::failure::Usage;

/// The services of Weir that a server has (not health and reflection).
pub async fn services(channel: Channel) -> anyhow::Result<Vec<ServiceDescriptor>> {
    let mut client = ServerReflectionClient::new(channel);
    let answer = ask(&mut client, MessageRequest::ListServices(String::new())).await?;
    let MessageResponse::ListServicesResponse(list) = answer else {
        bail!("the server does not list its services");
    };
    let mut found = Vec::new();
    for service in list.service {
        if service.name.starts_with("grpc.") {
            continue;
        }
        let pool = files_of(&mut client, &service.name).await?;
        found.extend(pool.get_service_by_name(&service.name));
    }
    Ok(found)
}

/// The method `method` of the service that is called `service`, in full or by its package
/// (`contact`).
pub async fn find(
    channel: Channel,
    service: &str,
    method: &str,
) -> anyhow::Result<MethodDescriptor> {
    let services = services(channel).await?;
    let short = crate::addresses::package_of(service);
    let found = services.iter().find(|candidate| {
        candidate.full_name() == service
            || candidate.package_name().split('.').nth(1) == Some(short)
    });
    let Some(found) = found else {
        return Err(Usage::new(format!("the server has no service {service}")).into());
    };
    let named = found.methods().find(|candidate| candidate.name() == method);
    named.ok_or_else(|| {
        let names: Vec<String> = found.methods().map(|m| m.name().to_owned()).collect();
        Usage::new(format!(
            "{service} has no {method}; it has {}",
            names.join(", ")
        ))
        .into()
    })
}

/// The first sentence of a method's comment.
pub fn comment(method: &MethodDescriptor) -> String {
    let service = method.parent_service();
    let file = service.parent_file();
    let path = [6, index(service.index()), 2, index(method.index())];
    let comment = file
        .file_descriptor_proto()
        .source_code_info
        .iter()
        .flat_map(|info| &info.location)
        .find(|location| location.path == path)
        .map(|location| location.leading_comments().replace('\n', " "))
        .unwrap_or_default();
    comment
        .split(". ")
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches('.')
        .to_owned()
}

fn index(position: usize) -> i32 {
    i32::try_from(position).unwrap_or(i32::MAX)
}

/// The file that holds `symbol`, and all that it imports.
async fn files_of(
    client: &mut ServerReflectionClient<Channel>,
    symbol: &str,
) -> anyhow::Result<DescriptorPool> {
    let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let mut wanted = vec![MessageRequest::FileContainingSymbol(symbol.to_owned())];
    let mut asked = BTreeSet::new();
    while let Some(request) = wanted.pop() {
        let MessageResponse::FileDescriptorResponse(answer) = ask(client, request).await? else {
            bail!("the server does not describe {symbol}");
        };
        for bytes in answer.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice())
                .context("the server's description can't be read")?;
            for import in &file.dependency {
                if asked.insert(import.clone()) {
                    wanted.push(MessageRequest::FileByFilename(import.clone()));
                }
            }
            files.insert(file.name().to_owned(), file);
        }
    }
    let file = files.into_values().collect();
    DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file })
        .context("the server's description is not whole")
}

async fn ask(
    client: &mut ServerReflectionClient<Channel>,
    request: MessageRequest,
) -> anyhow::Result<MessageResponse> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .context("the server does not speak reflection")?
        .into_inner();
    let answer = answers
        .message()
        .await
        .context("the server broke off")?
        .and_then(|answer| answer.message_response)
        .context("the server does not answer")?;
    if let MessageResponse::ErrorResponse(error) = answer {
        bail!("the server does not know that: {}", error.error_message);
    }
    Ok(answer)
}
