//! One process and the task that keeps it running.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use weir_servers::child::{Child, Program, rotate};

use super::options::{Report, Reporter};

/// A process that crashed is started again after this, doubled with every crash in a row. The edge
/// tries a call again within 750 ms: who starts at all is back for one of its tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Of who can't run as things are; whoever mends that should not have to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Who ended within this time of its start crashed "in a row".
const AT_ONCE: Duration = Duration::from_secs(10);
/// Who ran this long is well again.
const STEADY: Duration = Duration::from_secs(30);

/// A log that is longer is moved aside; two of them are what a process has at most.
const LONGEST_LOG: u64 = 32 * 1024 * 1024;
const LOOK_AT_LOG: Duration = Duration::from_secs(5);

/// A handle. Dropping it stops the process.
#[derive(Debug)]
pub struct Process {
    name: String,
    commands: mpsc::Sender<Command>,
    pid: watch::Receiver<Option<u32>>,
}

#[derive(Debug)]
enum Command {
    Stop(oneshot::Sender<()>),
    Start(oneshot::Sender<()>),
    /// Whether the process stays down afterwards.
    Kill {
        hold: bool,
        done: oneshot::Sender<()>,
    },
}

impl Process {
    /// Watches over a process that was started.
    pub fn supervise(
        program: Program,
        child: Child,
        patience: Duration,
        reporter: Reporter,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(8);
        let (pid, watched) = watch::channel(Some(child.pid()));
        let name = program.name.clone();
        let keeper = Keeper {
            program,
            child: Some(child),
            patience,
            reporter,
            pid,
        };
        tokio::spawn(keeper.run(receiver));
        Self {
            name,
            commands,
            pid: watched,
        }
    }

    /// Of the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// While it runs.
    pub fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }

    /// Stops it nicely; it stays down.
    pub async fn stop(&self) {
        self.stopping().await;
    }

    /// Begins to stop it at once; the future waits for the end.
    pub fn stopping(&self) -> impl Future<Output = ()> + use<> {
        let (done, waiter) = oneshot::channel();
        let sent = self.commands.try_send(Command::Stop(done));
        async move {
            if sent.is_ok() {
                let _ = waiter.await;
            }
        }
    }

    /// Starts it where it is down.
    pub async fn start(&self) {
        self.command(Command::Start).await;
    }

    /// Kills it; it is started again.
    pub async fn kill9(&self) {
        self.command(|done| Command::Kill { hold: false, done })
            .await;
    }

    /// Kills it; it stays down.
    pub async fn kill9_and_hold(&self) {
        self.command(|done| Command::Kill { hold: true, done })
            .await;
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, waiter) = oneshot::channel();
        if self.commands.send(command(done)).await.is_ok() {
            let _ = waiter.await;
        }
    }
}

/// After an end, by the pause before the last start and how long it ran since.
fn next_pause(last: Duration, ran: Duration) -> Duration {
    if ran >= STEADY {
        FIRST_PAUSE
    } else if ran < AT_ONCE {
        (last * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE)
    } else {
        last.max(FIRST_PAUSE)
    }
}

struct Keeper {
    program: Program,
    /// None while it is down.
    child: Option<Child>,
    patience: Duration,
    reporter: Reporter,
    pid: watch::Sender<Option<u32>>,
}

impl Keeper {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut pause = Duration::ZERO;
        let mut since = Instant::now();
        // When to start it again; none: it is meant to be as it is.
        let mut due: Option<Instant> = None;
        let mut look = tokio::time::interval(LOOK_AT_LOG);
        loop {
            let crash = async {
                match &self.child {
                    Some(child) => child.exited().await,
                    None => std::future::pending().await,
                }
            };
            let rebirth = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = look.tick() => {
                    if let Err(error) = rotate(&self.program.log, LONGEST_LOG) {
                        tracing::warn!("{error:#}");
                    }
                }
                command = commands.recv() => {
                    let Some(command) = command else { return };
                    due = self.obey(command).await.then(Instant::now);
                    pause = Duration::ZERO;
                    since = Instant::now();
                }
                code = crash => {
                    let lines = self.child.take().map(|child| child.last_lines());
                    self.pid.send_replace(None);
                    (self.reporter)(Report::Crashed(
                        self.program.name.clone(), code, lines.unwrap_or_default(),
                    ));
                    pause = next_pause(pause, since.elapsed());
                    due = Some(Instant::now() + pause);
                }
                () = rebirth => {
                    since = Instant::now();
                    due = None;
                    if self.start() {
                        (self.reporter)(Report::Restarted(self.program.name.clone()));
                    } else {
                        pause = next_pause(pause, Duration::ZERO);
                        due = Some(Instant::now() + pause);
                    }
                }
            }
        }
    }

    /// Answers whether the process is to be started again.
    async fn obey(&mut self, command: Command) -> bool {
        let (again, done) = match command {
            Command::Stop(done) => {
                if let Some(child) = self.child.take() {
                    child.stop(self.patience).await;
                }
                self.pid.send_replace(None);
                (false, done)
            }
            Command::Start(done) => {
                let again = self.child.is_none() && !self.start();
                (again, done)
            }
            Command::Kill { hold, done } => {
                let running = self.child.take();
                if let Some(child) = &running {
                    child.kill9();
                    child.exited().await;
                }
                self.pid.send_replace(None);
                (running.is_some() && !hold, done)
            }
        };
        let _ = done.send(());
        again
    }

    fn start(&mut self) -> bool {
        match Child::start(&self.program) {
            Ok(child) => {
                self.pid.send_replace(Some(child.pid()));
                self.child = Some(child);
                true
            }
            Err(error) => {
                tracing::error!("{error:#}");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_at_once_is_started_ever_more_slowly_until_it_ran_for_a_while() {
        let mut pauses = vec![Duration::ZERO];
        for _ in 0..8 {
            pauses.push(next_pause(pauses[pauses.len() - 1], Duration::from_secs(1)));
        }
        let pauses: Vec<_> = pauses.iter().map(Duration::as_millis).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        let after = |seconds| next_pause(LONGEST_PAUSE, Duration::from_secs(seconds));
        assert_eq!([after(20), after(30)], [LONGEST_PAUSE, FIRST_PAUSE]);
    }
}
