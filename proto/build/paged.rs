//! Which RPCs answer page by page, and by which fields of their requests, as a table in Rust.

use crate::prost_reflect::{DescriptorPool, MessageDescriptor};

/// The table of all RPCs whose requests say which page.
pub fn table(pool: &DescriptorPool) -> String {
    let mut rows = Vec::new();
    for service in pool.services() {
        for method in service.methods() {
            if let Some(fields) = paging(&method.input()) {
                let path = format!("/{}/{}", service.full_name(), method.name());
                rows.push(format!("    ({path:?}, {fields:?}),\n"));
            }
        }
    }
    rows.sort();
    format!("&[\n{}]\n", rows.concat())
}

fn paging(request: &MessageDescriptor) -> Option<[u32; 2]> {
    let number = |name| Some(request.get_field_by_name(name)?.number());
    Some([number("page_size")?, number("page_token")?])
}
