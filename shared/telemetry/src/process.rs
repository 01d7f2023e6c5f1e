//! What the process itself uses, under the names that Prometheus' own clients give it.
//!
//! Read from Linux' `/proc` when somebody asks; elsewhere there is nothing to read, and nothing
//! is told.

use std::fmt::Write;
use std::fs;

/// The unit of times in `/proc`: the same in all of Linux, as far as programs see.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where the fields of `/proc/self/stat` are, counted from the state behind the name.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const STARTED: usize = 19;
const VIRTUAL: usize = 20;

/// One measurement: its name, its type, its help and its value.
type Measured = (&'static str, &'static str, &'static str, Option<f64>);

/// In Prometheus' text format, with the service as a label.
pub(crate) fn render(service: &str) -> String {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
    let descriptors = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as f64);
    let ticks = |field| stat_field(&stat, field).map(|ticks| ticks / TICKS_PER_SECOND);
    let sum = |one: Option<f64>, other: Option<f64>| Some(one? + other?);
    let measured: [Measured; 7] = [
        (
            "process_cpu_seconds_total",
            "counter",
            "Processor time, of the program and of the system for it.",
            sum(ticks(USER_TIME), ticks(SYSTEM_TIME)),
        ),
        (
            "process_resident_memory_bytes",
            "gauge",
            "Memory that is in use.",
            named(&status, "VmRSS:").map(|kilobytes| kilobytes * 1024.0),
        ),
        (
            "process_virtual_memory_bytes",
            "gauge",
            "Address space that is in use.",
            stat_field(&stat, VIRTUAL),
        ),
        (
            "process_open_fds",
            "gauge",
            "Open file descriptors.",
            descriptors.ok(),
        ),
        (
            "process_max_fds",
            "gauge",
            "File descriptors that may be open.",
            named(&limits, "Max open files"),
        ),
        (
            "process_threads",
            "gauge",
            "Threads of the operating system.",
            named(&status, "Threads:"),
        ),
        (
            "process_start_time_seconds",
            "gauge",
            "When the process began, in seconds since 1970.",
            sum(ticks(STARTED), named(&machine, "btime")),
        ),
    ];
    let mut text = String::new();
    for (name, kind, help, value) in measured {
        if let Some(value) = value {
            let line = "memory takes what is written";
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect(line);
            writeln!(text, "{name}{{service=\"{service}\"}} {value}").expect(line);
        }
    }
    text
}

/// The name may hold blanks, and ends with the last parenthesis.
fn stat_field(stat: &str, field: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(field)?.parse().ok()
}

/// The first number behind a name at the beginning of a line.
fn named(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> f64 {
        let start = format!("{name}{{service=\"weir-test\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse()
            .unwrap()
    }

    #[test]
    fn a_process_tells_what_it_uses() {
        let open = fs::File::open("/proc/self/stat").unwrap();
        let mut busy = vec![0_u8; 32 << 20];
        while value(&render("weir-test"), "process_cpu_seconds_total") < 0.05 {
            busy.iter_mut()
                .for_each(|byte| *byte = byte.wrapping_add(1));
        }
        let text = render("weir-test");
        assert!(value(&text, "process_resident_memory_bytes") > 32e6);
        assert!(value(&text, "process_virtual_memory_bytes") > 32e6);
        assert!(value(&text, "process_open_fds") >= 3.0);
        assert!(value(&text, "process_max_fds") >= value(&text, "process_open_fds"));
        assert!(value(&text, "process_threads") >= 1.0);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = now - value(&text, "process_start_time_seconds");
        assert!((-2.0..600.0).contains(&age), "{age}");
        drop((open, busy));
    }

    #[test]
    fn a_name_with_parentheses_shifts_nothing() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 4200 8192";
        assert_eq!(stat_field(stat, USER_TIME), Some(250.0));
        assert_eq!(stat_field(stat, STARTED), Some(4200.0));
        assert_eq!(stat_field(stat, VIRTUAL), Some(8192.0));
        assert_eq!(stat_field("nonsense", USER_TIME), None);
    }
}
