//! What changes something: by whom, and from where (semantics 9.2, 9.4).

use crate::harness::{Console, SOURCE, encoded, unescaped};
use crate::stub::{ACCOUNT, HOSTILE, OF_OTHER, READ, WRITE};

/// Below what a form stands, where, what it says (as in an address), and the method that it comes
/// to.
const FORMS: &[(Below, &str, &str, &str)] = &[
    (
        Account,
        "sources/new",
        "kind=segment_classic&name=n&wish=w&merging=append",
        "PutSource",
    ),
    (Source, "new-key", "wish=w", "CreateKey"),
    (Source, "settings", "do=merge&merging=append", "PutSource"),
    (Source, "settings", "do=rename&name=n", "RenameSource"),
    (Source, "settings", "do=pause&sure=1", "PauseSource"),
    (Source, "settings", "do=resume", "ResumeSource"),
    (Source, "settings", "do=copy&from=s&sure=1", "CopyMapping"),
    (Source, "settings", "do=revoke&key=k&sure=1", "RevokeKey"),
    (Source, "settings", "do=rotate&overlap=1", "RotateKey"),
    (Source, "settings", "do=delete", "DeleteSource"),
    (
        Source,
        "map",
        "do=add-field&new_name=n&new_type=text",
        "CreateField",
    ),
    (
        Source,
        "map",
        "do=save&on:HOSTILE=1&path:HOSTILE=p",
        "PutContactMapping",
    ),
    (
        Source,
        "map/versions",
        "restore=1&sure=1",
        "RestoreMappingVersion",
    ),
    (
        Source,
        "activities/edit",
        "do=save&name=n&property:0=p&type:0=text",
        "PutActivityMapping",
    ),
    (
        Source,
        "activities/unmap",
        "name=n",
        "DeleteActivityMapping",
    ),
    (Source, "kept/replay", "wish=w", "StartReplay"),
    (Source, "replays/r", "do=stop", "StopReplay"),
    (Source, "replays/r", "do=resume", "ResumeReplay"),
    (
        Contact,
        "merge",
        "with=c&typed=merge&wish=w",
        "MergeContacts",
    ),
    (Contact, "split", "merge=m", "SplitContact"),
    (Contact, "delete", "typed=delete&wish=w", "DeleteContact"),
    (
        Account,
        "audiences",
        "name=n&origin=manual",
        "CreateAudience",
    ),
    (Account, "audiences/a", "do=rename&name=n", "RenameAudience"),
    (Account, "audiences/a", "do=delete", "DeleteAudience"),
    (Account, "usage", "alert=a", "ResolveAlert"),
    (
        Account,
        "settings",
        "do=plan&included=5&additional=0&slots=3&profile_factor=2&activity_factor=2",
        "PutAccount",
    ),
    (Account, "settings", "do=news", "PutAccount"),
    (Account, "settings", "do=identity", "PutAccount"),
    (
        Account,
        "settings",
        "do=strategy&strategy=any",
        "PutAccount",
    ),
    (
        Account,
        "settings",
        "do=delete-field&field=f&sure=1",
        "DeleteField",
    ),
    (Account, "settings", "do=test", "SendTestMail"),
    (
        Account,
        "settings/tokens",
        "do=create&name=n&role=read&accounts=one&days=30",
        "CreateToken",
    ),
    (
        Account,
        "settings/tokens",
        "do=revoke&token=t&sure=1",
        "RevokeToken",
    ),
    (
        Account,
        "settings/tokens",
        "do=end-access&person=p&sure=1",
        "RevokeTokensByName",
    ),
];

/// Methods that take the role of an administrator; the others that of who writes.
const OF_ADMINISTRATORS: &[&str] = &["CreateToken", "RevokeToken", "RevokeTokensByName"];

#[derive(Clone, Copy)]
enum Below {
    Account,
    Source,
    Contact,
}
use Below::{Account, Contact, Source};

type Form = Vec<(String, String)>;

/// All of them, with their paths.
fn forms() -> Vec<(String, Form, &'static str)> {
    let account = format!("/accounts/{ACCOUNT}");
    let form = |(below, path, says, method): &(Below, &str, &str, &'static str)| {
        let path = match below {
            Account => format!("{account}/{path}"),
            Source => format!("{account}/sources/{SOURCE}/{path}"),
            Contact => format!("{account}/contacts/{SOURCE}/{path}"),
        };
        let mut form: Form = form_urlencoded::parse(says.as_bytes())
            .into_owned()
            .collect();
        for (name, _) in &mut form {
            // What fields of the stub are called.
            *name = name.replace("HOSTILE", HOSTILE);
        }
        if says.starts_with("do=delete") {
            form.push(("typed".to_owned(), HOSTILE.to_owned()));
        }
        (path, form, *method)
    };
    FORMS.iter().map(form).collect()
}

