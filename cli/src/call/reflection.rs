//! Asks a service what it understands.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, bail};
use prost::Message;
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::transport::Channel;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use weir_stack::Service;

/// The description of a service, with all types that it needs.
///
/// # Errors
/// The service does not answer, or not with what it should.
pub async fn describe(channel: Channel, service: Service) -> anyhow::Result<ServiceDescriptor> {
    let name = service
        .grpc_name()
        .context("only gRPC services are described")?;
    let mut client = ServerReflectionClient::new(channel);
    let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let mut wanted = vec![MessageRequest::FileContainingSymbol(name.to_owned())];
    let mut asked = BTreeSet::new();
    while let Some(request) = wanted.pop() {
        for file in ask(&mut client, request).await? {
            for dependency in &file.dependency {
                if asked.insert(dependency.clone()) {
                    wanted.push(MessageRequest::FileByFilename(dependency.clone()));
                }
            }
            files.insert(file.name().to_owned(), file);
        }
    }
    let set = FileDescriptorSet {
        file: files.into_values().collect(),
    };
    let pool = DescriptorPool::from_file_descriptor_set(set)
        .context("what the service says of itself does not fit together")?;
    pool.get_service_by_name(name)
        .with_context(|| format!("{} does not know {name}", service.name()))
}

async fn ask(
    client: &mut ServerReflectionClient<Channel>,
    request: MessageRequest,
) -> anyhow::Result<Vec<FileDescriptorProto>> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    let mut answers = client
        .server_reflection_info(tokio_stream::once(request))
        .await
        .map_err(|status| anyhow!("reflection: {}", super::describe_status(&status)))?
        .into_inner();
    let answer = answers
        .message()
        .await
        .map_err(|status| anyhow!("reflection: {}", super::describe_status(&status)))?
        .and_then(|answer| answer.message_response);
    match answer {
        Some(MessageResponse::FileDescriptorResponse(found)) => found
            .file_descriptor_proto
            .iter()
            .map(|bytes| {
                FileDescriptorProto::decode(bytes.as_slice()).context("a damaged description")
            })
            .collect(),
        Some(MessageResponse::ErrorResponse(error)) => bail!("reflection: {}", error.error_message),
        _ => bail!("reflection: no answer"),
    }
}
