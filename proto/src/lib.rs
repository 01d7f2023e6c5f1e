//! The protos of the five services, compiled, and nothing else.
//!
//! Everything that services know of each other is in here, and who may call what.

// Generated code is not ours to polish.
#![allow(clippy::all, unused_qualifications, rustdoc::all)]

pub mod access {
    pub mod v1 {
        tonic::include_proto!("weir.access.v1");
    }
}
pub mod mapping {
    pub mod v1 {
        tonic::include_proto!("weir.mapping.v1");
    }
}
pub mod contact {
    pub mod v1 {
        tonic::include_proto!("weir.contact.v1");
    }
}
pub mod activity {
    pub mod v1 {
        tonic::include_proto!("weir.activity.v1");
    }
}
pub mod audience {
    pub mod v1 {
        tonic::include_proto!("weir.audience.v1");
    }
}
pub mod quota {
    pub mod v1 {
        tonic::include_proto!("weir.quota.v1");
    }
}
pub mod ledger {
    pub mod v1 {
        tonic::include_proto!("weir.ledger.v1");
    }
}
pub mod erasure {
    pub mod v1 {
        tonic::include_proto!("weir.erasure.v1");
    }
}
pub mod process {
    pub mod v1 {
        tonic::include_proto!("weir.process.v1");
    }
}
pub mod settings {
    pub mod v1 {
        tonic::include_proto!("weir.settings.v1");
    }
}

/// All files of all services, encoded as a `FileDescriptorSet`; for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/weir.bin"));

/// What each RPC needs of its caller, by its path (`/package.Service/Method`): as it is declared
/// in the protos. An RPC that declares nothing, or what can't be, does not build.
pub const NEEDS: &[(&str, weir_access::Need)] = {
    use weir_access::{Need, On, Role};
    include!(concat!(env!("OUT_DIR"), "/needs.rs"))
};

/// The RPCs that answer page by page, by their paths, with the fields of their requests that say
/// which page: its size and its token. Known without [`FILE_DESCRIPTOR_SET`], which takes eight
/// megabytes of a process once it is read.
pub const PAGED: &[(&str, [u32; 2])] = include!(concat!(env!("OUT_DIR"), "/paged.rs"));
