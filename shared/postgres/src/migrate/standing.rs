//! How the schema of a database and a program stand to each other (decision 25): pure rules.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{MigrateError, Migration};

/// A file that was applied, as the database has it.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    pub number: i32,
    pub name: String,
    pub checksum: String,
    /// What a program must know to work with it.
    pub oldest: i32,
}

/// The schemas that `roles.sql` makes, and what the first file of the service is called that each
/// is for.
const SCHEMAS: [(&str, &str); 4] = [
    ("mapping", "mapping"),
    ("contact", "contacts"),
    ("activity", "activities"),
    ("audience", "audiences"),
];

/// That a schema, in which there may be nothing yet, was not made for another service.
pub(super) fn is_for(schema: &str, known: &[Migration]) -> Result<(), MigrateError> {
    let first = known.iter().find(|file| file.number == 1);
    let own = SCHEMAS
        .iter()
        .find(|(_, name)| first.is_some_and(|file| file.name == *name));
    match own {
        Some((own, _)) if *own != schema && SCHEMAS.iter().any(|(name, _)| *name == schema) => {
            Err(MigrateError::Theirs {
                schema: schema.to_owned(),
                own,
            })
        }
        _ => Ok(()),
    }
}

/// That the files there are those of this service: the first one's name tells.
pub(super) fn are_ours(applied: &[Applied], known: &[Migration]) -> Result<(), MigrateError> {
    let there = applied.iter().find(|file| file.number == 1);
    let ours = known.iter().find(|file| file.number == 1);
    match (there, ours) {
        (Some(there), Some(ours)) if there.name != ours.name => Err(MigrateError::Foreign {
            found: there.name.clone(),
            known: ours.name,
        }),
        _ => Ok(()),
    }
}

/// How far a program knows the schema.
pub(super) fn last(known: &[Migration]) -> i32 {
    known.last().map_or(0, |last| last.number)
}

/// Where the schema is newer than the program and works with it: how far it is.
pub(super) fn newer(applied: &[Applied], known: &[Migration]) -> Result<Option<i32>, MigrateError> {
    let last = last(known);
    let since = applied.iter().filter(|file| file.number > last);
    let Some(found) = since.clone().map(|file| file.number).max() else {
        return Ok(None);
    };
    let oldest = since.map(|file| file.oldest).max().unwrap_or(found);
    if oldest > last {
        return Err(MigrateError::Newer {
            found,
            oldest,
            known: last,
        });
    }
    for migration in known {
        let there = applied.iter().find(|file| file.number == migration.number);
        // A newer schema has all of them: where one is missing it is another's.
        same(migration, there.map_or("", |there| &there.checksum))?;
    }
    Ok(Some(found))
}

