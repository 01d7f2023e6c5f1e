//! Where PostgreSQL and Redis are installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;

/// Where Debian and its kin put PostgreSQL's server programs, which are not on the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Of older ones we know nothing.
const OLDEST_POSTGRES: u32 = 15;

/// The programs that a stack needs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// `initdb` and `postgres` are in here.
    pub postgres: PathBuf,
    /// `redis-server`
    pub redis: PathBuf,
}

impl Binaries {
    /// Looks on the PATH and where Debian puts them.
    ///
    /// # Errors
    /// Something is missing; says what, and how to get it.
    pub fn find() -> anyhow::Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = env::split_paths(&path)
            .chain(["/usr/bin".into(), "/usr/local/bin".into()])
            .collect();
        let postgres = find_postgres(Path::new(DEBIAN), &folders);
        let redis = find_in(&folders, "redis-server");
        match (postgres, redis) {
            (Some(postgres), Some(redis)) => Ok(Self { postgres, redis }),
            (postgres, redis) => {
                let mut missing = Vec::new();
                if postgres.is_none() {
                    missing.push("the PostgreSQL server (15 or newer)");
                }
                if redis.is_none() {
                    missing.push("the Redis server");
                }
                bail!(
                    "{} is not installed; on Debian or Ubuntu: apt-get install postgresql \
                     redis-server",
                    missing.join(" and ")
                )
            }
        }
    }

    /// Whether PostgreSQL's statistics of statements can be loaded.
    pub fn has_statement_statistics(&self) -> bool {
        let libraries = [
            "../lib/pg_stat_statements.so",
            "../lib/postgresql/pg_stat_statements.so",
        ];
        libraries
            .iter()
            .any(|library| self.postgres.join(library).exists())
    }

    /// The path of one of PostgreSQL's programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.postgres.join(name)
    }
}

/// The newest version of Debian's folders, else what is on the PATH.
fn find_postgres(debian: &Path, folders: &[PathBuf]) -> Option<PathBuf> {
    let versions = fs::read_dir(debian).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| *version >= OLDEST_POSTGRES)
        .map(|version| (version, debian.join(version.to_string()).join("bin")))
        .filter(|(_, folder)| folder.join("initdb").exists())
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder);
    newest.or_else(|| {
        let initdb = find_in(folders, "initdb")?;
        // A link into the real folder, where `postgres` and the libraries are.
        let real = initdb.canonicalize().ok()?;
        let folder = real.parent()?.to_owned();
        folder.join("postgres").exists().then_some(folder)
    })
}

fn find_in(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The library that sets the clock of a program (`LD_PRELOAD`), where Debian's `libfaketime` is
/// installed: for tests of what happens at a moment.
pub fn clock_library() -> Option<PathBuf> {
    let machines = fs::read_dir("/usr/lib").ok()?.flatten();
    let libraries = machines.map(|one| one.path().join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(folder: &Path, name: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), "").unwrap();
    }

    #[test]
    fn the_newest_postgres_that_is_whole_and_young_enough_is_taken() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("9/bin"), "initdb");
        install(&root.path().join("15/bin"), "initdb");
        install(&root.path().join("17/bin"), "initdb");
        install(&root.path().join("18/bin"), "psql");
        let found = find_postgres(root.path(), &[]).unwrap();
        assert_eq!(found, root.path().join("17/bin"));
    }

    #[test]
    fn the_path_is_searched_where_debian_has_nothing() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().canonicalize().unwrap().join("bin");
        install(&bin, "initdb");
        assert_eq!(find_postgres(root.path(), std::slice::from_ref(&bin)), None);
        install(&bin, "postgres");
        let found = find_postgres(root.path(), std::slice::from_ref(&bin));
        assert_eq!(found, Some(bin));
    }
}
