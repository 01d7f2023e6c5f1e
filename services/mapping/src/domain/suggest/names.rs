//! What fields are called by those who send them.

use weir_values::path::{Path, Step};

use crate::domain::field::Field;

/// Names of built-in fields: letters and digits alone, small.
const BUILT_IN: [(&str, &[&str]); 12] = [
    (
        "str::first",
        &["first", "firstname", "givenname", "forename"],
    ),
    ("str::last", &["last", "lastname", "surname", "familyname"]),
    ("str::name", &["name", "fullname", "displayname"]),
    (
        "str::email",
        &["email", "emailaddress", "mail", "mailaddress"],
    ),
    (
        "phn::phone",
        &[
            "phone",
            "phonenumber",
            "mobile",
            "mobilephone",
            "mobilenumber",
            "telephone",
            "cell",
            "cellphone",
        ],
    ),
    (
        "str::ei",
        &["externalid", "customerid", "customernumber", "crmid"],
    ),
    ("str::language", &["language", "locale", "lang"]),
    (
        "str::postal",
        &["postal", "postalcode", "postcode", "zip", "zipcode"],
    ),
    ("geo::city", &["city", "town"]),
    ("geo::region", &["region", "state", "province"]),
    ("geo::country", &["country", "countryname"]),
    (
        "dtz::b",
        &["birthday", "birthdate", "dateofbirth", "dob", "born"],
    ),
];

/// What a person's own things may lie in: a name in something else is the name of that.
const OF_A_PERSON: [&str; 10] = [
    "address",
    "billingaddress",
    "contact",
    "customer",
    "homeaddress",
    "location",
    "person",
    "profile",
    "traits",
    "user",
];

/// Whether what stands at a path is called like a field.
pub fn fits_by_name(path: &Path, field: &Field) -> bool {
    let keys: Vec<String> = path
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(plain(key)),
            Step::Element(_) | Step::All => None,
        })
        .collect();
    let Some((last, above)) = keys.split_last() else {
        return false;
    };
    if field.custom {
        let name = plain(&field.name);
        return *last == name || keys.concat() == name;
    }
    let is_of_person = |key: &String| OF_A_PERSON.contains(&key.as_str());
    let names = BUILT_IN.iter().find(|(id, _)| *id == field.id.as_str());
    names.is_some_and(|(_, names)| names.contains(&last.as_str())) && above.iter().all(is_of_person)
}

/// `First name`, `first_name` and `firstName` are one.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
