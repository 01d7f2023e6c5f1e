//! Historic contacts from files, by `./weir import` (semantics 3.13).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use weir_proto::contact::v1::Contact;
use weir_tests::front_door::{run, said, weir_command};
use weir_tests::{Account, Plan, eventually, journey};

fn file(folder: &tempfile::TempDir, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn refused(path: &str) -> String {
    let path = Path::new(path).with_extension("refused.csv");
    // Rows stand there as they came, also those that are no UTF-8.
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

fn text(contact: &Contact, field: &str) -> Option<String> {
    use weir_proto::contact::v1::value::Kind;
    let field = contact
        .fields
        .iter()
        .find(|known| known.field_id == field)?;
    match field.value.as_ref()?.kind.as_ref()? {
        Kind::Text(text) | Kind::Date(text) => Some(text.clone()),
        other => Some(format!("{other:?}")),
    }
}

const MIXED: &[u8] = b"\xef\xbb\xbfuser_id;email;firstName;birthday;timestamp\r\n\
u1;one@example.org;On\xc3\xa9;1980-07-28;\r\n\
;two@example.org;Two;;2025-07-10T06:00:00Z\r\n\
;;Nobody;;\r\n\
u3;three@example.org;\"Th\"ree;;\r\n\
u4;four@example.org\r\n\
u5;five@example.org;F\xefve;;\r\n\
u6;six@example.org;\"Six\n;\";28-07-1980;\r\n\
u7;seven@example.org;\"Seven;;\r\n\
u8;eight@example.org;Eight;;soon\r\n\
u9;;\"Ni\"\"ne\";;";

#[test]
fn a_file_with_broken_rows_is_imported_but_for_those_which_are_named() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let path = file(&folder, "people.csv", MIXED);
        let words = [
            "import",
            "contacts",
            &path,
            "--account",
            &account.name,
            "--source",
            "Segment",
        ];
        let dry = run(weir, &[&words[..], &["--dry-run"]].concat()).await;
        assert_eq!(dry.status.code(), Some(2), "{}", said(&dry));
        assert!(
            said(&dry).contains("10 rows: 4 would be stored, 0 unchanged, 6 refused"),
            "{}",
            said(&dry)
        );
        assert_eq!(account.contacts().await.len(), 0);

        let done = run(weir, &words).await;
        assert_eq!(done.status.code(), Some(2), "{}", said(&done));
        let told = said(&done);
        assert!(
            told.contains("10 rows: 4 stored, 0 unchanged, 6 refused"),
            "{told}"
        );
        // A birthday in another format costs itself alone.
        assert!(
            told.contains("ignored          1  birthday DATE_FORMAT_MISMATCH, first in row 1"),
            "{told}"
        );
        assert_eq!(account.contacts().await.len(), 4);
        assert_eq!(account.usage().await, (0, 0));
        let six = account.contact("u6").await.unwrap();
        assert_eq!(text(&six, "str::first").as_deref(), Some("Six\n;"));
        assert_eq!(text(&six, "dtz::b").as_deref(), Some("1980-07-28"));
        let rows = refused(&path);
        let codes: Vec<&str> = rows
            .lines()
            .skip(1)
            .filter_map(|line| line.split(';').nth(2))
            .collect();
        let expected = [
            "NO_IDENTIFIER",
            "ROW_QUOTES",
            "ROW_COLUMNS",
            "INVALID_UTF8",
            "ROW_QUOTES",
            "TIMESTAMP_UNREADABLE",
        ];
        assert_eq!(codes, expected, "{rows}");
        assert!(rows.contains("\n3;4;NO_IDENTIFIER;"), "{rows}");

        // What was there is not stored again, and nothing is left beside the file.
        let again = run(weir, &words).await;
        assert!(
            said(&again).contains("10 rows: 0 stored, 4 stored before, 0 unchanged, 6 refused"),
            "{}",
            said(&again)
        );
        assert!(!Path::new(&format!("{path}.import")).exists());
        assert_eq!(account.contacts().await.len(), 4);
        // It is no news of the source: no samples, and no line in its log.
        assert_eq!(account.samples("").await, []);
        assert_eq!(account.log().await, []);
    });
}

