//! What becomes of what people write: it is taken as it stands, or refused and kept.

use weir_proto::access::v1 as access;
use weir_proto::contact::v1 as contact;
use weir_proto::mapping::v1 as wire;
use weir_reasons::Reason;

use crate::harness::{Answer, Console, SOURCE};
use crate::stub::{ACCOUNT, READ};

const ROTATE: &str = "/weir.mapping.v1.ConfigurationService/RotateKey";
const RENAME: &str = "/weir.mapping.v1.ConfigurationService/RenameSource";
const PUT_ACCOUNT: &str = "/weir.mapping.v1.MappingService/PutAccount";
const PUT_SOURCE: &str = "/weir.mapping.v1.MappingService/PutSource";
const CREATE: &str = "/weir.access.v1.TokenService/CreateToken";

/// Sends a form below the account, as it would stand in an address; a `%` is the source.
async fn send(console: &Console, cookie: &str, path: &str, says: &str) -> Answer {
    let token = console.form_token(cookie).await;
    let mut form: Vec<(String, String)> = form_urlencoded::parse(says.as_bytes())
        .into_owned()
        .collect();
    form.push(("form_token".to_owned(), token));
    console.stub.forget_calls();
    let path = path.replace('%', &format!("sources/{SOURCE}"));
    let path = format!("/accounts/{ACCOUNT}/{path}");
    console.post(&path, cookie, &form).await
}

fn changes(console: &Console) -> Vec<String> {
    let calls = console.stub.calls().into_iter().map(|(path, _)| path);
    let reads = ["/Get", "/List", "/Summarize", "/Preview", "/Count", "/Diff"];
    calls
        .filter(|path| !reads.iter().any(|read| path.contains(read)))
        .collect()
}

#[tokio::test]
async fn a_number_or_choice_that_is_none_is_refused_and_nothing_is_saved() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let plan = "do=plan&included=5&additional=0&profile_factor=2&activity_factor=2&slots=";
    for (path, says, fault) in [
        ("settings", format!("{plan}abc"), "Activity slots: must be"),
        ("settings", format!("{plan}1.5"), "Activity slots: must be"),
        ("settings", plan.to_owned(), "Activity slots: must be"),
        (
            "settings",
            format!("{plan}99999999999999999999"),
            "Activity slots: must be",
        ),
        ("settings", "do=plan".to_owned(), "Included contacts: must"),
        (
            "settings",
            "do=strategy&strategy=x".to_owned(),
            "Key strategy: “x”",
        ),
        ("settings", "do=x".to_owned(), "What to save: “x”"),
        (
            "%/settings",
            "do=merge&merging=bogus".to_owned(),
            "“bogus” is none of the choices",
        ),
        ("%/settings", "do=merge".to_owned(), "choose one"),
        (
            "%/settings",
            "do=rotate&overlap=abc".to_owned(),
            "must be a whole number",
        ),
        ("%/settings", "do=rotate".to_owned(), "must be a whole"),
        (
            "%/settings",
            "do=rotate&overlap=9223372036854775807".to_owned(),
            "must be a whole number",
        ),
        (
            "sources/new",
            "kind=segment_classic&name=n&merging=x".to_owned(),
            "“x” is none of the choices",
        ),
        ("audiences", "name=n&origin=x".to_owned(), "“x” is none"),
    ] {
        let answer = send(&console, &cookie, path, &says).await;
        assert_eq!(answer.status, 422, "{path} {says}: {}", answer.text);
        assert!(answer.text.contains(fault), "{says}: {}", answer.text);
        assert_eq!(changes(&console), Vec::<String>::new(), "{path} {says}");
    }
    let typed = send(&console, &cookie, "settings", &format!("{plan}abc")).await;
    assert!(
        typed
            .text
            .contains("name=\"slots\" inputmode=\"numeric\" required value=\"abc\"")
    );
}

#[tokio::test]
async fn a_test_goes_to_what_is_saved_and_to_nothing_else() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let typed = "do=test&wish=w&address=new%40example.org";
    let answer = send(&console, &cookie, "settings", typed).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("Save first"), "{}", answer.text);
    assert!(answer.text.contains("value=\"new@example.org\""));
    assert_eq!(changes(&console), Vec::<String>::new());
}

