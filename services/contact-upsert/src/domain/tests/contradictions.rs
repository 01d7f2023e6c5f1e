//! Whom a corrected event contradicts (semantics 3.6, 7.5a).

use super::corrections::correct;
use super::*;

#[test]
fn what_the_event_itself_said_wrongly_of_who_it_is_contradicts_nobody() {
    let settings = overwrite();
    let wrong = r#"{"phn::phone":"+61400000002"}"#;
    let right = r#"{"phn::phone":"+61400000001","str::email":"B@x.org"}"#;
    let start = |visitor: &[Event]| {
        let mut tables = Tables::default();
        tables.all(visitor.iter().cloned());
        tables.one(
            &settings,
            identify(5, ("u1", "-"), r#"{"str::email":"B@x.org"}"#),
        );
        tables
    };
    let event = identify(3, ("-", "a1"), wrong);
    let mut tables = start(std::slice::from_ref(&event));
    correct(&mut tables, &settings, &event, right);
    assert_eq!(tables.visitor("a1"), tables.user("u1"));
    let phone = tables.value(tables.user("u1"), "phn::phone");
    assert_eq!(phone.as_deref(), Some("+61400000001"));
    // A number that another event said is one of somebody else.
    let said_again = identify(4, ("-", "a1"), wrong);
    let mut tables = start(&[event.clone(), said_again]);
    correct(&mut tables, &settings, &event, right);
    assert_ne!(tables.visitor("a1"), tables.user("u1"));
    assert_eq!(tables.value(tables.visitor("a1"), "str::email"), None);
    // Nor does what is cleared contradict the visitor whose number the person has.
    let mut settings = overwrite();
    settings.key_strategy = KeyStrategy::NextIfEmpty;
    let mut tables = Tables::default();
    let visitor = r#"{"phn::phone":"+61400000001","str::email":"c@x.org"}"#;
    let event = identify(4, ("u1", "a1"), r#"{"str::email":"a@x.org"}"#);
    tables.one(&settings, identify(3, ("-", "a1"), visitor));
    tables.one(&settings, event.clone());
    assert_ne!(tables.visitor("a1"), tables.user("u1"));
    let right = r#"{"phn::phone":"+61400000001","str::email":null}"#;
    correct(&mut tables, &settings, &event, right);
    assert_eq!(tables.visitor("a1"), tables.user("u1"));
}
