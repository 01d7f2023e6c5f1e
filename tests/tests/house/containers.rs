//! The files of the containers against the code: programs, ports, variables, settings, secrets.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::sources::{SERVICES, URLS, port, reads, text};

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Value {
    yaml("docker-compose.yml")
}

fn words(value: &Value) -> Vec<String> {
    let all = value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"));
    all.iter()
        .map(|word| usual(word.as_str().unwrap()))
        .collect()
}

/// What a text is where nobody sets a variable: of `${X:-d}` it is `d`.
fn usual(text: &str) -> String {
    let mut parts = text.split("${");
    let mut usual = parts.next().unwrap().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').unwrap();
        usual += variable.split_once(":-").map_or("", |(_, default)| default);
        usual += rest;
    }
    usual
}

fn seconds(value: &Value) -> u64 {
    let text = value.as_str().unwrap();
    text.strip_suffix('s').unwrap().parse().unwrap()
}

/// The variables that a service of the file sets.
fn environment(service: &Value) -> Vec<(String, String)> {
    let all = service["environment"].as_object().unwrap().iter();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), usual);
    all.map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

#[test]
fn every_service_has_a_container_with_its_program_its_port_and_its_probe() {
    let (file, published) = (compose(), yaml("docker-compose.override.yml"));
    for service in SERVICES {
        let container = &file["services"][service];
        assert_eq!(words(&container["command"]), [format!("weir-{service}")]);
        let probe = ["CMD", "weir", "health", service];
        assert_eq!(words(&container["healthcheck"]["test"]), probe);
        let port = port(service);
        let listen = ("WEIR_LISTEN".to_owned(), format!("0.0.0.0:{port}"));
        assert!(environment(container).contains(&listen), "{service}");
        let ports = words(&published["services"][service]["ports"]);
        let wanted = format!("127.0.0.1:{port}:{port}");
        assert!(ports.contains(&wanted), "{service}: {ports:?}");
        for port in ports {
            assert!(port.starts_with("127.0.0.1:"), "{service}: {port}");
        }
    }
}

#[test]
fn every_variable_of_a_container_is_read_by_what_runs_in_it() {
    let file = compose();
    for service in SERVICES {
        let set = environment(&file["services"][service]);
        assert!(set.len() > 8, "{service}: {set:?}");
        for (name, value) in set {
            assert!(
                reads(service, &name) || is_for_all(&name),
                "{service} reads no {name}"
            );
            if let Some((other, _)) = URLS.iter().find(|(_, variable)| *variable == name) {
                assert_eq!(value, format!("http://{other}:{}", port(other)));
            }
        }
    }
    let front_door = ["cli/src/arguments.rs", "cli/src/arguments/containers.rs"]
        .map(text)
        .concat();
    for (job, words_of) in [("roles", "roles"), ("apply", "apply"), ("weir", "--help")] {
        let container = &file["services"][job];
        assert!(
            words(&container["command"]).contains(&words_of.to_owned()),
            "{job}"
        );
        for (name, _) in environment(container) {
            let quoted = format!("\"{name}\"");
            let is_url = URLS.iter().any(|(_, variable)| *variable == name);
            assert!(
                is_url || front_door.contains(&quoted),
                "{job}: nobody reads {name}"
            );
        }
    }
}

/// Addresses stand with all services, also with those that call nobody there.
fn is_for_all(name: &str) -> bool {
    URLS.iter().any(|(_, variable)| *variable == name)
}

