//! What the script `weir` does by itself, since who runs containers need not be able to build.

use anyhow::anyhow;

use crate::failure::Failure;

/// There is no checkout here.
pub fn init() -> Failure {
    anyhow!("`init-compose` is done by the script ./weir of a checkout, beside docker-compose.yml")
        .into()
}
