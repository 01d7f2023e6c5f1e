//! Asks a service what it understands.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, anyhow, bail};
use prost::Message;
use prost_reflect::{DescriptorPool, ServiceDescriptor};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use weir_stack::{Channel, Service};

/// What our gRPC services begin with; others are those of every server.
const OURS: &str = "weir.";

/// The description of the gRPC services of a process, its own first, with all types that they
/// need.
///
/// # Errors
/// The service does not answer, or not with what it should.
pub async fn describe(
    channel: Channel,
    service: Service,
) -> anyhow::Result<Vec<ServiceDescriptor>> {
    let own = service
        .grpc_name()
        .context("only gRPC services are described")?;
    let mut client = ServerReflectionClient::new(channel);
    let mut names = list(&mut client).await?;
    names.sort_by_key(|name| (name != own, name.clone()));
    let mut files: BTreeMap<String, FileDescriptorProto> = BTreeMap::new();
    let wanted = names.iter().cloned();
    let mut wanted: Vec<_> = wanted.map(MessageRequest::FileContainingSymbol).collect();
    let mut asked = BTreeSet::new();
    while let Some(request) = wanted.pop() {
        for file in files_of(ask(&mut client, request).await?)? {
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
    let described = |name: &String| {
        pool.get_service_by_name(name)
            .with_context(|| format!("{} does not know {name}", service.name()))
    };
    names.iter().map(described).collect()
}

async fn list(client: &mut ServerReflectionClient<Channel>) -> anyhow::Result<Vec<String>> {
    match ask(client, MessageRequest::ListServices(String::new())).await? {
        MessageResponse::ListServicesResponse(listed) => {
            let names = listed.service.into_iter().map(|service| service.name);
            Ok(names.filter(|name| name.starts_with(OURS)).collect())
        }
        _ => bail!("reflection: no list"),
    }
}

fn files_of(answer: MessageResponse) -> anyhow::Result<Vec<FileDescriptorProto>> {
    let MessageResponse::FileDescriptorResponse(found) = answer else {
        bail!("reflection: no description");
    };
    let files = found.file_descriptor_proto.iter();
    files
        .map(|bytes| FileDescriptorProto::decode(bytes.as_slice()).context("a damaged description"))
        .collect()
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
        .map_err(|status| anyhow!("reflection: {}", super::describe_status(&status)))?
        .into_inner();
    let answer = answers
        .message()
        .await
        .map_err(|status| anyhow!("reflection: {}", super::describe_status(&status)))?
        .and_then(|answer| answer.message_response);
    match answer {
        Some(MessageResponse::ErrorResponse(error)) => bail!("reflection: {}", error.error_message),
        Some(answer) => Ok(answer),
        None => bail!("reflection: no answer"),
    }
}

#[cfg(test)]
mod tests {
    use tonic::transport::Endpoint;
    use weir_stack::Shown;

    use super::*;

    #[tokio::test]
    async fn all_our_services_of_a_process_are_described_its_own_first() {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(weir_proto::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.reflection.v1.ServerReflection")
            .with_service_name("weir.activity.v1.ActivityService")
            .with_service_name("weir.contact.v1.ContactService")
            .build_v1()
            .unwrap();
        let incoming = tonic::transport::server::TcpIncoming::bind("127.0.0.1:0".parse().unwrap());
        let incoming = incoming.unwrap();
        let address = incoming.local_addr().unwrap();
        let server = tonic::transport::Server::builder().add_service(reflection);
        tokio::spawn(server.serve_with_incoming(incoming));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = Shown::default().by(channel.connect_lazy());
        let described = describe(channel, Service::ContactUpsert).await;
        let described = described.unwrap();
        let names: Vec<&str> = described.iter().map(ServiceDescriptor::full_name).collect();
        let contact = "weir.contact.v1.ContactService";
        assert_eq!(names, [contact, "weir.activity.v1.ActivityService"]);
        assert!(described[0].methods().any(|one| one.name() == "GetContact"));
    }
}
