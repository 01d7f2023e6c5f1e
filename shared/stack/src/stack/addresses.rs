//! Where the processes of a stack listen, and what they are called.

use std::num::NonZeroU16;

use super::file::Listens;
use super::service::Service;
use crate::ports::{CLASSIC, CONSOLE};

/// The order of a fixed port plan, which starts with what people look for first.
const PORT_ORDER: [Service; 7] = [
    Service::Edge,
    Service::Mapping,
    Service::ContactUpsert,
    Service::Activity,
    Service::Audience,
    Service::Quota,
    Service::Console,
];

/// There are no more edges than this, on one socket: one serves while the other is restarted.
const EDGES: u16 = 2;

/// No balancer looks at an edge here, so nobody needs time to see that it is not ready.
const DRAIN: &str = "200ms";

/// One process of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    pub service: Service,
    /// From 0.
    number: usize,
}

impl Instance {
    /// The one that there always is.
    pub const fn first(service: Service) -> Self {
        Self { service, number: 0 }
    }

    /// `quota`, `quota-2`
    pub fn name(self) -> String {
        match self.number {
            0 => self.service.name().to_owned(),
            number => format!("{}-{}", self.service.name(), number + 1),
        }
    }

    /// The instance of this name; `contact` is short for `contact-upsert`.
    pub fn named(name: &str) -> Option<Self> {
        if let Some(service) = Service::named(name) {
            return Some(Self::first(service));
        }
        let (service, number) = name.rsplit_once('-')?;
        let number = number.parse::<usize>().ok().filter(|number| *number > 1)? - 1;
        let service = Service::named(service)?;
        Some(Self { service, number })
    }
}

/// Where everything of a stack listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// In the order of the plan, each with one port for every process; all edges share one.
    services: [Vec<u16>; 7],
    metrics: [Vec<u16>; 7],
    /// PostgreSQL's port.
    pub postgres: u16,
    /// Redis' port.
    pub redis: u16,
    /// The one that all edges share for classic sources.
    pub classic: u16,
    /// `http` or `https`, of everything but metrics.
    scheme: &'static str,
}

impl Addresses {
    /// So many ports are needed: 17, ten for each further replica, and the other edge's metrics.
    pub fn ports(replicas: NonZeroU16) -> u16 {
        let others = replicas.get() - 1;
        17 + 10 * others + others.min(EDGES - 1)
    }

    /// From so many ports, in the order of a fixed plan.
    pub fn new(ports: &[u16], replicas: NonZeroU16) -> Self {
        // The console came after all others, and so do its ports.
        let all = |from: usize, console: usize| {
            std::array::from_fn(|n| {
                let is_console = PORT_ORDER[n] == Service::Console;
                vec![ports[if is_console { console } else { from + n }]]
            })
        };
        let mut addresses = Self {
            services: all(0, CONSOLE),
            metrics: all(8, CONSOLE + 1),
            postgres: ports[6],
            redis: ports[7],
            classic: ports[CLASSIC],
            scheme: "http",
        };
        let mut further = ports[CONSOLE + 2..].iter().copied();
        let mut next = || further.next().expect("there are as many as `ports` says");
        for replica in 1..replicas.get() {
            let is_edge = |place: usize| PORT_ORDER[place] == Service::Edge;
            for place in (0..6).filter(|place| !is_edge(*place)) {
                addresses.services[place].push(next());
            }
            for place in (0..6).filter(|place| !is_edge(*place) || replica < EDGES) {
                addresses.metrics[place].push(next());
            }
        }
        addresses
    }

    /// The same, where TLS is spoken.
    pub fn secure(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// All processes of a service.
    pub fn instances(&self, service: Service) -> impl Iterator<Item = Instance> + use<> {
        let count = self.metrics[position(service)].len();
        (0..count).map(move |number| Instance { service, number })
    }

    /// All processes, in the order in which they become ready.
    pub fn all(&self) -> impl Iterator<Item = Instance> + '_ {
        Service::ALL
            .into_iter()
            .flat_map(|service| self.instances(service))
    }

    /// The one that all edges share.
    pub fn edge_port(&self) -> u16 {
        self.services[position(Service::Edge)][0]
    }

