//! The seven services: names and binaries.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    Mapping,
    ContactUpsert,
    Activity,
    Audience,
    Quota,
    Edge,
    Console,
}

impl Service {
    /// In the order in which they become ready: the edge needs all before it.
    pub const ALL: [Self; 7] = [
        Self::Mapping,
        Self::ContactUpsert,
        Self::Activity,
        Self::Audience,
        Self::Quota,
        Self::Edge,
        Self::Console,
    ];

    /// `contact-upsert`
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::ContactUpsert => "contact-upsert",
            Self::Activity => "activity",
            Self::Audience => "audience",
            Self::Quota => "quota",
            Self::Edge => "edge",
            Self::Console => "console",
        }
    }

    /// The service of this name; `contact` is short for `contact-upsert`.
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "contact" {
            "contact-upsert"
        } else {
            name
        };
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// `weir-contact-upsert`
    pub fn binary(self) -> String {
        format!("weir-{}", self.name())
    }

    /// The PostgreSQL schema it owns, and what its role is called after.
    pub fn schema(self) -> Option<&'static str> {
        match self {
            Self::Mapping => Some("mapping"),
            Self::ContactUpsert => Some("contact"),
            Self::Activity => Some("activity"),
            Self::Audience => Some("audience"),
            Self::Quota | Self::Edge | Self::Console => None,
        }
    }

    /// Its gRPC service; edge and console have none.
    pub fn grpc_name(self) -> Option<&'static str> {
        match self {
            Self::Mapping => Some("weir.mapping.v1.MappingService"),
            Self::ContactUpsert => Some("weir.contact.v1.ContactService"),
            Self::Activity => Some("weir.activity.v1.ActivityService"),
            Self::Audience => Some("weir.audience.v1.AudienceService"),
            Self::Quota => Some("weir.quota.v1.QuotaService"),
            Self::Edge | Self::Console => None,
        }
    }

    /// Where the others look for its address.
    pub fn url_variable(self) -> Option<&'static str> {
        match self {
            Self::Mapping => Some("WEIR_MAPPING_URL"),
            Self::ContactUpsert => Some("WEIR_CONTACT_URL"),
            Self::Activity => Some("WEIR_ACTIVITY_URL"),
            Self::Audience => Some("WEIR_AUDIENCE_URL"),
            Self::Quota => Some("WEIR_QUOTA_URL"),
            Self::Edge | Self::Console => None,
        }
    }
}

/// The folder with the services' binaries: the given one, or the running program's.
///
/// # Errors
/// A binary is not there; says how to build it.
pub fn find_programs(folder: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = match folder {
        Some(folder) => std::path::absolute(folder)?,
        None => {
            let own = std::env::current_exe().context("who am I?")?;
            let beside = own.parent().unwrap_or(Path::new("/"));
            // Tests lie one folder deeper than what they test.
            match beside.file_name() {
                Some(name) if name == "deps" => beside.parent().unwrap_or(beside).to_owned(),
                _ => beside.to_owned(),
            }
        }
    };
    for service in Service::ALL {
        if !folder.join(service.binary()).is_file() {
            bail!(
                "{} is not built: there is none in {}; `cargo build --workspace --bins` makes it",
                service.binary(),
                folder.display()
            );
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_found_by_name() {
        for service in Service::ALL {
            assert_eq!(Service::named(service.name()), Some(service));
        }
        assert_eq!(Service::named("contact"), Some(Service::ContactUpsert));
        assert_eq!(Service::named("postgres"), None);
    }

    #[test]
    fn a_binary_that_is_not_built_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_programs(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("weir-mapping is not built"), "{error}");
    }
}
