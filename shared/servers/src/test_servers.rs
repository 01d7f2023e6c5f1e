//! PostgreSQL and Redis for the tests of a service; see the crate's page.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::binaries::Binaries;
use crate::ports::free_port;
use crate::postgres::{Postgres, PostgresOptions, SCHEMAS};
use crate::redis::{Redis, RedisOptions};
use crate::secrets::Secrets;
use crate::temporary::TemporaryFolder;
use crate::theirs::Theirs;
use crate::tls::ServerTls;

/// A port that was free a moment ago may be taken by another test run.
const START_ATTEMPTS: usize = 3;

/// Engines that somebody else runs, for tests that neither stop nor wipe nor measure them: an
/// administrator's URL, and that of a Redis or a cluster.
const TEST_POSTGRES: &str = "WEIR_TEST_POSTGRES";
const TEST_REDIS: &str = "WEIR_TEST_REDIS";
/// A pooler before that PostgreSQL, by which services go: `host:port`.
const TEST_POOLER: &str = "WEIR_TEST_POOLER";
/// What the databases of one run are called after, so that they can be dropped at its end.
pub const TEST_RUN: &str = "WEIR_TEST_RUN";

/// Roles belong to the whole server: two tests must not alter them at the same time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

static SHARED: OnceCell<SharedServers> = OnceCell::const_new();

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
    /// The servers that all tests of this binary share: those that `WEIR_TEST_POSTGRES` and
    /// `WEIR_TEST_REDIS` name, or else some that are started by whoever comes first.
    ///
    /// # Panics
    /// They can't be started or used; the message says why.
    pub async fn shared() -> &'static SharedServers {
        SHARED
            .get_or_init(|| async {
                match Box::pin(SharedServers::start()).await {
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
        Self::start_with(None).await
    }

    /// As well, servers that speak TLS alone.
    ///
    /// # Errors
    /// As of [`Self::start`].
    pub async fn start_with(tls: Option<&ServerTls>) -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&binaries, tls).await {
                Err(error) if attempt < START_ATTEMPTS && is_clash(&error) => attempt += 1,
                started => return started,
            }
        }
    }

    async fn start_once(binaries: &Binaries, tls: Option<&ServerTls>) -> anyhow::Result<Self> {
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
                tls: tls.cloned(),
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
                tls: tls.cloned(),
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
        let turn = TURN.lock().await;
        if let Err(error) = self.postgres.create_database(&name).await {
            panic!("no database for the test: {error:#}");
        }
        drop(turn);
        TestDatabase {
            superuser_url: self.postgres.superuser_url(&name),
            urls: SCHEMAS
                .map(|schema| Way::straight(schema, self.postgres.service_url(schema, &name))),
            name,
        }
    }

    /// The URL of the Redis. Tests share it: use random account ids, never `FLUSHALL`.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }
}

/// What `WEIR_TEST_POSTGRES` and `WEIR_TEST_REDIS` name: an administrator's URL, and Redis'.
pub fn test_engines() -> (Option<String>, Option<String>) {
    let given = |name| std::env::var(name).ok().filter(|url| !url.is_empty());
    (given(TEST_POSTGRES), given(TEST_REDIS))
}

/// A database of that PostgreSQL for a whole system, and what its roles log in with.
///
/// # Errors
/// The URL is none.
pub fn test_system(url: &str) -> anyhow::Result<(String, BTreeMap<String, String>)> {
    let theirs = Theirs::read(url).context(TEST_POSTGRES)?;
    let theirs = theirs.database(&test_database("system"));
    Ok((theirs.url(), test_passwords(&theirs)))
}

fn test_database(what: &str) -> String {
    let run = std::env::var(TEST_RUN).unwrap_or_else(|_| "weir_test".into());
    format!("{run}_{}_{what}", std::process::id())
}

fn by_pooler(theirs: &Theirs) -> Theirs {
    match std::env::var(TEST_POOLER) {
        Ok(pooler) if !pooler.is_empty() => theirs.clone().by(&pooler),
        _ => theirs.clone(),
    }
}

/// What the roles of the services log in with on somebody else's server: the same for each program
/// of tests, since roles are the whole server's.
fn test_passwords(theirs: &Theirs) -> BTreeMap<String, String> {
    let of = |schema: &str| {
        let text = format!("tests of Weir: {schema} {}", theirs.administrator());
        HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
    };
    SCHEMAS.map(|schema| (schema.to_owned(), of(schema))).into()
}

