//! `weir call SERVICE/METHOD JSON`: any gRPC method, JSON in and out, by reflection.
//!
//! Nothing of the protos is compiled in: what a server says of itself is what is called.

mod codec;
mod reflect;

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use prost_reflect::{DynamicMessage, MethodDescriptor, SerializeOptions};
use tonic::transport::{Channel, Endpoint};
use tonic_types::StatusExt;

use crate::addresses::Addresses;
use crate::failure::Usage;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Call any gRPC method, JSON in and out.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// E.g. `contact/GetContact` or `weir.contact.v1.ContactService/GetContact`.
    #[arg(required_unless_present = "list")]
    pub method: Option<String>,
    /// The request as JSON; `-` reads it from standard input.
    #[arg(default_value = "{}")]
    pub request: String,
    /// List the methods of all services.
    #[arg(long)]
    pub list: bool,
    /// A service's address, `SERVICE=http://host:port`; by default from `.weir/stack.json`.
    #[arg(long = "address", value_name = "SERVICE=URL")]
    pub addresses: Vec<String>,
    /// Where the stack keeps its files.
    #[arg(long, default_value = ".weir")]
    pub data: PathBuf,
}

/// Runs the command; prints the answer.
///
/// # Errors
/// Wrong use, a service that is away, or the status that the method answered.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let addresses = Addresses::load(&arguments.data, &arguments.addresses)?;
    if arguments.list {
        return list(&addresses).await;
    }
    let path = arguments.method.unwrap_or_default();
    let Some((service, method)) = path.split_once('/') else {
        return Err(Usage::new(format!(
            "{path}: expected SERVICE/METHOD, e.g. contact/GetContact; `weir call --list` lists them"
        ))
        .into());
    };
    let request = if arguments.request == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("can't read the request from standard input")?;
        text
    } else {
        arguments.request
    };
    let channel = connect(addresses.of(service)?).await?;
    let method = reflect::find(channel.clone(), service, method).await?;
    let request = read(&method, &request)?;
    let answer = call(channel, &method, request).await?;
    println!("{}", write(&answer)?);
    Ok(())
}

async fn list(addresses: &Addresses) -> anyhow::Result<()> {
    for (name, url) in addresses.all() {
        let channel = connect(url).await?;
        for service in reflect::services(channel).await? {
            println!("{} ({name}, {url})", service.full_name());
            for method in service.methods() {
                let short = service.package_name().split('.').nth(1).unwrap_or_default();
                println!("  {short}/{}  {}", method.name(), reflect::comment(&method));
            }
        }
    }
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<Channel> {
    Endpoint::from_shared(url.to_owned())
        .map_err(|_| {
            Usage::new(format!(
                "{url}: expected an address such as http://127.0.0.1:7002"
            ))
        })?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .connect()
        .await
        .with_context(|| format!("nothing answers at {url}; is Weir up? (`./weir up`)"))
}

async fn call(
    channel: Channel,
    method: &MethodDescriptor,
    request: DynamicMessage,
) -> anyhow::Result<DynamicMessage> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = path.parse().context("the method's name is not a path")?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.context("the service is not ready")?;
    let codec = codec::Dynamic::for_answers(method.output());
    match client
        .unary(tonic::Request::new(request), path, codec)
        .await
    {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => {
            let details: Vec<String> = status
                .get_error_details()
                .bad_request()
                .iter()
                .flat_map(|bad| &bad.field_violations)
                .map(|violation| format!("\n  {}: {}", violation.field, violation.description))
                .collect();
            bail!(
                "{:?}: {}{}",
                status.code(),
                status.message(),
                details.concat()
            )
        }
    }
}

fn read(method: &MethodDescriptor, json: &str) -> Result<DynamicMessage, Usage> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(method.input(), &mut deserializer)
        .and_then(|message| deserializer.end().map(|()| message));
    message.map_err(|error| {
        Usage::new(format!(
            "the request is not a {}: {error}",
            method.input().full_name()
        ))
    })
}

fn write(message: &DynamicMessage) -> anyhow::Result<String> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(false)
        .stringify_64_bit_integers(false);
    let mut json = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut json, formatter);
    message
        .serialize_with_options(&mut serializer, &options)
        .context("the answer can't be written as JSON")?;
    Ok(String::from_utf8(json)?)
}

#[cfg(test)]
mod tests {
    use prost_reflect::DescriptorPool;

    use super::*;

    fn method(name: &str) -> MethodDescriptor {
        let pool = DescriptorPool::decode(weir_proto::FILE_DESCRIPTOR_SET).unwrap();
        let service = pool
            .get_service_by_name("weir.contact.v1.ContactService")
            .unwrap();
        service
            .methods()
            .find(|method| method.name() == name)
            .unwrap()
    }

    #[test]
    fn json_goes_in_and_out_by_the_names_of_the_proto() {
        let json = r#"{"account_id": "a", "contact_id": "c"}"#;
        let message = read(&method("GetContact"), json).unwrap();
        let written: serde_json::Value = serde_json::from_str(&write(&message).unwrap()).unwrap();
        assert_eq!(written["account_id"], "a");
        assert_eq!(written["contact_id"], "c");
    }

    #[test]
    fn an_unknown_field_or_more_text_is_wrong_use() {
        for json in [r#"{"acount": "a"}"#, "{} {}", "[]", "{"] {
            let error = read(&method("GetContact"), json).unwrap_err();
            assert!(error.to_string().contains("GetContactRequest"), "{error}");
        }
    }
}
