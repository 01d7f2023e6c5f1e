//! What a file would change, before anybody applies it.

use crate::harness::{Answer, Console};
use crate::stub::{ACCOUNT, HOSTILE, OF_OTHER};

async fn look(console: &Console, cookie: &str, text: &str) -> Answer {
    let token = console.form_token(cookie).await;
    let path = format!("/accounts/{ACCOUNT}/settings/plan");
    let form = [("form_token", &*token), ("text", text)];
    console.stub.forget_calls();
    console.post(&path, cookie, &form).await
}

fn changes(console: &Console) -> Vec<String> {
    let calls = console.stub.calls().into_iter();
    let methods = calls.map(|(path, _)| path.rsplit('/').next().unwrap().to_owned());
    methods
        .filter(|method| {
            !["Get", "List", "Find"]
                .iter()
                .any(|reads| method.starts_with(reads))
        })
        .collect()
}

#[tokio::test]
async fn a_plan_is_shown_and_nothing_is_changed() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let file = "accounts:\n  - name: shop\n    fields:\n      - {name: Shoe size, type: decimal}\n";
    let answer = look(&console, &cookie, file).await;
    assert_eq!(answer.status, 200);
    for words in ["It would do", "Shoe size", "Plan: ", "to create"] {
        assert!(answer.text.contains(words), "{words}: {}", answer.text);
    }
    assert_eq!(changes(&console), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_named_by_its_lines() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for (file, says) in [
        ("accounts:\n  - nome: shop\n", "weir.yaml:2:"),
        ("accounts: [", "weir.yaml:1:"),
        (HOSTILE, "weir.yaml:"),
    ] {
        let answer = look(&console, &cookie, file).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.text.contains("can&#39;t be applied")
                || answer.text.contains("can't be applied")
        );
        assert!(answer.text.contains(says), "{}", answer.text);
        assert!(!answer.text.contains("<script>alert"), "{}", answer.text);
    }
    let answer = look(&console, &cookie, " ").await;
    assert!(answer.text.contains("Choose a file"));
}

#[tokio::test]
async fn who_may_not_see_the_account_is_told_so() {
    let console = Console::start().await;
    let cookie = console.sign_in(&weir_access::token(OF_OTHER)).await;
    let answer = look(&console, &cookie, "accounts:\n  - name: shop\n").await;
    assert!(
        answer.text.contains("You may not do this"),
        "{}",
        answer.text
    );
}
