//! What who looks here with a browser or `curl` gets to see.

use std::fmt::Write;
use std::sync::LazyLock;

use http::header::HOST;
use http::{HeaderMap, Response, StatusCode};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MethodDescriptor};
use tonic::body::Body;

use super::plain;

/// Everything that can be called on any port.
pub(super) static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::new();
    for files in [
        weir_proto::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
    ] {
        pool.decode_file_descriptor_set(files)
            .expect("the descriptors that the build made are whole");
    }
    pool
});

/// Of a `Host` that is longer than this nothing is shown.
const MAX_HOST: usize = 255;

/// What this port is, how it is called, and with what.
pub(super) fn page(names: &[&'static str], headers: &HeaderMap) -> Response<Body> {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .filter(|host| host.len() <= MAX_HOST && host.bytes().all(is_of_a_host))
        .unwrap_or("HOST:PORT");
    let services: Vec<_> = names
        .iter()
        .filter_map(|name| POOL.get_service_by_name(name))
        .collect();
    let Some(first) = services.iter().find_map(|service| service.methods().next()) else {
        return plain(StatusCode::OK, "Nothing can be called here.\n".to_owned());
    };
    let mut text = format!(
        "This is {} of Weir. It speaks gRPC (with reflection), gRPC-Web, and JSON over HTTP:\n\n  \
         curl http://{host}/{}/{} \\\n    -H 'content-type: application/json' -d '{{…}}'\n\n\
         What can be called, and with what:\n",
        first.parent_service().full_name(),
        first.parent_service().full_name(),
        first.name(),
    );
    for method in services.iter().flat_map(|service| service.methods()) {
        // To write to memory does not fail.
        let _ = write!(text, "\n{}", line(&method));
    }
    text.push('\n');
    plain(StatusCode::OK, text)
}

fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)
}

/// `/weir.quota.v1.QuotaService/GetUsage {accountId: string}`
fn line(method: &MethodDescriptor) -> String {
    let fields: Vec<_> = method.input().fields().map(|field| shape(&field)).collect();
    let streams = match (method.is_client_streaming(), method.is_server_streaming()) {
        (false, false) => "",
        (false, true) => "   (answers with a stream)",
        (true, _) => "   (by gRPC alone)",
    };
    let (service, name) = (method.parent_service(), method.name());
    format!(
        "/{}/{name} {{{}}}{streams}",
        service.full_name(),
        fields.join(", ")
    )
}

fn shape(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(kind) => kind.name().to_owned(),
        kind => format!("{kind:?}").to_ascii_lowercase(),
    };
    let (start, end) = if field.is_list() {
        ("[", "]")
    } else {
        ("", "")
    };
    format!("{}: {start}{kind}{end}", field.json_name())
}