#[test]
fn an_import_that_was_killed_goes_on_and_stores_no_row_twice() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let mut rows = String::from("user_id,str::first\n");
        for n in 0..20_000 {
            rows.push_str(&format!("user-{n},Name {n}\n"));
        }
        let path = file(&folder, "many.csv", &rows);
        let words = [
            "import",
            "contacts",
            &path,
            "--account",
            &account.name,
            "--charge",
        ];
        let noted = PathBuf::from(format!("{path}.import"));
        let mut kills = 0;
        let done = loop {
            let mut child = weir_command(weir, &words)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let before = std::fs::read(&noted).unwrap_or_default();
            let went_on = eventually("it goes on or ends", async || {
                let is_over = child.try_wait().unwrap().is_some();
                let has_moved = std::fs::read(&noted).unwrap_or_default() != before;
                (is_over || has_moved).then_some(!is_over)
            })
            .await;
            if went_on && kills < 3 {
                // SIGKILL.
                child.kill().unwrap();
                kills += 1;
                child.wait().unwrap();
                continue;
            }
            let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
            break waiting.await.unwrap().unwrap();
        };
        assert!(done.status.success(), "{}", said(&done));
        assert!(
            kills > 0 && said(&done).contains("20,000 rows"),
            "{}",
            said(&done)
        );
        assert!(
            said(&done).contains("going on behind row"),
            "{}",
            said(&done)
        );
        let sql = format!(
            "SELECT count(*)::text FROM contact.contacts WHERE account_id = '{}'",
            account.account_id
        );
        assert_eq!(weir.query(&sql).await, ["20000"]);
        // Each was charged once, whenever it was sent.
        assert_eq!(account.usage().await, (20_000, 0));
    });
}

#[test]
fn standard_input_is_imported_and_given_again_stores_nothing_twice() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let words = [
            "import",
            "contacts",
            "-",
            "--account",
            &account.name,
            "--format",
            "csv",
            "--as-of",
            "2025-07-10T06:00:00Z",
        ];
        let import = async |words: &[&str]| {
            let (read, mut write) = std::io::pipe().unwrap();
            let rows = b"user_id,str::first\nu1,One\nu2,Two\n";
            write.write_all(rows).unwrap();
            drop(write);
            let mut command = weir_command(weir, words);
            command.stdin(read);
            let done = tokio::task::spawn_blocking(move || command.output().unwrap());
            done.await.unwrap()
        };
        let of_no_moment = import(&words[..7]).await;
        assert_eq!(of_no_moment.status.code(), Some(2));
        assert!(said(&of_no_moment).contains("--as-of"));
        for expected in [
            "2 rows: 2 stored, 0 unchanged, 0 refused",
            "2 rows: 0 stored, 2 stored before, 0 unchanged, 0 refused",
        ] {
            let done = import(&words).await;
            assert!(said(&done).contains(expected), "{}", said(&done));
        }
        assert_eq!(account.contacts().await.len(), 2);
    });
}

