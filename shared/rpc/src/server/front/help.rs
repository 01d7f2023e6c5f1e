//! What who looks here with a browser or `curl` gets to see: nothing that takes a token
//! (semantics 9.1).

use std::sync::LazyLock;

use http::header::HOST;
use http::{HeaderMap, Response, StatusCode};
use prost_reflect::DescriptorPool;
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
    let text = format!(
        "This is {} of Weir. It speaks gRPC (with reflection), gRPC-Web, and JSON over HTTP, for \
         whoever has a token:\n\n  \
         curl http://{host}/{}/{} \\\n    -H 'authorization: Bearer weir_…' \\\n    \
         -H 'content-type: application/json' \\\n    \
         -H \"authorization: Bearer $token\" -d '{{…}}'\n\n\
         What else can be called, and with what, says reflection: `./weir call --list`.\n",
        first.parent_service().full_name(),
        first.parent_service().full_name(),
        first.name(),
    );
    plain(StatusCode::OK, text)
}

fn is_of_a_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)
}
