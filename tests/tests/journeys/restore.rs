//! The drill of whoever lost a machine (`docs/operations.md`, "Back up and restore"): PostgreSQL
//! from a base backup that was taken under load, the secrets beside it, Redis lost.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use weir_servers::Binaries;
use weir_stack::StackOptions;
use weir_tests::events::{identify, track};
use weir_tests::{Account, Plan, Weir, eventually, journey_alone_with};

const BATCH: usize = 20;

/// Identifies and tracks of people of their own.
#[derive(Default, Clone)]
struct Sent {
    people: Vec<Value>,
    deeds: Vec<Value>,
}

impl Sent {
    fn of(name: &str) -> Self {
        let names = (0..BATCH).map(|n| format!("{name}-{n}"));
        let named = |name: String| (identify(&name, json!({"firstName": name})), track(&name));
        let (people, deeds) = names.map(named).unzip();
        Self { people, deeds }
    }

    /// Everything is taken, or was before.
    async fn send(&self, account: &Account) {
        for (people, deeds) in self.people.chunks(BATCH).zip(self.deeds.chunks(BATCH)) {
            assert_eq!(account.identify(people).await.statuses(), [200; BATCH]);
            assert_eq!(account.track(deeds).await.statuses(), [200; BATCH]);
        }
    }

    fn and(&mut self, more: Self) {
        self.people.extend(more.people);
        self.deeds.extend(more.deeds);
    }
}

/// What an operator's base backup does.
async fn back_up(weir: &Weir, into: &Path) {
    let program = Binaries::find().unwrap().postgres.join("pg_basebackup");
    let (server, _) = weir.stack.postgres_url().rsplit_once('/').unwrap();
    let mut backup = tokio::process::Command::new(program);
    backup
        .args([
            "--checkpoint=fast",
            "--wal-method=stream",
            "--dbname",
            server,
        ])
        .arg("--pgdata")
        .arg(into);
    let done = backup.output().await.unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// Keys, tokens and passwords live in files beside the data; logs and Redis's data do not matter.
fn copy_secrets(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The server must own its data; a backup is its maker's.
fn give_to_the_server(data: &Path, owner: &Path) {
    let owner = format!("--reference={}", owner.display());
    let mut give = Command::new("chown");
    assert!(
        give.arg("-R")
            .arg(owner)
            .arg(data)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_base_backup_and_the_secrets_bring_everything_back_and_what_came_since_is_taken_once() {
    let (lost, found) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = found.path().join("postgres");
    let kept: Mutex<Option<(Account, Sent, Sent)>> = Mutex::new(None);
    journey_alone_with(StackOptions::new(lost.path()), async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let before = Sent::of("before");
        before.send(&account).await;
        eventually("activities are of somebody", async || {
            account.backlog().await == 0
        })
        .await;
        let is_over = AtomicBool::new(false);
        let sending = async {
            let mut meanwhile = Sent::default();
            for round in 0.. {
                let some = Sent::of(&format!("meanwhile-{round}"));
                some.send(&account).await;
                meanwhile.and(some);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
            meanwhile
        };
        let backing_up = async {
            back_up(weir, &data).await;
            is_over.store(true, Ordering::Relaxed);
        };
        let (mut since, ()) = tokio::join!(sending, backing_up);
        let after = Sent::of("after");
        after.send(&account).await;
        since.and(after);
        *kept.lock().unwrap() = Some((account, before, since));
    });
    copy_secrets(lost.path(), found.path());
    give_to_the_server(&data, &lost.path().join("postgres"));
    drop(lost);

    journey_alone_with(StackOptions::new(found.path()), async |weir| {
        let (account, before, since) = kept.lock().unwrap().take().unwrap();
        let account = Account { weir, ..account };
        for n in [0, BATCH - 1] {
            let person = account.contact(&format!("before-{n}")).await.unwrap();
            assert_eq!(account.activities(&person.contact_id, 10).await.len(), 1);
        }
        // Whoever sends is told nothing of it: Segment sends what it was not told 200 for, and
        // here everything.
        before.send(&account).await;
        since.send(&account).await;
        eventually("activities are of somebody", async || {
            account.backlog().await == 0
        })
        .await;
        let people = before.people.len() + since.people.len();
        let contacts = account.contacts().await;
        assert_eq!(contacts.len(), people);
        for person in contacts {
            let deeds = account.activities(&person.contact_id, 10).await;
            assert_eq!(deeds.len(), 1, "{:?}", person.user_ids);
        }
        let units = i64::try_from(people).unwrap();
        assert_eq!(account.usage().await, (units, units));
    });
}
