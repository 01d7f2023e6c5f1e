//! `up --detach`: the same in a process of its own, which outlives this one.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, anyhow};
use weir_servers::child;
use weir_stack::{StackFile, holder};

use super::Stop;
use crate::arguments::UpOptions;
use crate::failure::Failure;
use crate::folder::hint;
use crate::output::say;

const POLL: Duration = Duration::from_millis(100);

pub async fn run(options: &UpOptions, folder: &Path) -> Result<(), Failure> {
    let still = holder(folder);
    // A holder that was killed a moment ago is no holder.
    if still.is_some() {
        tokio::time::sleep(POLL * 5).await;
    }
    if let Some(pid) = still.and_then(|_| holder(folder)) {
        return Err(anyhow!(
            "Weir is running on {} already (process {pid}); `{}` stops it",
            folder.display(),
            hint("down", folder)
        )
        .into());
    }
    let mut stop = Stop::listen()?;
    let log_path = folder.join("log").join("up.log");
    fs::create_dir_all(folder.join("log"))
        .with_context(|| format!("can't create {}", folder.display()))?;
    let log =
        File::create(&log_path).with_context(|| format!("can't write {}", log_path.display()))?;
    StackFile::remove(folder);
    let mut background = spawn(options, folder, log)?;
    let mut shown = File::open(&log_path).context("can't read what was just written")?;
    loop {
        let ended = background.try_wait().context("can't watch the process")?;
        let ready = StackFile::read(folder)
            .ok()
            .flatten()
            .is_some_and(|file| file.pid == background.id());
        show(&mut shown)?;
        if let Some(status) = ended {
            show(&mut shown)?;
            return Err(match status.code() {
                Some(2) => Failure::Input("nothing was started".into()),
                _ => anyhow!("nothing was started; see above").into(),
            });
        }
        if ready {
            // The last words come right behind the file.
            tokio::time::sleep(POLL).await;
            show(&mut shown)?;
            say!(
                "It goes on in the background (process {}); `{}` stops it.",
                background.id(),
                hint("down", folder)
            );
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = stop.asked() => {
                child::signal("TERM", background.id());
                let _ = background.wait();
                show(&mut shown)?;
                return Err(anyhow!("stopped before everything was started").into());
            }
        }
    }
}

/// In a session of its own, so that neither Ctrl-C nor the end of this terminal reaches it.
fn spawn(options: &UpOptions, folder: &Path, log: File) -> anyhow::Result<Child> {
    let own = std::env::current_exe().context("who am I?")?;
    let mut command = Command::new("setsid");
    command
        .arg(own)
        .args(["up", "--in-background", "--data"])
        .arg(folder);
    command.arg("--replicas").arg(options.replicas.to_string());
    if options.tls {
        command.arg("--tls");
    }
    // Others see the arguments of programs, and not their variables.
    let passwords = &options.passwords;
    for (name, value) in [
        ("WEIR_UP_POSTGRES", &options.postgres),
        ("WEIR_UP_REDIS", &options.redis),
        ("WEIR_MAPPING_DATABASE_PASSWORD", &passwords.mapping),
        ("WEIR_CONTACT_DATABASE_PASSWORD", &passwords.contact),
        ("WEIR_ACTIVITY_DATABASE_PASSWORD", &passwords.activity),
        ("WEIR_AUDIENCE_DATABASE_PASSWORD", &passwords.audience),
    ] {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    if let Some(base) = options.ports {
        command.arg("--ports").arg(base.to_string());
    }
    let errors = log.try_clone().context("can't share the log")?;
    command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .context("can't start a process in the background (setsid)")
}

/// Prints what was added to the log.
fn show(log: &mut File) -> anyhow::Result<()> {
    let mut new = Vec::new();
    log.read_to_end(&mut new).context("can't read the log")?;
    let mut output = std::io::stdout().lock();
    // Nobody may be reading any more; the process goes on all the same.
    let _ = output.write_all(&new).and_then(|()| output.flush());
    Ok(())
}
