//! Which RPCs answer page by page.

#![allow(clippy::unwrap_used)]

use prost_reflect::DescriptorPool;
use weir_proto::{FILE_DESCRIPTOR_SET, PAGED};

fn fields(path: &str) -> Option<[u32; 2]> {
    let found = PAGED.iter().find(|(known, _)| *known == path);
    found.map(|(_, fields)| *fields)
}

#[test]
fn lists_say_by_which_fields_they_are_asked_for_a_page() {
    let sources = fields("/weir.mapping.v1.MappingService/ListSources");
    assert_eq!(sources, Some([2, 3]));
    assert_eq!(fields("/weir.quota.v1.QuotaService/Reserve"), None);
}

/// One without the other would be a list whose pages can't be told from other questions.
#[test]
fn whoever_takes_a_token_of_a_page_takes_its_size() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    for service in pool.services() {
        for method in service.methods() {
            let path = format!("/{}/{}", service.full_name(), method.name());
            let takes = |field| method.input().get_field_by_name(field).is_some();
            assert_eq!(takes("page_token"), fields(&path).is_some(), "{path}");
        }
    }
}
