//! What a real Redis, or a cluster of some, lets somebody do.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use weir_redis::{MAPPING, Patience, QUOTA, Redis, RedisOptions, Unfit, check};
use weir_servers::{RedisCluster, TestServers};

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(5),
};

async fn look(url: &str) -> Result<(), Unfit> {
    let redis = Redis::with(url, PATIENCE, &RedisOptions::default()).unwrap();
    let mut connection = redis.connect().await.unwrap();
    check(&mut connection, &[QUOTA, MAPPING].concat())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_user_who_may_not_do_what_is_done_there_is_named() {
    let servers = TestServers::start().await.unwrap();
    let url = servers.redis_url();
    assert_eq!(look(&url).await, Ok(()));
    let mut redis = Redis::with(&url, PATIENCE, &RedisOptions::default())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let (_, place) = url.rsplit_once('@').unwrap();
    for (user, rules, refused) in [
        ("enough", "~weir:* +@all -@dangerous +info", None),
        ("uninformed", "~weir:* +@all -@dangerous", Some("'info'")),
        ("unsorted", "~weir:* +@all -@sortedset", Some("weir: ZADD;")),
        ("unlisted", "~weir:* +@all -@list", Some("weir: LPOS;")),
        ("timeless", "~weir:* +@all -time", Some("weir: TIME;")),
        ("scriptless", "~* +@all -@scripting", Some("'evalsha'")),
        (
            "reader",
            "~* +@read +@scripting +info +ping",
            Some("weir: DEL;"),
        ),
        ("elsewhere", "~mine:* +@all", Some("permissions to access")),
    ] {
        let mut acl = redis::cmd("ACL");
        acl.arg("SETUSER").arg(user).arg("on").arg(">a-password");
        let acl = rules.split(' ').fold(&mut acl, |acl, rule| acl.arg(rule));
        acl.query_async::<()>(&mut redis).await.unwrap();
        let fit = look(&format!("redis://{user}:a-password@{place}")).await;
        match (&fit, refused) {
            (Ok(()), None) => {}
            (Err(unfit @ Unfit::Forbidden(_)), Some(named)) => {
                assert!(unfit.to_string().contains(named), "{user}: {unfit}");
            }
            _ => panic!("{user}: {fit:?}"),
        }
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_is_named_as_one_and_so_is_a_slot_that_is_nobodys() {
    let cluster = RedisCluster::start().await.unwrap();
    assert_eq!(look(&cluster.url()).await, Ok(()));
    let node = cluster.node(0).url();
    assert_eq!(look(&node).await, Err(Unfit::Node));
    let client = redis::Client::open(node).unwrap();
    let mut master = client.get_multiplexed_async_connection().await.unwrap();
    let nodes: String = redis::cmd("CLUSTER")
        .arg("NODES")
        .query_async(&mut master)
        .await
        .unwrap();
    let mine = nodes.lines().find(|line| line.contains("myself")).unwrap();
    let mine = mine.split(' ').next_back().unwrap();
    let slot = mine.split('-').next().unwrap();
    let mut forget = redis::cmd("CLUSTER");
    forget.arg("DELSLOTS").arg(slot);
    forget.query_async::<()>(&mut master).await.unwrap();
    let seen = Redis::with(&cluster.url(), PATIENCE, &RedisOptions::default());
    let mut seen = seen.unwrap().connect().await.unwrap();
    // Whichever node is asked; the others may not have heard of it yet.
    let mut told = Vec::new();
    for _ in 0..50 {
        told.push(check(&mut seen, QUOTA).await);
        if let Some(Ok(Err(unfit))) = told.last() {
            assert_eq!(*unfit, Unfit::Slots("16383".to_owned()));
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("no node misses its slot: {told:?}");
}