fn with(form: &Form, token: &str) -> Form {
    let mut form = form.clone();
    form.push(("form_token".to_owned(), token.to_owned()));
    form
}

/// What the form of a part of the settings brings back of its page.
async fn seen_of(console: &Console, cookie: &str, path: &str, form: &Form) -> Form {
    let part = &form[0].1;
    let seen = match &**part {
        "plan" | "news" | "identity" | "strategy" => console.get(path, cookie).await.seen(part),
        "merge" => unescaped(&console.get(path, cookie).await.hidden("seen")),
        _ => return Form::new(),
    };
    vec![("seen".to_owned(), seen)]
}

fn changed(console: &Console, method: &str) -> bool {
    let calls = console.stub.calls();
    calls
        .iter()
        .any(|(path, _)| path.ends_with(&format!("/{method}")))
}

#[tokio::test]
async fn a_form_does_what_it_says_for_whoever_may() {
    let console = Console::start().await;
    let writer = console.sign_in(&weir_access::token(WRITE)).await;
    let administrator = console.administrator().await;
    for (path, form, method) in forms() {
        let cookie = match OF_ADMINISTRATORS.contains(&method) {
            true => administrator.clone(),
            false => writer.clone(),
        };
        let token = console.form_token(&cookie).await;
        let seen = seen_of(&console, &cookie, &path, &form).await;
        console.stub.forget_calls();
        let mut form = with(&form, &token);
        form.extend(seen);
        let answer = console.post(&path, &cookie, &form).await;
        assert!(
            [200, 303].contains(&answer.status),
            "{path} {form:?}: {}",
            answer.text
        );
        assert!(changed(&console, method), "{path} {form:?}: {method}");
    }
}

#[tokio::test]
async fn a_form_of_nobody_of_elsewhere_or_of_another_session_changes_nothing() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    let own = format!("http://{}", console.address);
    console.stub.forget_calls();
    for (path, form, method) in forms() {
        let good = encoded(&with(&form, &token));
        let wrong = encoded(&with(&form, "of-another-session"));
        let none = encoded(&form);
        for (why, headers, body, status) in [
            ("nobody", vec![("origin", &*own)], &good, 401),
            (
                "a wrong session",
                vec![("origin", &*own), ("cookie", "weir-session=x")],
                &good,
                401,
            ),
            (
                "another site",
                vec![("origin", "https://evil.example"), ("cookie", &*cookie)],
                &good,
                403,
            ),
            ("no site", vec![("cookie", &*cookie)], &good, 403),
            (
                "a browser that says so",
                vec![
                    ("origin", &*own),
                    ("sec-fetch-site", "cross-site"),
                    ("cookie", &*cookie),
                ],
                &good,
                403,
            ),
            (
                "a form of before",
                vec![("origin", &*own), ("cookie", &*cookie)],
                &wrong,
                200,
            ),
            (
                "no form's token",
                vec![("origin", &*own), ("cookie", &*cookie)],
                &none,
                200,
            ),
        ] {
            let answer = console.send("POST", &path, &headers, body).await;
            assert_eq!(answer.status, status, "{path}: {why}: {}", answer.text);
            assert!(!changed(&console, method), "{path}: {why}");
        }
    }
    assert!(
        console.stub.calls().is_empty(),
        "{:?}",
        console.stub.calls()
    );
}

#[tokio::test]
async fn who_may_only_look_or_is_of_another_account_is_told_so() {
    let console = Console::start().await;
    for (who, bytes) in [
        ("read", READ),
        ("another account", OF_OTHER),
        ("write", WRITE),
    ] {
        let cookie = console.sign_in(&weir_access::token(bytes)).await;
        let token = console.form_token(&cookie).await;
        console.stub.forget_calls();
        for (path, form, method) in forms() {
            if who == "write" && !OF_ADMINISTRATORS.contains(&method) {
                continue;
            }
            let form = with(&form, &token);
            let answer = console.post(&path, &cookie, &form).await;
            assert!(!changed(&console, method), "{who}: {path}");
            let says = "You may not do this";
            assert!(answer.text.contains(says), "{who}: {path}: {}", answer.text);
            assert_eq!(answer.status, 403, "{who}: {path}");
        }
    }
}
