//! The six services: names, binaries, addresses, environment.

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
}

impl Service {
    /// In the order in which they become ready: the edge needs all others.
    pub const ALL: [Self; 6] = [
        Self::Mapping,
        Self::ContactUpsert,
        Self::Activity,
        Self::Audience,
        Self::Quota,
        Self::Edge,
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
            Self::Quota | Self::Edge => None,
        }
    }

    /// Its gRPC service; the edge has none.
    pub fn grpc_name(self) -> Option<&'static str> {
        match self {
            Self::Mapping => Some("weir.mapping.v1.MappingService"),
            Self::ContactUpsert => Some("weir.contact.v1.ContactService"),
            Self::Activity => Some("weir.activity.v1.ActivityService"),
            Self::Audience => Some("weir.audience.v1.AudienceService"),
            Self::Quota => Some("weir.quota.v1.QuotaService"),
            Self::Edge => None,
        }
    }

    /// Where the others look for its address.
    fn url_variable(self) -> Option<&'static str> {
        match self {
            Self::Mapping => Some("WEIR_MAPPING_URL"),
            Self::ContactUpsert => Some("WEIR_CONTACT_URL"),
            Self::Activity => Some("WEIR_ACTIVITY_URL"),
            Self::Audience => Some("WEIR_AUDIENCE_URL"),
            Self::Quota => Some("WEIR_QUOTA_URL"),
            Self::Edge => None,
        }
    }
}

/// The order of a fixed port plan, which starts with what people look for first.
const PORT_ORDER: [Service; 6] = [
    Service::Edge,
    Service::Mapping,
    Service::ContactUpsert,
    Service::Activity,
    Service::Audience,
    Service::Quota,
];

/// No balancer looks at an edge here, so nobody needs time to see that it is not ready.
const DRAIN: &str = "200ms";

/// Where everything of a stack listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    services: [u16; 6],
    metrics: [u16; 6],
    /// PostgreSQL's port.
    pub postgres: u16,
    /// Redis' port.
    pub redis: u16,
}

impl Addresses {
    /// So many ports are needed.
    pub const PORTS: u16 = 14;

    /// From `PORTS` ports in the order of a fixed plan.
    pub fn new(ports: &[u16]) -> Self {
        let six = |from: usize| std::array::from_fn(|n| ports[from + n]);
        Self {
            services: six(0),
            metrics: six(8),
            postgres: ports[6],
            redis: ports[7],
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self, service: Service) -> String {
        format!("http://127.0.0.1:{}", self.services[position(service)])
    }

    /// `http://127.0.0.1:PORT/metrics`
    pub fn metrics_url(&self, service: Service) -> String {
        format!(
            "http://127.0.0.1:{}/metrics",
            self.metrics[position(service)]
        )
    }

    /// What a service needs to know of addresses.
    pub fn environment(&self, service: Service) -> Vec<(String, String)> {
        let here = |port: u16| format!("127.0.0.1:{port}");
        let position = position(service);
        let mut environment = vec![
            ("WEIR_LISTEN".to_owned(), here(self.services[position])),
            (
                "WEIR_METRICS_LISTEN".to_owned(),
                here(self.metrics[position]),
            ),
        ];
        for other in Service::ALL {
            if let Some(variable) = other.url_variable() {
                environment.push((variable.to_owned(), self.url(other)));
            }
        }
        if service == Service::Edge {
            environment.push(("WEIR_DRAIN".to_owned(), DRAIN.to_owned()));
        }
        environment
    }
}

fn position(service: Service) -> usize {
    PORT_ORDER
        .iter()
        .position(|other| *other == service)
        .expect("the order holds all services")
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
    fn a_service_is_told_where_it_and_the_others_listen() {
        let ports: Vec<u16> = (9000..9000 + Addresses::PORTS).collect();
        let addresses = Addresses::new(&ports);
        let environment = addresses.environment(Service::ContactUpsert);
        let value = |name: &str| {
            let found = environment.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(addresses.url(Service::Edge), "http://127.0.0.1:9000");
        assert_eq!(value("WEIR_LISTEN"), Some("127.0.0.1:9002"));
        assert_eq!(value("WEIR_METRICS_LISTEN"), Some("127.0.0.1:9010"));
        assert_eq!(value("WEIR_QUOTA_URL"), Some("http://127.0.0.1:9005"));
        assert_eq!((addresses.postgres, addresses.redis), (9006, 9007));
    }

    #[test]
    fn a_binary_that_is_not_built_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_programs(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("weir-mapping is not built"), "{error}");
    }
}
