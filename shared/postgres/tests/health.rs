//! The health of a service whose PostgreSQL hangs.

#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use weir_rpc::{Access, Channel, Server};
use weir_servers::TestServers;

const NAME: &str = "weir.audience.v1.AudienceService";

/// Lets processes go on, however the test ends.
struct Stopped(Vec<String>);

impl Stopped {
    /// All processes of a PostgreSQL.
    fn stop(postmaster: u32) -> Self {
        let postmaster = postmaster.to_string();
        let children = Command::new("pgrep").args(["-P", &postmaster]).output();
        let children = String::from_utf8(children.unwrap().stdout).unwrap();
        let mut all = vec![postmaster];
        all.extend(children.lines().map(str::to_owned));
        let stopped = Self(all);
        stopped.signal("-STOP");
        stopped
    }

    fn signal(&self, signal: &str) {
        // One of them may have ended by itself.
        let _ = Command::new("kill").arg(signal).args(&self.0).status();
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

async fn becomes(health: &mut HealthClient<Channel>, wanted: ServingStatus) -> Duration {
    let began = Instant::now();
    loop {
        let request = HealthCheckRequest {
            service: NAME.to_owned(),
        };
        let answer = health.check(request).await;
        if answer.is_ok_and(|answer| answer.get_ref().status() == wanted) {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_database_that_hangs_is_noticed_at_once_and_so_is_its_return() {
    let servers = TestServers::start().await.unwrap();
    let database = servers.fresh_database().await;
    let pool = weir_postgres::connect(&database.url_for("audience"), 3, &[]).unwrap();
    // Connections that were used.
    let all = tokio::join!(pool.get(), pool.get(), pool.get());
    drop(all);
    let server = Server::new(NAME).access(Access::open()).probe(move || {
        let pool = pool.clone();
        async move {
            match pool.get().await {
                Ok(client) => client.unscoped().simple_query("").await.is_ok(),
                Err(_) => false,
            }
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server.serve(listener, std::future::pending()));
    let mut health = HealthClient::new(weir_rpc::connect(&address).unwrap());
    becomes(&mut health, ServingStatus::Serving).await;

    let stopped = Stopped::stop(servers.postgres.child().pid());
    let noticed = becomes(&mut health, ServingStatus::NotServing).await;
    assert!(noticed < Duration::from_millis(1_800), "{noticed:?}");
    // For as long as it hangs.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let noticed = becomes(&mut health, ServingStatus::NotServing).await;
    assert!(noticed < Duration::from_millis(100), "{noticed:?}");

    drop(stopped);
    let back = becomes(&mut health, ServingStatus::Serving).await;
    assert!(back < Duration::from_secs(5), "{back:?}");
}