#[tokio::test]
async fn an_end_that_is_no_day_makes_no_token_and_breaks_nothing() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let tokens = "settings/tokens";
    for (says, fault) in [
        ("role=read&days=99999999999999999", "Ends: must be"),
        ("role=read&days=300000000", "Ends: must be"),
        ("role=read&days=-9223372036854775808", "Ends: must be"),
        ("role=read&days=abc", "Ends: must be"),
        ("role=read", "Ends: must be"),
        ("role=root&days=30", "Role: “root” is none"),
    ] {
        let says = format!("do=create&name=Maps+team&accounts=one&{says}");
        let answer = send(&console, &cookie, tokens, &says).await;
        assert_eq!(answer.status, 422, "{says}: {}", answer.text);
        assert!(answer.text.contains(fault), "{says}: {}", answer.text);
        assert!(answer.text.contains("value=\"Maps team\""), "{says}");
        assert_eq!(changes(&console), Vec::<String>::new(), "{says}");
    }
    let good = "do=create&name=n&accounts=one&role=read&days=30";
    assert_eq!(send(&console, &cookie, tokens, good).await.status, 200);
    assert_eq!(changes(&console), [CREATE]);
}

#[tokio::test]
async fn who_presses_twice_is_told_what_happened_and_how_to_get_a_key() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let again = wire::RotateKeyResponse::default();
    console.stub.answer(ROTATE, &again);
    let says = "do=rotate&overlap=0&sure=1&wish=w";
    let answer = send(&console, &cookie, "%/settings", says).await;
    assert!(answer.text.contains("was made already"), "{}", answer.text);
    assert!(answer.text.contains("rotate once more"), "{}", answer.text);
    // The next press is another wish.
    assert!(answer.text.contains("value=\"rotate\""));
    console
        .stub
        .answer(CREATE, &access::CreateTokenResponse::default());
    let says = "do=create&name=n&accounts=one&role=read&days=30&wish=w";
    let answer = send(&console, &cookie, "settings/tokens", says).await;
    assert!(answer.text.contains("was made already"), "{}", answer.text);
    assert!(answer.text.contains("make another one"), "{}", answer.text);
}

#[tokio::test]
async fn what_others_changed_meanwhile_is_shown_before_it_is_replaced() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let plan = "do=plan&included=5&additional=0&slots=9&profile_factor=2&activity_factor=2";
    let identity = "do=identity&blocked=noemail%40*&allowed=";
    for says in [plan, identity, "do=news&address=a%40example.org"] {
        let stale = format!("{says}&seen=something+else");
        let answer = send(&console, &cookie, "settings", &stale).await;
        assert_eq!(answer.status, 422, "{says}");
        let told = "Somebody else changed this meanwhile";
        assert!(answer.text.contains(told), "{says}: {}", answer.text);
        assert_eq!(changes(&console), Vec::<String>::new(), "{says}");
    }
    let stale = send(&console, &cookie, "settings", plan).await;
    // Theirs is said, one's own stands in the form, and saving once more takes it.
    assert!(stale.text.contains("3 activity slots"), "{}", stale.text);
    assert!(stale.text.contains("required value=\"9\""));
    let seen: String = form_urlencoded::byte_serialize(stale.hidden("seen").as_bytes()).collect();
    let says = format!("{plan}&seen={seen}");
    let answer = send(&console, &cookie, "settings", &says).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
}