/// Whether there is nothing to be applied.
pub(super) fn is_whole(applied: &[Applied], known: &[Migration]) -> Result<bool, MigrateError> {
    if newer(applied, known)?.is_some() {
        return Ok(true);
    }
    for migration in known {
        match applied.iter().find(|file| file.number == migration.number) {
            Some(there) => same(migration, &there.checksum)?,
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// What was applied is what is known.
pub(super) fn same(migration: &Migration, applied: &str) -> Result<(), MigrateError> {
    let Migration {
        number, name, sql, ..
    } = *migration;
    if applied == checksum(sql) {
        return Ok(());
    }
    Err(MigrateError::Changed { number, name })
}

pub(super) fn checksum(sql: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(sql.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(oldest: &[i32]) -> Vec<Migration> {
        let files = oldest.iter().zip(1..);
        let files = files.map(|(oldest, number)| Migration {
            number,
            oldest: *oldest,
            name: "a file",
            sql: "SELECT 1",
        });
        files.collect()
    }

    #[test]
    fn the_first_file_tells_whose_schema_it_is() {
        let ours = files(&[1, 1]);
        let of = |name: &'static str| {
            let mut theirs = ours.clone();
            theirs[0].name = name;
            are_ours(&applied(&theirs), &ours)
        };
        assert!(of("a file").is_ok());
        assert!(are_ours(&[], &ours).is_ok());
        let said = of("activities").unwrap_err().to_string();
        assert!(
            said.contains("another service's: it begins with migration activities"),
            "{said}"
        );
    }

    #[test]
    fn a_schema_that_was_made_for_another_service_is_refused_and_any_other_is_not() {
        let mut ours = files(&[1, 1]);
        ours[0].name = "contacts";
        assert!(is_for("contact", &ours).is_ok() && is_for("a_name", &ours).is_ok());
        for schema in ["mapping", "activity", "audience"] {
            let said = is_for(schema, &ours).unwrap_err().to_string();
            assert!(said.contains("weir_contact, in"), "{said}");
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let roles = std::fs::read_to_string(root.join("shared/servers/sql/roles.sql")).unwrap();
        for (schema, first) in SCHEMAS {
            assert!(roles.contains(&format!("'{schema}'")), "{schema}");
            let service = if schema == "contact" {
                "contact-upsert"
            } else {
                schema
            };
            let file = format!("services/{service}/migrations/0001_{first}.sql");
            assert!(root.join(&file).exists(), "{file}");
        }
    }

    fn applied(files: &[Migration]) -> Vec<Applied> {
        let applied = files.iter().map(|file| Applied {
            number: file.number,
            name: file.name.to_owned(),
            checksum: checksum(file.sql),
            oldest: file.oldest,
        });
        applied.collect()
    }

    #[test]
    fn one_file_that_does_not_allow_it_is_enough_wherever_it_stands() {
        // Of what the second one and the program before it know; the third took something away.
        let files = files(&[1, 1, 3, 2]);
        let schema = applied(&files);
        assert!(matches!(newer(&schema, &files), Ok(None)));
        assert!(matches!(newer(&schema, &files[..3]), Ok(Some(4))));
        for known in [1, 2] {
            let refused = newer(&schema, &files[..known]).unwrap_err();
            assert!(matches!(
                refused,
                MigrateError::Newer {
                    found: 4,
                    oldest: 3,
                    ..
                }
            ));
        }
    }

    #[test]
    fn it_is_whole_where_each_file_was_applied_as_it_is() {
        let files = files(&[1, 1, 1]);
        let schema = applied(&files);
        for (there, known, expected) in [(3, 3, true), (3, 2, true), (2, 3, false), (0, 1, false)] {
            let is_whole = is_whole(&schema[..there], &files[..known]).unwrap();
            assert_eq!(is_whole, expected, "{there} of {known}");
        }
        let mut changed = schema;
        changed[1].checksum = "another".to_owned();
        assert!(is_whole(&changed, &files).is_err());
    }

    #[test]
    fn a_newer_schema_with_another_past_is_refused() {
        let files = files(&[1, 1, 1]);
        let mut changed = applied(&files);
        changed[0].checksum = "another".to_owned();
        let missing = changed[1..].to_vec();
        for schema in [changed, missing] {
            let refused = newer(&schema, &files[..2]).unwrap_err();
            assert!(matches!(refused, MigrateError::Changed { number: 1, .. }));
        }
    }

    proptest! {
        /// Who may start is who knows as much as every later file asks for, so whoever knows
        /// more may, too.
        #[test]
        fn who_knows_more_may_start_where_one_who_knows_less_may(
            gaps in prop::collection::vec(0..6_i32, 1..8),
        ) {
            let oldest: Vec<i32> = gaps.iter().zip(1_i32..).map(|(gap, number)| (number - *gap).max(1)).collect();
            let files = files(&oldest);
            let schema = applied(&files);
            let may: Vec<bool> = (0..=files.len())
                .map(|known| newer(&schema, &files[..known]).is_ok())
                .collect();
            for (known, may_start) in may.iter().enumerate() {
                let asked = files[known..].iter().map(|file| file.oldest).max();
                let known = i32::try_from(known).unwrap();
                prop_assert_eq!(*may_start, asked.is_none_or(|asked| asked <= known));
            }
            prop_assert!(may.is_sorted());
        }
    }
}
