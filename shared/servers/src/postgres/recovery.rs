//! A PostgreSQL that is restored to a point in time: it replays what was archived, for as long as
//! that takes, and takes no writes before.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::{POLL, Postgres, connect, with_other_password};

/// Written by whoever restores, and removed by PostgreSQL when it is done.
const SIGNALS: [&str; 2] = ["recovery.signal", "standby.signal"];
/// Between one word of it and the next.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It replays, and may not let anybody in yet.
    Replays,
    /// It is where it was to go, and takes no writes until somebody says so.
    Paused,
    Writable,
}

impl State {
    fn told(self, since: Duration) -> String {
        let seconds = since.as_secs();
        match self {
            Self::Paused => "PostgreSQL has paused where its recovery was to end, and takes no \
                 writes: call pg_wal_replay_resume(), or set recovery_target_action=promote"
                .to_owned(),
            _ if seconds == 0 => "PostgreSQL is restored: it replays its WAL".to_owned(),
            _ => format!("PostgreSQL still replays its WAL, since {seconds} s"),
        }
    }
}

pub fn is_restored(folder: &Path) -> bool {
    SIGNALS.iter().any(|name| folder.join(name).exists())
}

impl Postgres {
    /// Waits without a bound: WAL of weeks takes hours.
    pub(super) async fn until_writable(&self, tell: impl Fn(&str)) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut told = None;
        let writable = async {
            loop {
                let state = self.state().await?;
                if state == State::Writable {
                    return anyhow::Ok(());
                }
                let is_told = told.is_some_and(|(last, at): (State, Instant)| {
                    last == state && at.elapsed() < TOLD_EVERY
                });
                if !is_told {
                    tell(&state.told(begun.elapsed()));
                    told = Some((state, Instant::now()));
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::select! {
            writable = writable => writable,
            code = self.child.exited() => bail!(
                "PostgreSQL stopped while it was restored (exit {code}); its log ends with\n{}",
                self.child.last_lines()
            ),
        }
    }

    async fn state(&self) -> anyhow::Result<State> {
        let client = match connect(&self.superuser_url("postgres")).await {
            Ok(client) => client,
            Err(error) => return with_other_password(error).map(|()| State::Replays),
        };
        // Where it ends in between there is nothing to be paused, which is an error.
        let recovers = client.query_one("SELECT pg_is_in_recovery()", &[]).await;
        match recovers.map(|row| row.get(0)) {
            Ok(false) => return Ok(State::Writable),
            Ok(true) => {}
            Err(_) => return Ok(State::Replays),
        }
        let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        let paused = client.query_one(paused, &[]).await.map(|row| row.get(0));
        Ok(match paused {
            Ok(true) => State::Paused,
            _ => State::Replays,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_told_for_what() {
        let told = |state: State, seconds| state.told(Duration::from_secs(seconds));
        assert!(told(State::Replays, 0).ends_with("it replays its WAL"));
        assert!(told(State::Replays, 70).ends_with("since 70 s"));
        assert!(told(State::Paused, 70).contains("pg_wal_replay_resume()"));
    }
}
