//! PostgreSQL and Redis of a stack: its own, which are started, or somebody else's, which are
//! looked at.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use weir_redis::{AddressError, Patience, Redis, RedisOptions};
use weir_servers::postgres::{DATABASE, Postgres, PostgresOptions};
use weir_servers::{Binaries, Theirs, redis};

use super::folder::{log_of, mark};
use super::options::Engines;
use super::service::Service;
use super::starting::Starting;

/// What one replica of each service, and people beside them, are given of PostgreSQL.
const CONNECTIONS: u32 = 100;
/// What one replica of each service may take of it.
const TAKEN: usize = 40;
/// An engine that somebody else runs is there, or is not.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(5),
};

const NO_REDIS: &str = "--redis: it is no address such as redis://user:password@host:6379 or \
                        redis+cluster://user:password@host:6379,host:6379";

impl Engines {
    /// Whether addresses are what was given; nobody is asked yet.
    ///
    /// # Errors
    /// One is none; the text does not repeat it.
    pub fn check(&self) -> anyhow::Result<()> {
        if let Some(url) = &self.postgres {
            Theirs::read(url).context("--postgres")?;
        }
        match &self.redis {
            // Files of certificates are looked at with the start.
            Some(url) => match Redis::with(url, PATIENCE, &RedisOptions::default()) {
                Err(AddressError::Url(_)) => bail!(NO_REDIS),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// The administrator's URL, and that of each service that owns tables.
pub type Databases = (String, Vec<(Service, String)>);

impl Starting<'_> {
    pub(super) async fn postgres(
        &mut self,
        binaries: Option<&Binaries>,
    ) -> anyhow::Result<Databases> {
        match &self.options.engines.postgres {
            Some(url) => Box::pin(self.their_postgres(url)).await,
            None => Box::pin(self.own_postgres(of_ours(binaries))).await,
        }
    }

    async fn their_postgres(&self, url: &str) -> anyhow::Result<Databases> {
        let begun = Instant::now();
        let theirs = Theirs::read(url).context("--postgres")?;
        self.say(&format!("setting up PostgreSQL at {}", theirs.place()));
        let mut passwords = self.secrets.roles.clone();
        passwords.extend(self.options.engines.role_passwords.clone());
        let connections = usize::from(self.options.replicas.get()) * TAKEN;
        Box::pin(theirs.set_up(&passwords, connections)).await?;
        let databases = Service::ALL.into_iter().filter_map(|service| {
            let schema = service.schema()?;
            Some((service, theirs.service_url(schema, passwords.get(schema)?)))
        });
        let databases = databases.collect();
        self.done(&format!("PostgreSQL at {} is ready", theirs.place()), begun);
        Ok((theirs.url(), databases))
    }

    /// None where it is to be one of our own.
    pub(super) async fn their_redis(&self) -> anyhow::Result<Option<(String, RedisOptions)>> {
        let Some(url) = &self.options.engines.redis else {
            return Ok(None);
        };
        let begun = Instant::now();
        self.say("looking at Redis");
        let certificates = given(url);
        let redis = Redis::with(url, PATIENCE, &certificates).map_err(|error| match error {
            AddressError::Url(_) => anyhow!(NO_REDIS),
            tls => anyhow!("{tls}"),
        })?;
        let asked = async {
            let mut connection = redis.connect().await?;
            let commands = [weir_redis::QUOTA, weir_redis::MAPPING].concat();
            weir_redis::check(&mut connection, &commands).await
        };
        let unusable = || format!("Redis at {} can't be used", place(url));
        match tokio::time::timeout(PATIENCE.connect + PATIENCE.answer, asked).await {
            Err(_) => bail!("{}: it does not answer", unusable()),
            Ok(Err(error)) => {
                let tls = weir_redis::why(&error).map(|cause| anyhow!("no TLS with it: {cause}"));
                let error = tls.unwrap_or_else(|| anyhow!(error));
                return Err(error.context(unusable()));
            }
            Ok(Ok(fit)) => fit.with_context(unusable)?,
        }
        self.done("Redis is ready", begun);
        Ok(Some((url.clone(), certificates)))
    }

    async fn own_postgres(&mut self, binaries: &Binaries) -> anyhow::Result<Databases> {
        let begun = Instant::now();
        self.say("starting PostgreSQL");
        let postgres = Box::pin(Postgres::start_telling(
            binaries,
            PostgresOptions {
                folder: self.folder.join("postgres"),
                port: self.addresses.postgres,
                superuser_password: self.secrets.superuser.clone(),
                role_passwords: self.secrets.roles.clone(),
                log: log_of(self.folder, "postgres"),
                durable: self.options.durable,
                settings: self.postgres_settings(),
                environment: vec![mark(self.folder)],
                tls: self.tls.as_ref().map(|tls| tls.of_server("postgres")),
            },
            |what| self.say(what),
        ))
        .await?;
        let created = postgres.create_database(DATABASE).await;
        let postgres_url = postgres.superuser_url(DATABASE);
        let database_url = |service: Service| {
            let url = postgres.service_url(service.schema()?, DATABASE);
            Some((service, url))
        };
        let databases = Service::ALL.into_iter().filter_map(database_url).collect();
        self.running
            .push((postgres.program().clone(), postgres.into_child()));
        created.context("can't set up the database")?;
        self.done("PostgreSQL is ready", begun);
        Ok((postgres_url, databases))
    }

    /// Every replica has connections of its own.
    fn postgres_settings(&self) -> Vec<String> {
        let replicas = self.options.replicas.get();
        let mut settings = self.options.postgres_settings.clone();
        if replicas > 1 {
            let connections = u32::from(replicas) * CONNECTIONS;
            settings.push(format!("max_connections={connections}"));
        }
        settings
    }

    pub(super) async fn own_redis(
        &mut self,
        binaries: &Binaries,
    ) -> anyhow::Result<(String, RedisOptions)> {
        let begun = Instant::now();
        self.say("starting Redis");
        let tls = self.tls.as_ref().map(|tls| tls.of_server("redis"));
        let started = redis::Redis::start(
            binaries,
            redis::RedisOptions {
                folder: self.folder.join("redis"),
                port: self.addresses.redis,
                password: self.secrets.redis.clone(),
                log: log_of(self.folder, "redis"),
                settings: Vec::new(),
                environment: vec![mark(self.folder)],
                tls: tls.clone(),
            },
        )
        .await?;
        let url = started.url();
        self.running
            .push((started.program().clone(), started.into_child()));
        self.done("Redis is ready", begun);
        Ok((url, redis::certificates(tls.as_ref())))
    }
}

pub fn of_ours(binaries: Option<&Binaries>) -> &Binaries {
    binaries.expect("looked for where an engine is of our own")
}

/// Of a URL, without whose it is.
fn place(url: &str) -> &str {
    let place = match url.rsplit_once('@') {
        Some((_, place)) => place,
        None => url.split_once("://").map_or(url, |(_, place)| place),
    };
    place.split('?').next().unwrap_or_default()
}

/// The files that our own environment names, as for a service; without TLS none is looked at.
fn given(url: &str) -> RedisOptions {
    let file = |name| {
        let path = std::env::var_os(name).filter(|path| !path.is_empty());
        path.map(std::path::PathBuf::from)
    };
    if !url.contains("rediss") {
        return RedisOptions::default();
    }
    RedisOptions {
        redis_ca: file("WEIR_REDIS_CA"),
        redis_cert: file("WEIR_REDIS_CERT"),
        redis_key: file("WEIR_REDIS_KEY"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_told_before_anything_is_started() {
        let engines = |postgres: Option<&str>, redis: Option<&str>| Engines {
            postgres: postgres.map(str::to_owned),
            redis: redis.map(str::to_owned),
            ..Engines::default()
        };
        let of = "postgres://boss:p@host/weir";
        assert!(engines(Some(of), Some("redis://host:6379")).check().is_ok());
        assert!(engines(None, Some("rediss://host:6379")).check().is_ok());
        assert!(Engines::default().check().is_ok());
        for (postgres, redis, named) in [
            (Some("foo"), None, "--postgres"),
            (Some(of), Some("http://foo"), "--redis"),
        ] {
            let error = engines(postgres, redis).check().unwrap_err();
            assert!(format!("{error:#}").starts_with(named), "{error:#}");
        }
    }

    #[test]
    fn a_redis_is_named_without_its_password() {
        for (url, named) in [
            ("redis://h:1/0", "h:1/0"),
            ("rediss://:sec@ret,x?y@h:1/0?protocol=3", "h:1/0"),
            ("redis+cluster://u:secret@h:1,i:2", "h:1,i:2"),
            ("redis://u:secret@h:1,redis://u:secret@i:2", "i:2"),
        ] {
            assert_eq!(place(url), named);
        }
    }
}