#[tokio::test]
async fn what_is_changed_between_look_and_save_is_looked_at_anew() {
    let overtaken = || weir_rpc::aborted(Reason::MappingChanged, "the settings were changed");
    let plan = "do=plan&included=5&additional=0&slots=9&profile_factor=2&activity_factor=2";
    let merge = "do=merge&merging=append&wish=w";
    for (path, says, method, done) in [
        ("settings", plan, PUT_ACCOUNT, "done=saved"),
        ("%/settings", merge, PUT_SOURCE, "done=saved"),
    ] {
        let console = Console::start().await;
        let cookie = console.administrator().await;
        let page = format!("/accounts/{ACCOUNT}/{path}");
        let page = page.replace('%', &format!("sources/{SOURCE}"));
        let seen = console.get(&page, &cookie).await.hidden("seen");
        let seen: String = form_urlencoded::byte_serialize(seen.as_bytes()).collect();
        let says = format!("{says}&seen={seen}");
        // Something else of the account: what this is about stands as it was seen.
        console.stub.refuse_once(method, overtaken());
        let answer = send(&console, &cookie, path, &says).await;
        assert!(answer.location().contains(done), "{path}: {}", answer.text);
        let expected: Vec<Option<i64>> = match method {
            PUT_ACCOUNT => {
                let sent: Vec<wire::PutAccountRequest> = console.stub.sent(method);
                sent.iter().map(|one| one.expected_version).collect()
            }
            _ => {
                let sent: Vec<wire::PutSourceRequest> = console.stub.sent(method);
                sent.iter().map(|one| one.expected_version).collect()
            }
        };
        assert_eq!(expected, [Some(3), Some(3)], "{path}: as it was read");
        // Over and over: nothing is said to be saved, and nothing typed is lost.
        console.stub.refuse(method, overtaken());
        let answer = send(&console, &cookie, path, &says).await;
        assert_eq!(answer.status, 422, "{path}");
        let told = "nothing was saved";
        assert!(answer.text.contains(told), "{path}: {}", answer.text);
        let typed = match method {
            PUT_ACCOUNT => "required value=\"9\"",
            _ => "value=\"append\" checked",
        };
        assert!(answer.text.contains(typed), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_on_top_with_links_and_at_each_field() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let plan = "do=plan&included=x&additional=0&slots=abc&profile_factor=2&activity_factor=2";
    let name = || weir_rpc::invalid("name", "must not hold control characters");
    let slots = || weir_rpc::invalid("plan.activity_slots", "must be from 0 to 10000");
    console.stub.refuse(RENAME, name());
    console.stub.refuse(CREATE, name());
    console.stub.refuse(PUT_ACCOUNT, slots());
    let right = "do=plan&included=5&additional=0&slots=9&profile_factor=2&activity_factor=2";
    let page = format!("/accounts/{ACCOUNT}/settings");
    let seen = console.get(&page, &cookie).await.hidden("seen");
    let seen: String = form_urlencoded::byte_serialize(seen.as_bytes()).collect();
    let right = format!("{right}&seen={seen}");
    let token = "do=create&name=n&accounts=one&role=read&days=30";
    for (path, says, fields) in [
        ("settings", plan, &["included", "slots"][..]),
        ("settings", &right, &["slots"]),
        ("%/settings", "do=rename&name=n", &["name"]),
        ("%/settings", "do=merge&merging=x", &["merging"]),
        ("%/settings", "do=rotate&overlap=x", &["overlap"]),
        ("settings/tokens", token, &["name"]),
        (
            "settings/tokens",
            "do=create&name=n&accounts=one&role=x&days=30",
            &["role"],
        ),
    ] {
        let answer = send(&console, &cookie, path, says).await;
        assert_eq!(answer.status, 422, "{path} {says}: {}", answer.text);
        let text = &answer.text;
        assert_eq!(text.matches("aria-invalid").count(), fields.len(), "{text}");
        for field in fields {
            for part in [
                format!("<a href=\"#{field}\">"),
                format!(" id=\"{field}\""),
                format!("aria-invalid=\"true\" aria-describedby=\"fault-{field}\""),
                format!(" id=\"fault-{field}\""),
            ] {
                assert!(text.contains(&part), "{path} {says}: {part}: {text}");
            }
        }
        // Whoever does not see it is led there.
        assert!(text.contains("role=\"alert\" tabindex=\"-1\" autofocus"));
    }
}

#[tokio::test]
async fn settings_lead_to_a_change_of_identifiers_that_no_batch_has_told_of() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let page = format!("/accounts/{ACCOUNT}/settings");
    let get = "/weir.contact.v1.IdentityService/GetReindex";
    let told = async |state: contact::ReindexState| {
        let run = contact::Reindex {
            state: state.into(),
            unique_identifiers: vec!["phn::phone".to_owned()],
            contacts: 7_000,
            seen_contacts: 1_204,
            ..Default::default()
        };
        let reindex = Some(run);
        console
            .stub
            .answer(get, &contact::GetReindexResponse { reindex });
        let text = console.get(&page, &cookie).await.text;
        text.contains("1,204 of 7,000 contacts were looked at for <bdi>Phone</bdi>")
            && text.contains(&format!("href=\"/accounts/{ACCOUNT}/reindex\""))
    };
    assert!(told(contact::ReindexState::Running).await);
    assert!(!told(contact::ReindexState::Done).await);
}

#[tokio::test]
async fn a_form_whose_service_is_away_is_kept_and_the_page_waits_once() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    console.stub.take_away("weir.mapping");
    for (path, says) in [
        ("settings", ("do", "news")),
        ("sources/s/settings", ("do", "merge")),
        ("sources/s/activities/edit", ("do", "save")),
        ("sources/s/map", ("do", "save")),
    ] {
        console.stub.forget_calls();
        let path = format!("/accounts/{ACCOUNT}/{path}");
        let form = [
            ("form_token", &*token),
            says,
            ("merging", "append"),
            ("name", "maps & more"),
        ];
        let answer = console.post(&path, &cookie, &form).await;
        let text = &answer.text;
        assert!(text.contains("mapping service"), "{path}: {text}");
        if answer.status == 503 {
            assert!(text.contains("Send it again"), "{path}: {text}");
            assert!(text.contains("name=\"name\" value=\"maps &amp; more\""));
        }
        assert_eq!(answer.status, 503, "{path}: {text}");
    }
    for page in crate::harness::pages() {
        console.stub.forget_calls();
        let answer = console.get(&page, &cookie).await;
        let calls = console.stub.calls();
        let lists = calls
            .iter()
            .filter(|(path, _)| path.ends_with("/ListAccounts"));
        // The list of accounts is itself one of the pages.
        let most = if page == "/accounts" { 2 } else { 1 };
        assert!(lists.count() <= most, "{page}: {calls:?}");
        if page.starts_with("/accounts/") && answer.status != 303 {
            let contacts = format!("href=\"/accounts/{ACCOUNT}/contacts\"");
            assert!(answer.text.contains(&contacts), "{page}: {}", answer.text);
            assert!(!answer.text.contains("\"/contacts"), "{page}");
        }
    }
}

