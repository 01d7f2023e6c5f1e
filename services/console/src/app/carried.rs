//! A form that a session ended on, carried on in a cookie while somebody signs in by a way that
//! leads over other pages: an issuer's, or a link.

use std::io::{Read, Write};

use chrono::{DateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};

use super::{Purpose, SignIn};

/// As long as somebody may take to sign in.
pub const CARRIED: TimeDelta = TimeDelta::minutes(15);
/// Browsers keep 4,096 bytes of a cookie, its name and attributes among them.
const MAX_COOKIE: usize = 3_800;

/// Sealed: nobody reads it on the way, and nobody but this console writes one.
#[derive(Serialize, Deserialize)]
struct Carried {
    path: String,
    body: String,
    end: i64,
}

impl SignIn {
    /// What a cookie holds of a form; none where it is too long for one.
    pub fn carry(&self, path: &str, body: &str, now: DateTime<Utc>) -> Option<String> {
        let carried = Carried {
            path: path.to_owned(),
            body: body.to_owned(),
            end: (now + CARRIED).timestamp(),
        };
        let text = serde_json::to_vec(&carried).ok()?;
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&text).ok()?;
        let sealed = self.sealing().seal(Purpose::Form, &packed.finish().ok()?);
        (sealed.len() <= MAX_COOKIE).then_some(sealed)
    }

    /// Where the form goes, and what it says.
    pub fn carried(&self, cookie: Option<&str>, now: DateTime<Utc>) -> Option<(String, String)> {
        let packed = self.sealing().open(Purpose::Form, cookie?)?;
        let mut text = Vec::new();
        // It was packed here, from no more than a form may have.
        ZlibDecoder::new(&*packed).read_to_end(&mut text).ok()?;
        let carried: Carried = serde_json::from_slice(&text).ok()?;
        (carried.end > now.timestamp()).then_some((carried.path, carried.body))
    }
}