/// The servers that the tests of a program share: nobody stops or empties them.
#[derive(Debug)]
pub struct SharedServers {
    /// Started on first use: where both are somebody else's, perhaps never.
    own: OnceCell<TestServers>,
    postgres: Option<Theirs>,
    redis: Option<String>,
    databases: AtomicUsize,
}

impl SharedServers {
    async fn start() -> anyhow::Result<Self> {
        let (postgres, redis) = test_engines();
        let postgres = postgres.as_deref().map(Theirs::read).transpose();
        let postgres = postgres.context(TEST_POSTGRES)?;
        let own = OnceCell::new();
        if postgres.is_none() || redis.is_none() {
            own.get_or_try_init(TestServers::start).await?;
        }
        Ok(Self {
            own,
            postgres,
            redis,
            databases: AtomicUsize::new(0),
        })
    }

    fn own(&self) -> &TestServers {
        let own = self.own.get();
        own.expect("started where one of the two is not somebody else's")
    }

    /// As [`TestServers::fresh_database`].
    ///
    /// # Panics
    /// It can't be created.
    pub async fn fresh_database(&self) -> TestDatabase {
        let Some(theirs) = &self.postgres else {
            return self.own().fresh_database().await;
        };
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = test_database(&number.to_string());
        let theirs = theirs.clone().database(&name);
        let passwords = test_passwords(&theirs);
        let turn = TURN.lock().await;
        // As the server makes databases, whatever its collation: it is to be no matter.
        let made = async {
            theirs.create_database("").await?;
            theirs.set_up(&passwords, 0).await
        };
        if let Err(error) = Box::pin(made).await {
            panic!("no database for the test: {error:#}");
        }
        drop(turn);
        TestDatabase {
            superuser_url: theirs.url(),
            urls: SCHEMAS.map(|schema| Way {
                schema,
                url: by_pooler(&theirs).service_url(schema, &passwords[schema]),
                straight: theirs.service_url(schema, &passwords[schema]),
            }),
            name,
        }
    }

    /// As [`TestServers::redis_url`].
    pub fn redis_url(&self) -> String {
        match &self.redis {
            Some(theirs) => theirs.clone(),
            None => self.own().redis_url(),
        }
    }

    /// A Redis of our own in any case, and one alone: for tests that go to it by a way of their own,
    /// work in several of its databases, or look at it as a whole.
    ///
    /// # Panics
    /// It can't be started.
    pub async fn own_redis_url(&self) -> String {
        match self.own.get_or_try_init(TestServers::start).await {
            Ok(own) => own.redis_url(),
            Err(error) => panic!("no servers for the tests: {error:#}"),
        }
    }

    /// The administrator's, for a database.
    pub fn superuser_url(&self, database: &str) -> String {
        match &self.postgres {
            Some(theirs) => theirs.clone().database(database).url(),
            None => self.own().postgres.superuser_url(database),
        }
    }
}

/// A database of one test.
#[derive(Debug, Clone)]
pub struct TestDatabase {
    /// Its name in the server.
    pub name: String,
    /// For looking behind the scenes.
    pub superuser_url: String,
    urls: [Way; 4],
}

/// How a service comes in.
#[derive(Debug, Clone)]
struct Way {
    schema: &'static str,
    /// By a pooler, where the tests are told of one.
    url: String,
    straight: String,
}

impl Way {
    fn straight(schema: &'static str, url: String) -> Self {
        Self {
            schema,
            straight: url.clone(),
            url,
        }
    }
}

impl TestDatabase {
    /// For looking behind the scenes of one schema, at the rows of all accounts.
    pub fn behind(&self, schema: &str) -> String {
        let also = if self.superuser_url.contains('?') {
            "&"
        } else {
            "?"
        };
        format!(
            "{}{also}options=-c%20search_path%3D{schema}",
            self.superuser_url
        )
    }

    /// The same, to which the service of this schema goes by another way.
    #[must_use]
    pub fn by_way(mut self, schema: &str, url: &str) -> Self {
        for way in &mut self.urls {
            if way.schema == schema {
                url.clone_into(&mut way.url);
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
        self.way(schema).url.clone()
    }

    /// The same by no pooler, for tests of what one session keeps: its locks, its plans, its process.
    ///
    /// # Panics
    /// As there.
    pub fn session_url_for(&self, schema: &str) -> String {
        self.way(schema).straight.clone()
    }

    fn way(&self, schema: &str) -> &Way {
        match self.urls.iter().find(|way| way.schema == schema) {
            Some(way) => way,
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
