//! People of the workload: everything about one follows from the seed and a number, so the
//! same person can be met again without having been remembered.

use std::fmt::Write;

use uuid::Uuid;

use crate::random::hash;

/// Names as written and as they stand in an e-mail address.
const FIRST: [(&str, &str); 12] = [
    ("Lana", "lana"),
    ("José", "jose"),
    ("Zoë", "zoe"),
    ("William", "william"),
    ("Aiko", "aiko"),
    ("Priya", "priya"),
    ("Matthias", "matthias"),
    ("Noor", "noor"),
    ("Chloe", "chloe"),
    ("Olúwaṣeun", "oluwaseun"),
    ("Grace", "grace"),
    ("Tomasz", "tomasz"),
];
const LAST: [(&str, &str); 12] = [
    ("Romeijn", "romeijn"),
    ("O'Brien", "obrien"),
    ("Nguyen", "nguyen"),
    ("Müller", "mueller"),
    ("Tanaka", "tanaka"),
    ("Kowalska", "kowalska"),
    ("Fernández", "fernandez"),
    ("Okafor", "okafor"),
    ("Smith", "smith"),
    ("van der Berg", "vanderberg"),
    ("Papadopoulos", "papadopoulos"),
    ("Singh", "singh"),
];
const PLACES: [(&str, &str); 8] = [
    ("Sydney", "Australia"),
    ("Melbourne", "Australia"),
    ("Brisbane", "Australia"),
    ("Auckland", "New Zealand"),
    ("Berlin", "Germany"),
    ("Rotterdam", "Netherlands"),
    ("Kraków", "Poland"),
    ("São Paulo", "Brazil"),
];
const STREETS: [&str; 6] = [
    "Harbour Street",
    "George Street",
    "Station Road",
    "Hauptstraße",
    "Rua Augusta",
    "Queen Street",
];
const PLANS: [&str; 4] = ["free", "starter", "professional", "business"];

/// A person; `revision` counts the changes of two of the traits.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    seed: u64,
    number: u64,
    revision: u64,
    bits: u64,
}

impl Person {
    pub fn new(seed: u64, number: u64, revision: u64) -> Self {
        Self {
            seed,
            number,
            revision,
            bits: hash(seed, number),
        }
    }

    /// 24 hex digits, as document databases make them.
    pub fn user_id(&self) -> String {
        // The number itself keeps different people different, whatever the hash does.
        format!("{:016x}{:08x}", self.bits, self.number & 0xFFFF_FFFF)
    }

    /// A random-looking UUID.
    pub fn anonymous_id(&self) -> String {
        let low = hash(self.seed ^ 0xA11C_E5ED, self.number);
        Uuid::from_u64_pair(self.bits, low).to_string()
    }

    pub fn email(&self) -> String {
        let (first, last) = (pick(&FIRST, self.bits).1, pick(&LAST, self.bits >> 8).1);
        format!("{first}.{last}.{:x}@example.org", self.number)
    }

    fn phone(&self) -> String {
        // Australian mobile numbers of one carrier's range: every one of them is valid.
        format!("+61412{:06}", self.bits % 1_000_000)
    }

    fn login_count(&self) -> u64 {
        self.bits % 50 + self.revision
    }