#[tokio::test]
async fn without_a_script_what_takes_away_is_asked_about_first() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for (path, says, words) in [
        (
            "%/settings",
            "do=revoke&key=k",
            "Revoke the key that you chose?",
        ),
        ("%/settings", "do=rotate&overlap=0", "End all keys now"),
        ("%/settings", "do=pause", "<h1>Pause <bdi>"),
        ("%/settings", "do=copy&from=s", "Replace the mapping"),
        (
            "%/map/versions",
            "restore=1",
            "Bring version <bdi>1</bdi> back?",
        ),
        (
            "settings",
            "do=delete-field&field=f",
            "Take the field that you chose away?",
        ),
        (
            "settings/tokens",
            "do=revoke&token=t",
            "Revoke the token that you chose?",
        ),
    ] {
        let asked = send(&console, &cookie, path, says).await;
        assert!(asked.text.contains(words), "{says}: {}", asked.text);
        assert!(asked.text.contains("Leave it as it is"));
        assert_eq!(changes(&console), Vec::<String>::new(), "{says}");
        let sure = format!("{says}&sure=1");
        let _ = send(&console, &cookie, path, &sure).await;
        assert_eq!(changes(&console).len(), 1, "{says}");
    }
}

#[tokio::test]
async fn who_may_only_look_is_told_so_and_offered_no_form() {
    let console = Console::start().await;
    let cookie = console.sign_in(&weir_access::token(READ)).await;
    for (page, role) in [
        ("sources/new".to_owned(), "write"),
        (format!("contacts/{SOURCE}/merge"), "write"),
        (format!("contacts/{SOURCE}/split?merge=x"), "write"),
        (format!("contacts/{SOURCE}/delete"), "write"),
        ("settings/tokens".to_owned(), "admin"),
    ] {
        let path = format!("/accounts/{ACCOUNT}/{page}");
        let answer = console.get(&path, &cookie).await;
        assert_eq!(answer.status, 403, "{page}");
        let says = format!("it takes the role {role}, and yours is read");
        assert_eq!(answer.text.matches(&says).count(), 1, "{}", answer.text);
    }
    for page in ["settings", "health"] {
        let path = format!("/accounts/{ACCOUNT}/{page}");
        let answer = console.get(&path, &cookie).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("is not for all accounts"), "{page}");
        assert!(!answer.text.contains("You may not"), "{page}");
        assert!(!answer.text.contains("Plan of a file"), "{page}");
    }
    let plan = format!("/accounts/{ACCOUNT}/settings/plan");
    let answer = console.get(&plan, &cookie).await;
    assert!(answer.text.contains("a token for all accounts"));
}
