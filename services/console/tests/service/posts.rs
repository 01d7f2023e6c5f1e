//! What changes something: by whom, and from where (semantics 9.2, 9.4).

use crate::harness::{Console, SOURCE, encoded};
use crate::stub::{ACCOUNT, OF_OTHER, READ, WRITE};

/// Every form there is: its path, what it says, and the method that it comes to.
fn forms() -> Vec<(String, Vec<(&'static str, &'static str)>, &'static str)> {
    let account = format!("/accounts/{ACCOUNT}");
    let source = format!("{account}/sources/{SOURCE}");
    let contact = format!("{account}/contacts/{SOURCE}");
    let settings = format!("{source}/settings");
    vec![
        (
            format!("{account}/sources/new"),
            vec![("kind", "segment_classic"), ("name", "n"), ("wish", "w")],
            "PutSource",
        ),
        (
            format!("{source}/new-key"),
            vec![("wish", "w")],
            "CreateKey",
        ),
        (
            settings.clone(),
            vec![("do", "merge"), ("merging", "append")],
            "PutSource",
        ),
        (
            settings.clone(),
            vec![("do", "rename"), ("name", "n")],
            "RenameSource",
        ),
        (settings.clone(), vec![("do", "pause")], "PauseSource"),
        (settings.clone(), vec![("do", "resume")], "ResumeSource"),
        (
            settings.clone(),
            vec![("do", "copy"), ("from", SOURCE)],
            "CopyMapping",
        ),
        (
            settings.clone(),
            vec![("do", "revoke"), ("key", "k")],
            "RevokeKey",
        ),
        (
            settings.clone(),
            vec![("do", "rotate"), ("overlap", "1")],
            "RotateKey",
        ),
        (
            settings,
            vec![("do", "delete"), ("typed", crate::stub::HOSTILE)],
            "DeleteSource",
        ),
        (
            format!("{source}/map"),
            vec![("do", "add-field"), ("new_name", "n"), ("new_type", "text")],
            "CreateField",
        ),
        (
            format!("{source}/map/versions"),
            vec![("restore", "1")],
            "RestoreMappingVersion",
        ),
        (
            format!("{source}/activities/edit"),
            vec![
                ("do", "save"),
                ("name", "n"),
                ("property:0", "p"),
                ("type:0", "text"),
            ],
            "PutActivityMapping",
        ),
        (
            format!("{source}/activities/edit"),
            vec![("do", "unmap"), ("name", "n")],
            "DeleteActivityMapping",
        ),
        (
            format!("{source}/kept/replay"),
            vec![("wish", "w")],
            "StartReplay",
        ),
        (
            format!("{source}/replays/r"),
            vec![("do", "stop")],
            "StopReplay",
        ),
        (
            format!("{source}/replays/r"),
            vec![("do", "resume")],
            "ResumeReplay",
        ),
        (
            format!("{contact}/merge"),
            vec![("with", SOURCE), ("typed", "merge"), ("wish", "w")],
            "MergeContacts",
        ),
        (
            format!("{contact}/split"),
            vec![("merge", "m")],
            "SplitContact",
        ),
        (
            format!("{contact}/delete"),
            vec![("typed", "delete"), ("wish", "w")],
            "DeleteContact",
        ),
        (
            format!("{account}/audiences"),
            vec![("name", "n")],
            "CreateAudience",
        ),
        (
            format!("{account}/usage"),
            vec![("alert", "a")],
            "ResolveAlert",
        ),
        (
            format!("{account}/settings"),
            vec![("do", "plan")],
            "PutAccount",
        ),
        (
            format!("{account}/settings"),
            vec![("do", "news")],
            "PutAccount",
        ),
        (
            format!("{account}/settings"),
            vec![("do", "identity")],
            "PutAccount",
        ),
        (
            format!("{account}/settings"),
            vec![("do", "strategy")],
            "PutAccount",
        ),
        (
            format!("{account}/settings"),
            vec![("do", "delete-field"), ("field", "f")],
            "DeleteField",
        ),
        (
            format!("{account}/settings"),
            vec![("do", "test")],
            "SendTestMail",
        ),
    ]
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
    let cookie = console.sign_in(&weir_access::token(WRITE)).await;
    let token = console.form_token(&cookie).await;
    for (path, mut form, method) in forms() {
        console.stub.forget_calls();
        form.push(("form_token", &token));
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
        let mut good = form.clone();
        good.push(("form_token", &token));
        let mut wrong = form.clone();
        wrong.push(("form_token", "of-another-session"));
        let (good, wrong, none) = (encoded(&good), encoded(&wrong), encoded(&form));
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
    for (who, bytes) in [("read", READ), ("another account", OF_OTHER)] {
        let cookie = console.sign_in(&weir_access::token(bytes)).await;
        let token = console.form_token(&cookie).await;
        console.stub.forget_calls();
        for (path, mut form, method) in forms() {
            form.push(("form_token", &token));
            let answer = console.post(&path, &cookie, &form).await;
            assert!(!changed(&console, method), "{who}: {path}");
            let says = "You may not do this";
            assert!(answer.text.contains(says), "{who}: {path}: {}", answer.text);
        }
    }
}