    fn plan(&self) -> &'static str {
        pick(&PLANS, (self.bits >> 16).wrapping_add(self.revision))
    }

    /// Year, month, day of birth.
    fn birthday(&self) -> (u64, u64, u64) {
        let bits = self.bits >> 20;
        (1950 + bits % 55, 1 + bits / 64 % 12, 1 + bits / 1_024 % 28)
    }

    fn signed_up_at(&self) -> String {
        let bits = self.bits >> 24;
        let (month, day) = (1 + bits % 12, 1 + bits / 16 % 28);
        let (hour, minute) = (bits / 1_024 % 24, bits / 65_536 % 60);
        format!("2024-{month:02}-{day:02}T{hour:02}:{minute:02}:07Z")
    }

    fn active(&self) -> bool {
        self.bits & 3 != 0
    }

    /// The traits as a client sends them: a JSON object.
    pub fn write_traits(&self, json: &mut String) {
        let first = pick(&FIRST, self.bits).0;
        let last = pick(&LAST, self.bits >> 8).0;
        let (city, country) = pick(&PLACES, self.bits >> 12);
        let street = pick(&STREETS, self.bits >> 36);
        let (year, month, day) = self.birthday();
        let house = 1 + self.bits % 180;
        let post_code = self.post_code();
        let _ = write!(
            json,
            r#"{{"firstName":"{first}","lastName":"{last}","email":"{}","phone":"{}","birthday":"{day:02}-{month:02}-{year}","address":{{"street":"{house} {street}","city":"{city}","post_code":"{post_code}","country":"{country}"}},"plan":"{}","loginCount":{},"active":{},"signedUpAt":"{}"}}"#,
            self.email(),
            self.phone(),
            self.plan(),
            self.login_count(),
            self.active(),
            self.signed_up_at(),
        );
    }

    /// The few traits that come along with a track.
    pub fn write_track_traits(&self, json: &mut String) {
        let _ = write!(
            json,
            r#"{{"email":"{}","loginCount":{},"plan":"{}"}}"#,
            self.email(),
            self.login_count(),
            self.plan()
        );
    }

    /// What is stored of [`write_traits`](Self::write_traits): field ids with canonical values.
    pub fn write_fields(&self, json: &mut String) {
        let first = pick(&FIRST, self.bits).0;
        let last = pick(&LAST, self.bits >> 8).0;
        let (city, country) = pick(&PLACES, self.bits >> 12);
        let (year, month, day) = self.birthday();
        let post_code = self.post_code();
        let _ = write!(
            json,
            r#"{{"str::first":"{first}","str::last":"{last}","str::email":"{}","phn::phone":"{}","dtz::b":"{year}-{month:02}-{day:02}","geo::city":"{city}","str::postal":"{post_code}","geo::country":"{country}","str:cm:plan":"{}","int:cm:login-count":{},"bol:cm:active":{},"dtz:cm:signed-up-at":"{}"}}"#,
            self.email(),
            self.phone(),
            self.plan(),
            self.login_count(),
            self.active(),
            self.signed_up_at(),
        );
    }

    /// What its last revision replaced; nothing of the first one.
    pub fn write_replaced(&self, json: &mut String) {
        let Some(revision) = self.revision.checked_sub(1) else {
            return;
        };
        let before = Self { revision, ..*self };
        let (plan, count) = (before.plan(), before.login_count());
        let _ = write!(
            json,
            r#"{{"str:cm:plan":"{plan}","int:cm:login-count":{count}}}"#
        );
    }

    fn post_code(&self) -> u64 {
        1_000 + self.bits % 9_000
    }
}

/// The field ids of a track's traits.
pub const TRACK_FIELDS: [&str; 3] = ["str::email", "str:cm:plan", "int:cm:login-count"];
/// One of `choices`.
pub fn pick<T: Copy>(choices: &[T], bits: u64) -> T {
    let index = bits % choices.len() as u64;
    choices[usize::try_from(index).expect("below the length")]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn traits(person: Person) -> serde_json::Value {
        let mut json = String::new();
        person.write_traits(&mut json);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_same_number_is_the_same_person() {
        assert_eq!(traits(Person::new(1, 5, 0)), traits(Person::new(1, 5, 0)));
        assert_ne!(traits(Person::new(1, 5, 0)), traits(Person::new(1, 6, 0)));
        assert_ne!(traits(Person::new(1, 5, 0)), traits(Person::new(2, 5, 0)));
    }

    #[test]
    fn identifiers_of_different_people_differ() {
        let people = (0..20_000).map(|number| Person::new(3, number, 0));
        let mut identifiers = HashSet::new();
        for person in people {
            assert!(identifiers.insert(person.user_id()));
            assert!(identifiers.insert(person.anonymous_id()));
            assert!(identifiers.insert(person.email()));
        }
    }

    #[test]
    fn a_revision_changes_a_person_but_not_who_it_is() {
        let (before, after) = (Person::new(1, 5, 0), Person::new(1, 5, 1));
        assert_eq!(before.user_id(), after.user_id());
        let (before, after) = (traits(before), traits(after));
        assert_ne!(before["loginCount"], after["loginCount"]);
        assert_eq!(before["email"], after["email"]);
        assert_eq!(before["address"], after["address"]);
    }

    #[test]
    fn what_is_stored_has_every_field() {
        let mut json = String::new();
        Person::new(1, 9, 4).write_fields(&mut json);
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&json).unwrap();
        let ids: HashSet<&str> = fields.keys().map(String::as_str).collect();
        let all = [
            "str::first",
            "str::last",
            "str::email",
            "phn::phone",
            "dtz::b",
            "geo::city",
            "str::postal",
            "geo::country",
            "str:cm:plan",
            "int:cm:login-count",
            "bol:cm:active",
            "dtz:cm:signed-up-at",
        ];
        assert_eq!(ids, HashSet::from(all));
    }
}
