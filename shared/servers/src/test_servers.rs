//! PostgreSQL and Redis for the tests of a service; see the crate's page.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::OnceCell;

use crate::binaries::Binaries;
use crate::ports::free_port;
use crate::postgres::{Postgres, PostgresOptions};
use crate::redis::{Redis, RedisOptions};
use crate::secrets::Secrets;
use crate::temporary::TemporaryFolder;

/// A port that was free a moment ago may be taken by another test run.
const START_ATTEMPTS: usize = 3;

static SHARED: OnceCell<TestServers> = OnceCell::const_new();

/// One PostgreSQL and one Redis, without durability, gone with the process.
#[derive(Debug)]
pub struct TestServers {
    /// The PostgreSQL.
    pub postgres: Postgres,
    /// The Redis.
    pub redis: Redis,
    databases: AtomicUsize,
    _folder: TemporaryFolder,
}

impl TestServers {
    /// The servers that all tests of this binary share; started by whoever comes first.
    ///
    /// # Panics
    /// They can't be started; the message says why.
    pub async fn shared() -> &'static Self {
        SHARED
            .get_or_init(|| async {
                match Self::start().await {
                    Ok(servers) => servers,
                    Err(error) => panic!("no servers for the tests: {error:#}"),
                }
            })
            .await
    }

    /// Servers of one's own, for a test that stops or kills them.
    ///
    /// # Errors
    /// They can't be started; the text says why.
    pub async fn start() -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&binaries).await {
                Err(error) if attempt < START_ATTEMPTS && is_clash(&error) => attempt += 1,
                started => return started,
            }
        }
    }

    async fn start_once(binaries: &Binaries) -> anyhow::Result<Self> {
        let folder = TemporaryFolder::create()?;
        let secrets = Secrets::generate()?;
        let postgres = Postgres::start(
            binaries,
            PostgresOptions {
                folder: folder.path().join("postgres"),
                port: free_port()?,
                superuser_password: secrets.superuser,
                role_passwords: secrets.roles,
                log: folder.path().join("postgres.log"),
                durable: false,
                settings: Vec::new(),
                environment: Vec::new(),
            },
        );
        let redis = Redis::start(
            binaries,
            RedisOptions {
                folder: folder.path().join("redis"),
                port: free_port()?,
                password: secrets.redis,
                log: folder.path().join("redis.log"),
                settings: Vec::new(),
                environment: Vec::new(),
            },
        );
        let (postgres, redis) = (Box::pin(postgres).await?, redis.await?);
        Ok(Self {
            postgres,
            redis,
            databases: AtomicUsize::new(0),
            _folder: folder,
        })
    }

    /// A new database, with a schema and a role for each service and nothing in them.
    ///
    /// # Panics
    /// It can't be created.
    pub async fn fresh_database(&self) -> TestDatabase {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        // Roles belong to the whole server: two tests must not alter them at the same time.
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let turn = TURN.lock().await;
        if let Err(error) = self.postgres.create_database(&name).await {
            panic!("no database for the test: {error:#}");
        }
        drop(turn);
        TestDatabase {
            superuser_url: self.postgres.superuser_url(&name),
            urls: crate::postgres::SCHEMAS
                .map(|schema| (schema, self.postgres.service_url(schema, &name))),
            name,
        }
    }

    /// The URL of the Redis. Tests share it: use random account ids, never `FLUSHALL`.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }
}

/// A database of one test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Its name in the server.
    pub name: String,
    /// For looking behind the scenes.
    pub superuser_url: String,
    urls: [(&'static str, String); 4],
}

impl TestDatabase {
    /// For looking behind the scenes of one schema, at the rows of all accounts.
    pub fn behind(&self, schema: &str) -> String {
        format!("{}?options=-c%20search_path%3D{schema}", self.superuser_url)
    }

    /// The same, to which the service of this schema goes by another way.
    #[must_use]
    pub fn by_way(mut self, schema: &str, url: &str) -> Self {
        for (name, way) in &mut self.urls {
            if *name == schema {
                url.clone_into(way);
            }
        }
        self
    }

    /// `WEIR_DATABASE_URL` of the service that owns this schema: `mapping`, `contact`,
    /// `activity` or `audience`.
    ///
    /// # Panics
    /// There is no such schema.
    pub fn url_for(&self, schema: &str) -> String {
        match self.urls.iter().find(|(name, _)| *name == schema) {
            Some((_, url)) => url.clone(),
            None => panic!("no service owns a schema {schema:?}"),
        }
    }
}

/// Whether a start failed because somebody else listens on the port.
pub fn is_clash(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    [
        "Address already in use",
        "address already in use",
        "Address in use",
    ]
    .iter()
    .any(|said| text.contains(said))
}
