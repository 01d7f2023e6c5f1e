//! What who looks here with a browser or `curl` gets to see: nothing that takes a token
//! (semantics 9.1).

use std::sync::LazyLock;

use http::header::HOST;
use http::{Request, Response, StatusCode};
use prost_reflect::DescriptorPool;
use tonic::body::Body;
use weir_access::Need;

use super::plain;
use crate::server::gate::NEEDS;

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
pub(super) fn page(names: &[&'static str], request: &Request<Body>) -> Response<Body> {
    // HTTP/2 has it in the address, HTTP/1.1 in a header.
    let said = request.uri().authority().map(|host| host.as_str());
    let host = said
        .or_else(|| request.headers().get(HOST)?.to_str().ok())
        .filter(|host| host.len() <= MAX_HOST && host.bytes().all(is_of_a_host))
        .unwrap_or("HOST:PORT");
    let mut text = format!(
        "This is {} of Weir. It speaks gRPC (with reflection), gRPC-Web, and JSON over HTTP, for \
         whoever has a token",
        names.first().unwrap_or(&"nothing"),
    );
    text.push_str(&match example(names) {
        Some(path) => format!(
            ":\n\n  curl http://{host}{path} \\\n    \
             -H \"authorization: Bearer $WEIR_TOKEN\" \\\n    \
             -H 'content-type: application/json' -d '{{…}}'\n\n",
        ),
        None => ".\n\n".to_owned(),
    });
    text.push_str("What can be called, and with what, says reflection: `./weir call --list`.\n");
    plain(StatusCode::OK, text)
}

/// The first path that more than our own services may call, and that `curl` gets along with.
fn example(names: &[&'static str]) -> Option<String> {
    let services = names
        .iter()
        .filter_map(|name| POOL.get_service_by_name(name));
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .filter(|method| !method.is_server_streaming() && !method.is_client_streaming())
        .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .find(|path| matches!(NEEDS.get(&**path), Some(Need::Caller { .. })))
}

fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_not_for_services_alone_and_answers_with_one_message() {
        for (name, shown) in [
            (
                "weir.quota.v1.QuotaService",
                Some("/weir.quota.v1.QuotaService/GetUsage"),
            ),
            (
                "weir.contact.v1.ContactService",
                Some("/weir.contact.v1.ContactService/GetContact"),
            ),
            (
                "weir.contact.v1.TransferService",
                Some("/weir.contact.v1.TransferService/ImportContacts"),
            ),
            ("weir.erasure.v1.ErasureService", None),
            ("grpc.health.v1.Health", None),
        ] {
            assert_eq!(example(&[name]).as_deref(), shown, "{name}");
        }
    }
}
