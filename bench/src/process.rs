//! What processes cost: CPU time and memory, read from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Clock ticks of `/proc/PID/stat`: 100 a second in Linux's interface, whatever the kernel's own.
const TICKS_PER_SECOND: u64 = 100;

/// The name under which the load generator itself is counted.
pub const LOAD: &str = "load";
/// What events go through, in this order.
pub const SERVICES: [&str; 6] = [
    "edge",
    "mapping",
    "quota",
    "contact-upsert",
    "activity",
    "audience",
];
pub const POSTGRES: &str = "postgres";
pub const REDIS: &str = "redis";

/// The processes of a run by name; PostgreSQL stands for all of its cluster's.
#[derive(Debug, Clone)]
pub struct Processes {
    /// A service stands for all of its replicas.
    pub services: Vec<(String, u32)>,
    pub postgres: u32,
    pub redis: u32,
}

/// Something measured of each process, by name.
pub type ByProcess<T> = BTreeMap<String, T>;

impl Processes {
    /// CPU time used so far.
    ///
    /// # Errors
    /// Where one of the processes is gone.
    pub fn cpu(&self) -> Result<ByProcess<Duration>> {
        let mut cpu = ByProcess::new();
        for (name, pid) in &self.services {
            *cpu.entry(name.clone()).or_default() += read_stat(*pid)?.own;
        }
        cpu.insert(REDIS.into(), read_stat(self.redis)?.own);
        cpu.insert(LOAD.into(), read_stat(std::process::id())?.own);
        let postmaster = read_stat(self.postgres)?;
        // Backends that ended count with the postmaster, which waited for them.
        let mut postgres = postmaster.own + postmaster.waited_for;
        for pid in children(self.postgres)? {
            postgres += read_stat(pid).map(|stat| stat.own).unwrap_or_default();
        }
        cpu.insert(POSTGRES.into(), postgres);
        Ok(cpu)
    }

    /// Resident memory in KiB. Of PostgreSQL the proportional share, since its processes
    /// share their buffers.
    ///
    /// # Errors
    /// Where one of the processes is gone.
    pub fn memory(&self) -> Result<ByProcess<u64>> {
        let mut memory = self.services_memory()?;
        memory.insert(REDIS.into(), read_kib(self.redis, "status", "VmRSS:")?);
        let mut postgres = 0;
        for pid in children(self.postgres)? {
            postgres += read_kib(pid, "smaps_rollup", "Pss:").unwrap_or_default();
        }
        memory.insert(POSTGRES.into(), postgres);
        Ok(memory)
    }

    /// Of the services alone, which is quick to read.
    ///
    /// # Errors
    /// Where one of the processes is gone.
    pub fn services_memory(&self) -> Result<ByProcess<u64>> {
        let mut memory = ByProcess::new();
        for (name, pid) in &self.services {
            *memory.entry(name.clone()).or_default() += read_kib(*pid, "status", "VmRSS:")?;
        }
        Ok(memory)
    }

    /// Whether `name` is one of the services that events go through: the console is none.
    pub fn is_service(name: &str) -> bool {
        SERVICES.contains(&name)
    }
}

/// What was used between two readings.
pub fn difference(before: &ByProcess<Duration>, after: &ByProcess<Duration>) -> ByProcess<f64> {
    after
        .iter()
        .map(|(name, after)| {
            let before = before.get(name).copied().unwrap_or_default();
            (name.clone(), after.saturating_sub(before).as_secs_f64())
        })
        .collect()
}

/// CPU time of a process, and of its children that it has waited for.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: Duration,
    waited_for: Duration,
}

fn read_stat(pid: u32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_stat(&text).with_context(|| format!("{path} has another form than expected"))
}

/// The command's name stands in parentheses and may hold anything, so count from the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let ticks = |index: usize| -> Option<Duration> {
        let ticks: u64 = fields.get(index)?.parse().ok()?;
        Some(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
    };
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        waited_for: ticks(13)? + ticks(14)?,
    })
}

/// The processes whose parent is `pid`.
fn children(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(candidate) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end between the listing and the reading.
        if read_stat(candidate).is_ok_and(|stat| stat.parent == pid) {
            children.push(candidate);
        }
    }
    Ok(children)
}

fn read_kib(pid: u32, file: &str, key: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_kib(&text, key).with_context(|| format!("{path} has no {key}"))
}

fn parse_kib(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_passed_over() {
        let text = "42 (a ) (b) S 7 1 1 0 -1 4 0 0 0 0 150 50 20 5 20 0 1 0 100 200 300";
        assert_eq!(
            parse_stat(text),
            Some(Stat {
                parent: 7,
                own: Duration::from_secs(2),
                waited_for: Duration::from_millis(250),
            })
        );
        assert_eq!(parse_stat("42 (short) S 7"), None);
    }

    #[test]
    fn memory_is_read_by_its_key() {
        let text = "Name:\tweir\nVmHWM:\t  900 kB\nVmRSS:\t  812 kB\n";
        assert_eq!(parse_kib(text, "VmRSS:"), Some(812));
        assert_eq!(parse_kib(text, "Pss:"), None);
    }

    #[test]
    fn what_was_used_is_the_difference() {
        let reading = |seconds| ByProcess::from([("a".to_owned(), Duration::from_secs(seconds))]);
        assert_eq!(difference(&reading(3), &reading(5))["a"], 2.0);
    }

    #[test]
    fn this_very_process_can_be_read() {
        let own = std::process::id();
        assert!(read_stat(own).is_ok());
        assert!(read_kib(own, "status", "VmRSS:").unwrap() > 0);
    }
}