#[test]
fn postgresql_is_set_as_everywhere_else() {
    let command = words(&compose()["services"]["postgres"]["command"]);
    let set: BTreeSet<String> = command
        .into_iter()
        .filter(|word| word.contains('='))
        .collect();
    let file = text("shared/servers/postgresql.conf");
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let mut wanted: BTreeSet<String> = lines.map(|line| line.replace(" = ", "=")).collect();
    let source = text("shared/servers/src/postgres.rs");
    for further in [
        "shared_preload_libraries=pg_stat_statements",
        "pg_stat_statements.max=10000",
    ] {
        assert!(source.contains(further), "{further}");
        wanted.insert(further.to_owned());
    }
    assert_eq!(set, wanted);
    // Keys are compared byte by byte, whatever the C library of the image is.
    let made = compose()["services"]["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].clone();
    let made = made.as_str().unwrap();
    assert!(made.contains("--locale=C --encoding=UTF8"), "{made}");
    assert!(source.contains("\"--locale=C\"") && source.contains("\"UTF8\""));
}

/// In bytes; Docker and Redis have the same letters for it.
fn bytes(size: &str) -> u64 {
    let end = size.find(|c: char| !c.is_ascii_digit()).unwrap();
    let unit = match &size[end..] {
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        other => panic!("{other} of {size}"),
    };
    size[..end].parse::<u64>().unwrap() * unit
}

#[test]
fn redis_refuses_to_write_before_its_container_is_killed() {
    let redis = &compose()["services"]["redis"];
    let command = words(&redis["command"]).concat();
    assert!(
        command.contains("--maxmemory-policy noeviction"),
        "{command}"
    );
    assert!(command.contains("--maxmemory \"$$MAXMEMORY\""), "{command}");
    let set = environment(redis);
    let most = set.iter().find(|(name, _)| name == "MAXMEMORY").unwrap();
    let limit = bytes(&usual(redis["mem_limit"].as_str().unwrap()));
    assert!(bytes(&most.1) * 5 <= limit * 4, "{most:?} of {limit}");
}

#[test]
fn no_secret_stands_in_a_command() {
    for (name, one) in compose()["services"].as_object().unwrap() {
        let said = format!(
            "{} {} {}",
            one["command"], one["entrypoint"], one["healthcheck"]
        );
        for behind in said.split("${").skip(1) {
            let variable = behind.split(['}', ':']).next().unwrap();
            let is_secret = ["PASSWORD", "TOKEN", "SECRET"]
                .iter()
                .any(|word| variable.contains(word));
            assert!(!is_secret, "{name}: who lists processes sees {variable}");
        }
    }
}

#[test]
fn every_secret_that_is_needed_is_written_by_init_compose() {
    let (files, script) = (text("docker-compose.yml"), text("weir"));
    let mut needed = BTreeSet::new();
    for behind in files.split("${").skip(1) {
        let variable = behind.split('}').next().unwrap();
        let Some((name, says)) = variable.split_once(":?") else {
            continue;
        };
        assert_eq!(says, "run ./weir init-compose first", "{name}");
        assert!(
            script.contains(&format!("\n{name}=")),
            "init-compose writes no {name}"
        );
        needed.insert(name);
    }
    assert!(needed.len() >= 10, "{needed:?}");
    // What stands without a default elsewhere is one of these.
    for behind in files.split("${").skip(1) {
        let name = behind.split('}').next().unwrap();
        let is_plain = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        assert!(!is_plain || needed.contains(name), "{name} may be empty");
    }
}

#[test]
fn one_image_is_built_and_nothing_in_it_has_rights() {
    let file = compose();
    let services = file["services"].as_object().unwrap();
    let built: Vec<_> = services
        .iter()
        .filter(|(_, one)| !one["build"].is_null())
        .collect();
    assert_eq!(built.len(), 1, "each would be an image of its own");
    for name in SERVICES.into_iter().chain(["roles", "apply", "weir"]) {
        let one = &services[name];
        assert_eq!(
            usual(one["image"].as_str().unwrap()),
            "weir:latest",
            "{name}"
        );
        assert_eq!(one["pull_policy"], "never", "{name}");
        assert_eq!(one["read_only"], true, "{name}");
    }
    for (name, one) in services {
        assert_eq!(words(&one["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(
            words(&one["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        assert!(!one["mem_limit"].is_null(), "{name} may take all memory");
        assert!(!one["logging"]["options"]["max-size"].is_null(), "{name}");
        let image = usual(one["image"].as_str().unwrap());
        let version = image.split_once(':').unwrap().1;
        let is_pinned = version.starts_with(|c: char| c.is_ascii_digit() || c == 'v');
        assert!(
            is_pinned && version.contains('.') || image == "weir:latest",
            "{image}"
        );
    }
}

#[test]
fn nobody_is_killed_while_finishing() {
    let file = compose();
    let server = text("shared/rpc/src/server.rs");
    let drain = server
        .split("const DRAIN: Duration = Duration::from_secs(")
        .nth(1)
        .unwrap();
    let drain: u64 = drain.split(')').next().unwrap().parse().unwrap();
    for service in SERVICES {
        let grace = seconds(&file["services"][service]["stop_grace_period"]);
        assert!(
            grace > drain,
            "{service} has {grace} s, and may take {drain} s"
        );
    }
    // As docs/operations.md says of it: 20 s at most with its drain.
    assert!(seconds(&file["services"]["edge"]["stop_grace_period"]) > 20);
}

#[test]
fn the_image_has_all_programs_and_takes_any_builder() {
    let file = text("Dockerfile");
    for service in SERVICES {
        assert!(file.contains(&format!(" weir-{service}")), "{service}");
    }
    assert!(
        !file.contains("RUN --mount"),
        "the classic builder does not know it"
    );
    assert!(
        file.contains("\nUSER 999:999\n"),
        "a name is nothing to a cluster"
    );
    let ignored = text(".dockerignore");
    for name in [".env", "weir.yaml", "target", ".git", ".weir"] {
        assert!(
            ignored.lines().any(|line| line == name),
            "{name} goes into the build"
        );
    }
}

#[test]
fn what_is_scaled_publishes_no_fixed_port() {
    let scaled = yaml("docker-compose.scale.yml");
    for (service, _) in URLS {
        assert!(scaled["services"][service].is_null(), "{service}");
    }
    for port in words(&scaled["services"]["edge"]["ports"]) {
        assert!(port.split(':').nth(1).unwrap().contains('-'), "{port}");
    }
}
