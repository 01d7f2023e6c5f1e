//! From which pages browsers may send to a classic source.

use serde_saphyr::Spanned;
use weir_proto::mapping::v1::{AllowedOrigins, SourceKind};
use weir_values::{MAX_ORIGINS, read_origin};

use super::Checker;
use crate::file::schema::Fault;

impl Checker {
    pub(super) fn origins(
        &mut self,
        given: &Spanned<Vec<Spanned<String>>>,
        kind: SourceKind,
    ) -> AllowedOrigins {
        if kind == SourceKind::SegmentActions && !given.value.is_empty() {
            let message = "allowed_origins goes with segment_classic: browsers send to no other";
            self.faults.push(Fault::at(given, message));
        }
        if given.value.len() > MAX_ORIGINS {
            let message = format!("a source has at most {MAX_ORIGINS} allowed origins");
            self.faults.push(Fault::at(given, message));
        }
        let mut origins = Vec::new();
        for written in &given.value {
            let read = read_origin(&written.value)
                .map_err(|expected| Fault::at(written, format!("an allowed origin {expected}")));
            if let Some(origin) = self.taken(read)
                && !origins.contains(&origin)
            {
                origins.push(origin);
            }
        }
        AllowedOrigins { origins }
    }
}
