//! What is asked of Redis, by whom. A user that may not do all of it is refused at the start: a
//! script that is refused a command fails in its midst, with each batch anew.
//!
//! **Invariant:** what the scripts and statements of a service name stands here; a test reads them.

/// What grants units: its scripts, and what is asked besides.
pub const QUOTA: &[&str] = &[
    "DEL",
    "EXISTS",
    "EXPIRE",
    "GET",
    "HDEL",
    "HGET",
    "HGETALL",
    "HINCRBY",
    "HKEYS",
    "HMGET",
    "HSET",
    "HSETNX",
    "INFO",
    "PEXPIRE",
    "PING",
    "PTTL",
    "SCRIPT LOAD",
    "SET",
    "TIME",
    "TYPE",
    "ZADD",
    "ZCARD",
    "ZRANGE",
    "ZRANGEBYSCORE",
    "ZREM",
    "ZSCORE",
];

/// What keeps samples and logs of sources.
pub const MAPPING: &[&str] = &[
    "DEL",
    "EXPIRE",
    "HDEL",
    "HGETALL",
    "HINCRBY",
    "HSET",
    "LPOS",
    "LPUSH",
    "LRANGE",
    "LREM",
    "LTRIM",
    "PING",
    "SCRIPT LOAD",
    "ZADD",
    "ZCARD",
    "ZPOPMIN",
    "ZRANGE",
    "ZREM",
    "ZSCORE",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What every client of scripts asks, whatever is in them.
    const OF_CLIENTS: [&str; 1] = ["SCRIPT LOAD"];

    fn sources(folder: &Path, texts: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, texts);
            } else {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// The word that follows each `before`.
    fn following<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
        let is_of_words = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        text.split(before)
            .skip(1)
            .map(move |rest| rest.split(|letter| !is_of_words(letter)).next().unwrap())
    }

    fn named(service: &str) -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services");
        let mut texts = Vec::new();
        sources(&root.join(service).join("src/store"), &mut texts);
        let mut found = BTreeSet::new();
        for text in texts {
            for before in ["redis.call('", "redis.pcall('", "ask('", "redis::cmd(\""] {
                found.extend(following(&text, before).map(str::to_owned));
            }
            // Methods of the library, which are named as the commands are.
            if text.contains("redis::pipe()") {
                let text: String = text.split_whitespace().collect();
                let of_pipes = ["asked.", "taken.", ").hgetall"]
                    .into_iter()
                    .flat_map(|before| following(&text, before))
                    .filter(|method| !method.is_empty());
                let first = |method: &str| method.split('_').next().unwrap().to_uppercase();
                found.extend(of_pipes.map(first));
            }
        }
        // A cluster alone is asked for it, at the start too.
        found.remove("CLUSTER");
        found
    }

    #[test]
    fn what_scripts_and_statements_name_is_asked_for_at_the_start_and_nothing_else() {
        for (service, commands) in [("quota", QUOTA), ("mapping", MAPPING)] {
            let listed: BTreeSet<String> = commands.iter().map(|&one| one.to_owned()).collect();
            let mut named = named(service);
            named.extend(OF_CLIENTS.map(str::to_owned));
            assert_eq!(named, listed, "{service}");
        }
    }
}