    pub fn listens(&self, instance: Instance) -> Listens {
        Listens {
            address: self.url(instance),
            metrics: self.metrics_url(instance),
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self, instance: Instance) -> String {
        format!("{}://{}", self.scheme, self.listen(instance))
    }

    /// `http://127.0.0.1:PORT/metrics`
    pub fn metrics_url(&self, instance: Instance) -> String {
        let port = self.metrics[position(instance.service)][instance.number];
        format!("http://127.0.0.1:{port}/metrics")
    }

    /// `http://127.0.0.1:PORT` of the pages.
    pub fn console_url(&self) -> String {
        self.url(Instance::first(Service::Console))
    }

    /// `http://127.0.0.1:PORT` of the edge for classic sources.
    pub fn classic_url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.classic)
    }

    /// `127.0.0.1:PORT`
    fn listen(&self, instance: Instance) -> String {
        let ports = &self.services[position(instance.service)];
        let port = ports.get(instance.number).unwrap_or(&ports[0]);
        format!("127.0.0.1:{port}")
    }

    /// What a process needs to know of addresses.
    pub fn environment(&self, instance: Instance) -> Vec<(String, String)> {
        let metrics = self.metrics[position(instance.service)][instance.number];
        let mut environment = vec![
            ("WEIR_LISTEN".to_owned(), self.listen(instance)),
            (
                "WEIR_METRICS_LISTEN".to_owned(),
                format!("127.0.0.1:{metrics}"),
            ),
        ];
        for other in Service::ALL {
            if let Some(variable) = other.url_variable() {
                let urls: Vec<_> = self.instances(other).map(|one| self.url(one)).collect();
                environment.push((variable.to_owned(), urls.join(",")));
            }
        }
        // In the mails of mapping, and for whoever asks whether a page is its own.
        environment.push(("WEIR_CONSOLE_URL".to_owned(), self.console_url()));
        if instance.service == Service::Console {
            let edge = self.url(Instance::first(Service::Edge));
            environment.push(("WEIR_EDGE_URL".to_owned(), edge));
            let classic = format!("http://127.0.0.1:{}", self.classic);
            environment.push(("WEIR_EDGE_CLASSIC_URL".to_owned(), classic));
        }
        if instance.service == Service::Edge {
            environment.push(("WEIR_DRAIN".to_owned(), DRAIN.to_owned()));
            let classic = format!("127.0.0.1:{}", self.classic);
            environment.push(("WEIR_CLASSIC_LISTEN".to_owned(), classic));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(replicas: u16) -> Addresses {
        let replicas = NonZeroU16::new(replicas).unwrap();
        let ports: Vec<u16> = (9000..9000 + Addresses::ports(replicas)).collect();
        Addresses::new(&ports, replicas)
    }

    fn value(environment: &[(String, String)], name: &str) -> String {
        let found = environment.iter().find(|(key, _)| key == name);
        found.unwrap().1.clone()
    }

    #[test]
    fn processes_are_found_by_name() {
        for instance in addresses(3).all() {
            assert_eq!(Instance::named(&instance.name()), Some(instance));
        }
        let second = Instance::named("contact-upsert-2").unwrap();
        assert_eq!(second.service, Service::ContactUpsert);
        for no in ["quota-1", "quota-0", "quota-", "nobody-2", "postgres"] {
            assert_eq!(Instance::named(no), None, "{no}");
        }
    }

    #[test]
    fn a_service_is_told_where_it_and_the_others_listen() {
        let addresses = addresses(1);
        let environment = addresses.environment(Instance::named("contact").unwrap());
        let edge = Instance::named("edge").unwrap();
        assert_eq!(addresses.url(edge), "http://127.0.0.1:9000");
        assert_eq!(value(&environment, "WEIR_LISTEN"), "127.0.0.1:9002");
        assert_eq!(value(&environment, "WEIR_METRICS_LISTEN"), "127.0.0.1:9010");
        assert_eq!(
            value(&environment, "WEIR_QUOTA_URL"),
            "http://127.0.0.1:9005"
        );
        assert_eq!((addresses.postgres, addresses.redis), (9006, 9007));
        let environment = addresses.environment(edge);
        assert_eq!(value(&environment, "WEIR_CLASSIC_LISTEN"), "127.0.0.1:9014");
        let environment = addresses.environment(Instance::first(Service::Console));
        assert_eq!(value(&environment, "WEIR_LISTEN"), "127.0.0.1:9015");
        assert_eq!(value(&environment, "WEIR_METRICS_LISTEN"), "127.0.0.1:9016");
        assert_eq!(
            value(&environment, "WEIR_EDGE_URL"),
            "http://127.0.0.1:9000"
        );
        assert_eq!(
            value(&environment, "WEIR_EDGE_CLASSIC_URL"),
            "http://127.0.0.1:9014"
        );
    }

    #[test]
    fn replicas_listen_behind_the_first_ones_and_edges_on_one_socket() {
        let addresses = addresses(3);
        let names: Vec<_> = addresses.all().map(Instance::name).collect();
        assert_eq!(names.len(), 5 * 3 + 2 + 1);
        let edges: Vec<_> = addresses.instances(Service::Edge).collect();
        assert_eq!(addresses.url(edges[1]), "http://127.0.0.1:9000");
        let environment = addresses.environment(edges[1]);
        let quotas = value(&environment, "WEIR_QUOTA_URL");
        assert_eq!(quotas.split(',').count(), 3);
        // Nobody listens where another does.
        let mut listen: Vec<_> = addresses
            .all()
            .map(|one| addresses.metrics_url(one))
            .collect();
        let services = addresses.all().map(|one| addresses.url(one));
        listen.extend(services.map(|url| format!("{url}/metrics")));
        listen.push(format!("{}/metrics", addresses.classic_url()));
        listen.sort();
        listen.dedup();
        assert_eq!(listen.len(), 18 + 17 + 1);
    }
}
