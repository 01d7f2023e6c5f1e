//! Where addresses are: a database in MaxMind's format, in memory (semantics 2.7).

use std::net::{IpAddr, Ipv4Addr};

use maxminddb::{LookupResult, PathElement, Reader, path};

/// A file that is no such database: why.
#[derive(Debug, thiserror::Error)]
#[error("it is no database in MaxMind's format: {0}")]
pub struct NotADatabase(#[from] maxminddb::MaxMindDbError);

/// A database of cities, or of countries alone.
#[derive(Debug)]
pub struct Places(Reader<Vec<u8>>);

/// A place, by its English names.
#[derive(Debug)]
pub struct Place<'d>(LookupResult<'d, Vec<u8>>);

impl Places {
    /// # Errors
    /// Where the bytes are no database.
    pub fn read(bytes: Vec<u8>) -> Result<Self, NotADatabase> {
        Ok(Self(Reader::from_source(bytes)?))
    }

    /// What the database is called, and of what time it is, in seconds since 1970.
    pub fn about(&self) -> (&str, u64) {
        let metadata = self.0.metadata();
        (&metadata.database_type, metadata.build_epoch)
    }

    /// Where an address is, if it is one and that is known.
    pub fn find(&self, address: &[u8]) -> Option<Place<'_>> {
        let address: Ipv4Addr = std::str::from_utf8(address).ok()?.parse().ok()?;
        let found = self.0.lookup(IpAddr::V4(address)).ok()?;
        found.has_data().then_some(Place(found))
    }
}

impl<'d> Place<'d> {
    /// A part of it, by the name that it has in an event's location. What a broken database says
    /// is nothing.
    pub fn part(&self, name: &str) -> Option<&'d str> {
        let path: &[PathElement<'_>] = match name {
            "country" => &path!["country", "names", "en"],
            "state" => &path!["subdivisions", 0, "names", "en"],
            "city" => &path!["city", "names", "en"],
            "post_code" => &path!["postal", "code"],
            _ => return None,
        };
        self.0.decode_path(path).ok().flatten()
    }
}
