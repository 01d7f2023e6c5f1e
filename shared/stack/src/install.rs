//! Installs PostgreSQL and Redis (and for the tests a browser) through apt, for `weir up` and
//! `weir test` alone.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use weir_servers::Binaries;
use weir_servers::user::is_root;

/// Weir runs servers of its own: those that the packages would start by themselves, and the
/// cluster that Debian makes on installation, are only in the way. So both are told off while
/// we install, and only if nobody else has decided on it already.
const SCRIPT: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=yes
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
apt-get -q -o Acquire::Retries=3 update
install() { apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install "$@"; }
for package in "$@"; do
    if [ "$package" = postgresql ]; then
        install postgresql-common
        settings=/etc/postgresql-common/createcluster.conf
        if [ -f "$settings" ]; then
            sed -i 's/^#\? *create_main_cluster .*/create_main_cluster = false/' "$settings"
        fi
    fi
    install "$package"
done
"#;

/// The programs; installs what is missing. `say` is told what happens; apt writes to our
/// standard error.
///
/// # Errors
/// Something is missing and can't be installed; says what to do.
pub fn ensure_installed(say: impl Fn(&str)) -> anyhow::Result<Binaries> {
    let missing = match Binaries::find() {
        Ok(found) => return Ok(found),
        Err(missing) => missing,
    };
    say("installing PostgreSQL and Redis with apt");
    install_packages(&missing.to_string(), &["postgresql", "redis-server"])?;
    Binaries::find()
}

/// Installs packages of Debian or Ubuntu; `missing` says for what.
///
/// # Errors
/// They can't be installed; says what to do.
pub fn install_packages(missing: &str, packages: &[&str]) -> anyhow::Result<()> {
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("{missing} (here there is no apt-get, so please install it yourself)");
    }
    let mut command = if is_root() {
        Command::new("/bin/sh")
    } else if can_sudo() {
        let mut command = Command::new("sudo");
        command.args(["-n", "/bin/sh"]);
        command
    } else {
        bail!("{missing} (that takes root, and sudo asks for a password here)");
    };
    let status = command
        .args(["-c", SCRIPT, "weir-install"])
        .args(packages)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("can't run apt-get")?;
    if !status.success() {
        bail!("{missing} (apt-get failed; its messages are above)");
    }
    Ok(())
}

fn can_sudo() -> bool {
    Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
