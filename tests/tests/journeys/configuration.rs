//! Configuration as code, both ways: plan, apply, prune, export.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use weir_tests::events::identify;
use weir_tests::{Weir, eventually, journey};

/// Everything that a file can say, with `NAME` and `KEY` for what must be unique.
const RICH: &str = r#"
accounts:
  - name: NAME
    plan: {included_contacts: 500, additional_contacts: 20, activity_slots: 3, profile_factor: 11, activity_factor: 6}
    notification_address: who@example.org
    unique_identifiers: ['str::email', 'Login']
    key_strategy: next_if_empty
    fields:
      - {name: Login, type: text}
      - {name: "Odd: name, with #1", type: currency}
      - {name: Visits, type: integer}
    sources:
      - name: Segment
        kind: segment_actions
        key: KEY
        merge_strategy: append
        existing_only: false
        contact_mapping:
          - {trait: email, field: 'str::email'}
          - {trait: 'address["zip code"]', field: 'str::postal'}
          - {trait: born, field: 'dtz::b', date_format: 'DD-MM-YYYY'}
          - {trait: login, field: Login}
          - {trait: visits, field: Visits}
          - {trait: mobile, fallback_paths: [phone, 'contact.phone'], field: 'phn::phone', phone_country: AU, blank: clear}
        activities:
          - event: "Sign-in: done"
            retention_days: 30
            attributes:
              - {property: cart.total, attribute: total, type: currency}
              - {property: when, type: date, date_format: 'Unix seconds', fallback_formats: ['ISO 8601']}
              - {property: price, type: decimal, round: true}
          - {event: Left, retention_days: 730, attributes: []}
      - name: Classic
        kind: segment_classic
        merge_strategy: overwrite
        existing_only: true
        contact_mapping: []
        activities:
          - {event: Left, retention_days: 730, attributes: [{property: 'x[0]', type: text}]}
    audiences:
      - name: Newsletter
      - name: "yes"
"#;

struct Files {
    folder: PathBuf,
    name: String,
}

impl Files {
    fn new(weir: &Weir) -> Self {
        let name = format!("config-{}", uuid::Uuid::new_v4());
        Self {
            folder: weir.stack.folder().to_owned(),
            name,
        }
    }

    fn write(&self, text: &str) -> String {
        let text = text
            .replace("NAME", &self.name)
            .replace("KEY", &format!("pau-{}", self.name));
        let path = self.folder.join(format!("{}.yaml", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn expect(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
    text(output)
}

#[test]
fn what_is_exported_is_what_stands() {
    journey(async |weir| {
        let files = Files::new(weir);
        let rich = files.write(RICH);
        let planned = expect(&weir.cli(&["plan", &rich]).await, 3);
        assert!(planned.contains("+ unique_identifiers") || planned.contains("unique identifiers"));
        expect(&weir.cli(&["apply", &rich]).await, 0);
        let again = expect(&weir.cli(&["plan", &rich, "--prune"]).await, 0);
        assert!(again.contains("Nothing to change"), "{again}");
        let applied = expect(&weir.cli(&["apply", &rich]).await, 0);
        assert!(
            applied.contains("0 created, 0 updated, 0 removed"),
            "{applied}"
        );

        let exported = weir.cli(&["export-config", "--account", &files.name]).await;
        let exported = expect(&exported, 0);
        assert!(!exported.contains("pau-"), "a key is exported");
        let copy = files.write(&exported);
        let same = weir.cli(&["plan", &copy, "--prune", "--json"]).await;
        let same: Value = serde_json::from_str(&expect(&same, 0)).unwrap();
        assert_eq!(
            (&same["steps"], &same["left_over"]),
            (&json!([]), &json!([]))
        );
        assert!(same["unchanged"].as_u64().unwrap() > 10);

        // The same elsewhere: under another name it makes the same once more.
        let elsewhere = files.write(&exported.replace(&files.name, &format!("{}-2", files.name)));
        expect(&weir.cli(&["apply", &elsewhere]).await, 0);
        let second = format!("{}-2", files.name);
        let twin = weir.cli(&["export-config", "--account", &second]).await;
        assert_eq!(expect(&twin, 0).replace(&second, &files.name), exported);
    });
}

#[test]
fn what_the_file_no_longer_has_is_named_and_with_prune_removed() {
    journey(async |weir| {
        let files = Files::new(weir);
        expect(&weir.cli(&["apply", &files.write(RICH)]).await, 0);
        // Another activity in the only room that there is, and the classic source gone.
        let (before, behind) = RICH.split_once("      - name: Classic\n").unwrap();
        let (_, audiences) = behind.split_once("    audiences:\n").unwrap();
        let changed = format!("{before}    audiences:\n{audiences}")
            .replace("activity_slots: 3", "activity_slots: 2")
            .replace("{event: Left,", "{event: Came,")
            .replace("      - {name: Visits, type: integer}\n", "")
            .replace("          - {trait: visits, field: Visits}\n", "")
            .replace(
                "name: Segment\n",
                "name: Website\n        renamed_from: Segment\n",
            );
        let path = files.write(&changed);
        let refused = expect(&weir.cli(&["plan", &path]).await, 2);
        assert!(
            refused.contains("not in the file: source Classic"),
            "{refused}"
        );
        assert!(refused.contains("activity slots"), "{refused}");
        expect(&weir.cli(&["apply", &path]).await, 2);

        let planned = expect(&weir.cli(&["plan", &path, "--prune"]).await, 3);
        for part in [
            "- source Classic",
            "- activity Left",
            "~ name: Segment -> Website",
            "+ activity Came",
            "- field Visits",
            "~ activity_slots: 3 -> 2",
        ] {
            assert!(planned.contains(part), "{part} is not in\n{planned}");
        }
        let unasked = expect(&weir.cli(&["apply", &path, "--prune"]).await, 2);
        assert!(unasked.contains("--yes"), "{unasked}");
        let applied = weir.cli(&["apply", &path, "--prune", "--yes"]).await;
        assert!(
            expect(&applied, 0).contains("3 removed"),
            "{}",
            text(&applied)
        );
        let left = expect(&weir.cli(&["plan", &path, "--prune"]).await, 0);
        assert!(!left.contains("not in the file"), "{left}");

        // The source that was renamed still takes events, by the key that it had.
        let key = format!("pau-{}", files.name);
        eventually("the mapping takes effect", async || {
            let event = json!([identify("lana", json!({"email": "lana@example.org"}))]);
            let body = serde_json::to_vec(&event).unwrap();
            let answer = weir
                .send("POST", "/v1/identify", Some(&key), body.into())
                .await;
            answer.statuses() == [200]
        })
        .await;
        // What tells contacts apart is fixed from now on, and a plan knows.
        let other = changed.replace("['str::email', 'Login']", "['str::email']");
        let fixed = expect(&weir.cli(&["plan", &files.write(&other)]).await, 2);
        assert!(fixed.contains("has contacts"), "{fixed}");
    });
}

#[test]
fn a_file_that_can_not_be_applied_is_refused_with_its_lines() {
    journey(async |weir| {
        let files = Files::new(weir);
        let path = files.write("accounts:\n  - name: NAME\n    plan: {activity_slots: -1}\n");
        let refused = expect(&weir.cli(&["plan", &path]).await, 2);
        assert!(refused.contains(".yaml:3:"), "{refused}");
        let unknown = weir.cli(&["export-config", "--account", "nobody's"]).await;
        expect(&unknown, 2);
        let missing = weir.cli(&["plan", "/does/not/exist.yaml"]).await;
        expect(&missing, 2);
    });
}