#[test]
fn a_charged_import_stops_at_the_limit_and_says_where() {
    journey(async |weir| {
        let plan = Plan {
            contacts: 30,
            ..Plan::default()
        };
        let account = Account::create(weir, plan).await;
        let folder = tempfile::tempdir().unwrap();
        let rows: String = (0..700).map(|n| format!("u{n}\n")).collect();
        let path = file(&folder, "people.csv", format!("user_id\n{rows}"));
        let words = [
            "import",
            "contacts",
            &path,
            "--account",
            &account.name,
            "--charge",
        ];
        let tried = run(weir, &[&words[..], &["--dry-run"]].concat()).await;
        let short =
            "700 profile units would be charged, and 300 are left: 400 rows would find none";
        assert!(said(&tried).contains(short), "{}", said(&tried));
        assert_eq!(account.usage().await, (0, 0));
        let stopped = run(weir, &words).await;
        assert_eq!(stopped.status.code(), Some(1), "{}", said(&stopped));
        assert!(
            said(&stopped).contains("row 301: the limit"),
            "{}",
            said(&stopped)
        );
        assert_eq!(account.usage().await, (300, 0));
        account
            .put_plan(Plan {
                contacts: 100,
                ..plan
            })
            .await;
        let done = eventually("the new plan counts", async || {
            let done = run(weir, &words).await;
            done.status.success().then_some(done)
        })
        .await;
        assert!(said(&done).contains("700 rows"), "{}", said(&done));
        assert_eq!(account.usage().await, (700, 0));
    });
}

/// It may be meant so, and nothing is refused.
#[test]
fn a_column_that_the_mapping_reads_nothing_from_is_named() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let name = account.name.as_str();
        let path = file(&folder, "j.csv", "user_id,emial\nu,e@x.org\n");
        let misspelled = [
            "import",
            "contacts",
            &path,
            "--account",
            name,
            "--source",
            "Segment",
        ];
        let dry = run(weir, &[&misspelled[..], &["--dry-run"]].concat()).await;
        let told = "column \"emial\": the mapping of \"Segment\" reads nothing from it";
        assert!(said(&dry).contains(told), "{}", said(&dry));
    });
}

#[test]
fn files_and_words_that_are_wrong_are_refused_before_anything_is_stored() {
    journey(async |weir| {
        let account = Account::create(weir, Plan::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let utf16: Vec<u8> = "user_id\nu1\n"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let utf16 = [b"\xff\xfe".to_vec(), utf16].concat();
        let name = account.name.as_str();
        for (path, more, words) in [
            (file(&folder, "a.csv", utf16), &[][..], "UTF-8"),
            (
                file(&folder, "b.csv", "user_id,email,first\nu,e,f\n"),
                &[],
                "columns[1]",
            ),
            (
                file(&folder, "c.csv", "user_id,str:cm:nothing\nu,e\n"),
                &[],
                "is no field",
            ),
            (
                file(&folder, "d.csv", "email,email\na,b\n"),
                &["--source", "Segment"],
                "twice",
            ),
            (file(&folder, "e.csv", ""), &[], "is empty"),
            (
                file(&folder, "f.csv", "\"user_id\nu1\n"),
                &[],
                "quotes are broken",
            ),
            (file(&folder, "g.xlsx", "user_id\nu1\n"), &[], "--format"),
            (
                file(&folder, "h.csv", "user_id\nu1\n"),
                &["--source", "Nothing"],
                "there is Segment",
            ),
            (
                file(&folder, "i.csv", "user_id\nu1\n"),
                &["--as-of", "soon"],
                "must be a time",
            ),
        ] {
            let words_given = [&["import", "contacts", &path, "--account", name], more].concat();
            let output = run(weir, &words_given).await;
            assert_eq!(output.status.code(), Some(2), "{path} {}", said(&output));
            assert!(said(&output).contains(words), "{path} {}", said(&output));
        }
        let nobody = run(
            weir,
            &["export", "contacts", "--account", "no-such-account"],
        )
        .await;
        assert_eq!(nobody.status.code(), Some(2), "{}", said(&nobody));
        let fields = run(
            weir,
            &[
                "export",
                "contacts",
                "--account",
                name,
                "--fields",
                "email,nothing",
            ],
        )
        .await;
        assert_eq!(fields.status.code(), Some(2), "{}", said(&fields));
        assert!(said(&fields).contains("columns[1]"), "{}", said(&fields));
        assert_eq!(account.contacts().await.len(), 0);
    });
}
