//! TLS with a real Redis.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::{RedisError, RedisResult};
use weir_certs::{Authority, Holder, files};
use weir_redis::{Patience, Redis, RedisOptions, Stamp, why};
use weir_servers::{ServerTls, TestServers};

async fn servers(folder: &Path) -> TestServers {
    let (authority, _) = Authority::open(folder).unwrap();
    let server = Holder::new("server", &["localhost", "127.0.0.1"]);
    authority.renew(&server).unwrap();
    let (certificate, key) = files(folder, "server");
    let tls = ServerTls {
        certificate,
        key,
        authority: folder.join("ca.pem"),
    };
    TestServers::start_with(Some(&tls)).await.unwrap()
}

fn trusting(authority: PathBuf) -> RedisOptions {
    RedisOptions {
        redis_ca: Some(authority),
        ..RedisOptions::default()
    }
}

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(5),
};

fn read(url: &str, options: &RedisOptions) -> Redis {
    Redis::with(url, PATIENCE, options).unwrap()
}

async fn ping(redis: &Redis) -> RedisResult<Stamp> {
    let stamp = redis.stamp();
    let mut connection = redis.connect().await?;
    let pong: String = redis::cmd("PING").query_async(&mut connection).await?;
    assert_eq!(pong, "PONG");
    Ok(stamp)
}

fn code(refused: &RedisError) -> &'static str {
    why(refused).map_or("none", |cause| cause.code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_known_by_its_authority_and_a_new_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let servers = servers(folder.path()).await;
    let url = servers.redis_url();
    assert!(url.starts_with("rediss://"));
    let ca = folder.path().join("ca.pem");
    let address = read(&url, &trusting(ca.clone()));
    let stamp = ping(&address).await.unwrap();
    assert!(address.is_current(&stamp));
    let by_name = url.replace("127.0.0.1", "localhost");
    let address = read(&by_name, &trusting(ca.clone()));
    ping(&address).await.unwrap();

    let trusted = tempfile::tempdir().unwrap();
    Authority::open(trusted.path()).unwrap();
    let file = trusted.path().join("ca.pem");
    let address = read(&url, &trusting(file.clone()));
    let before = address.stamp();
    assert_eq!(
        code(&ping(&address).await.err().unwrap()),
        "unknown_authority"
    );
    std::fs::copy(&ca, &file).unwrap();
    while address.is_current(&before) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ping(&address).await.unwrap();

    // The other way round.
    let plain = url.replace("rediss://", "redis://");
    let address = read(&plain, &RedisOptions::default());
    assert!(ping(&address).await.is_err());
    // It waits for the end of a line.
    let unsecure = TestServers::shared().await.own_redis_url().await;
    let secure = unsecure.replace("redis://", "rediss://");
    let address = read(&secure, &trusting(ca));
    assert!(address.speaks_tls() && ping(&address).await.is_err());
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::open(folder.path()).unwrap();
    let ca = authority.file();
    for (url, options, said) in [
        (
            "redis://a:1",
            trusting(ca.clone()),
            "a WEIR_REDIS_URL of rediss:// is missing",
        ),
        (
            "rediss://a:1",
            trusting("/nowhere".into()),
            "WEIR_REDIS_CA: can't read /nowhere",
        ),
        (
            "rediss://a:1",
            RedisOptions {
                redis_cert: Some(ca),
                ..RedisOptions::default()
            },
            "WEIR_REDIS_KEY is missing",
        ),
        ("http://a:1", RedisOptions::default(), "WEIR_REDIS_URL: "),
    ] {
        let refused = Redis::with(url, PATIENCE, &options)
            .err()
            .unwrap()
            .to_string();
        assert!(refused.starts_with(said), "{refused}");
    }
    // An empty variable is none.
    assert!(Redis::with("redis://a:1", PATIENCE, &trusting("".into())).is_ok());
}
