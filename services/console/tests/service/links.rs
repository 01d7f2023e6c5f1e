//! Links within a page lead to something that stands on it, those of what is wrong with a form
//! before all.

use crate::harness::{Answer, Console, SOURCE, pages};
use crate::stub::{ACCOUNT, fields_of};

/// Links within this page that lead nowhere.
fn broken(answer: &Answer) -> Vec<String> {
    let links = answer.text.split("href=\"#").skip(1);
    let ids = links.map(|link| link.split('"').next().unwrap().to_owned());
    ids.filter(|id| !answer.text.contains(&format!(" id=\"{id}\"")))
        .collect()
}

/// Forms, what they say, and the method that they come to.
const FORMS: [(&str, &str, &str); 13] = [
    (
        "settings",
        "do=plan&seen=%&included=5&additional=0&slots=3&profile_factor=2&activity_factor=2",
        "/weir.mapping.v1.MappingService/PutAccount",
    ),
    (
        "settings",
        "do=news&seen=%",
        "/weir.mapping.v1.MappingService/PutAccount",
    ),
    (
        "settings",
        "do=identity&seen=%",
        "/weir.mapping.v1.MappingService/PutAccount",
    ),
    (
        "settings",
        "do=strategy&strategy=any&seen=%",
        "/weir.mapping.v1.MappingService/PutAccount",
    ),
    (
        "settings",
        "do=delete-field&field=f&sure=1",
        "/weir.mapping.v1.ConfigurationService/DeleteField",
    ),
    (
        "settings/tokens",
        "name=n&role=read&days=3&accounts=%",
        "/weir.access.v1.TokenService/CreateToken",
    ),
    (
        "sources/%/settings",
        "do=merge&merging=append&seen=%",
        "/weir.mapping.v1.MappingService/PutSource",
    ),
    (
        "sources/%/settings",
        "do=rename&name=n",
        "/weir.mapping.v1.ConfigurationService/RenameSource",
    ),
    (
        "sources/%/settings",
        "do=rotate&overlap=1",
        "/weir.mapping.v1.ConfigurationService/RotateKey",
    ),
    (
        "sources/%/settings",
        "do=copy&from=s&sure=1",
        "/weir.mapping.v1.ConfigurationService/CopyMapping",
    ),
    (
        "sources/%/settings",
        "do=revoke&key=k&sure=1",
        "/weir.mapping.v1.MappingService/RevokeKey",
    ),
    (
        "sources/%/map",
        "do=add-field&new_name=n&new_type=text",
        "/weir.mapping.v1.MappingService/CreateField",
    ),
    (
        "sources/%/map",
        "do=save&on:F=1&path:F=p",
        "/weir.mapping.v1.MappingService/PutContactMapping",
    ),
];

#[tokio::test]
async fn what_is_wrong_with_a_form_leads_to_where_it_can_be_mended() {
    let console = Console::start().await;
    // Fields, sources and keys all have this as their id.
    console.stub.fill_with("F");
    let cookie = console.administrator().await;
    let token = console.form_token(&cookie).await;
    for (page, says, method) in FORMS {
        let path = format!("/accounts/{ACCOUNT}/{}", page.replace('%', SOURCE));
        let shown = console.get(&path, &cookie).await;
        let part = ["plan", "news", "identity", "strategy"];
        let part = part
            .iter()
            .find(|part| says.contains(&format!("do={part}")));
        let fields = fields_of(method);
        let wrong = fields.iter().map(|field| (field.as_str(), "is wrong"));
        console.stub.refuse(method, weir_rpc::invalid_all(wrong));
        let mut form: Vec<(String, String)> = form_urlencoded::parse(says.as_bytes())
            .into_owned()
            .collect();
        for (name, value) in &mut form {
            match (&**name, part) {
                ("seen", Some(part)) => *value = shown.seen(part),
                ("seen", None) => *value = shown.hidden("seen"),
                ("accounts", _) => *value = ACCOUNT.to_string(),
                _ => {}
            }
        }
        form.push(("form_token".to_owned(), token.clone()));
        let answer = console.post(&path, &cookie, &form).await;
        assert!(answer.text.contains("to put right"), "{says}: {answer:?}");
        assert_eq!(broken(&answer), Vec::<String>::new(), "{page} {says}");
    }
}

#[tokio::test]
async fn no_link_within_a_page_leads_nowhere() {
    let console = Console::start().await;
    let cookie = console.administrator().await;
    for page in pages() {
        let answer = console.get(&page, &cookie).await;
        assert_eq!(broken(&answer), Vec::<String>::new(), "{page}");
    }
}
