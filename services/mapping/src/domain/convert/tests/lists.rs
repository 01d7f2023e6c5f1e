//! What is kept of a list (semantics 2.2).

use super::*;

/// The elements that were left out: their index, and why.
fn list(
    value_type: ValueType,
    raw: &str,
) -> (Result<Taken, Failure>, String, Vec<(usize, Failure)>) {
    let (mut out, mut left_out) = (String::new(), LeftOut::default());
    let taken = converter(value_type).convert(raw.as_bytes(), &mut out, &mut left_out);
    let elements = left_out.elements().iter();
    let left = elements
        .map(|element| (element.index, element.failure))
        .collect();
    (taken, out, left)
}

/// Semantics 2.2.
#[test]
fn of_a_list_what_does_not_convert_is_left_out() {
    use Failure::{Mismatch, NotStorable, NullElement, TooLong};
    let long = format!("\"{}\"", "x".repeat(501));
    let check = |raw: &str, expected: &str, left: &[(usize, Failure)]| {
        let kept = (Ok(Taken::Value), expected.to_owned(), left.to_vec());
        assert_eq!(list(ValueType::MultiSelect, raw), kept, "{raw}");
    };
    check(r#"[ "b", "a", 1 ]"#, r#"["b","a","1"]"#, &[]);
    check(r#""a""#, r#"["a"]"#, &[]);
    check(r#"[null,"a"]"#, r#"["a"]"#, &[(0, NullElement)]);
    check(
        r#"["a",{},["b"],"c"]"#,
        r#"["a","c"]"#,
        &[(1, Mismatch), (2, Mismatch)],
    );
    check(
        r#"["\ud800","a","\u0000"]"#,
        r#"["a"]"#,
        &[(0, NotStorable), (2, NotStorable)],
    );
    check(&format!("[{long},true]"), r#"["true"]"#, &[(0, TooLong)]);
    check(r#"["", "a", " "]"#, r#"["a"]"#, &[]);
    let nothing = |raw: &str| {
        let (taken, _, left) = list(ValueType::MultiSelect, raw);
        assert_eq!(taken, Ok(Taken::Nothing), "{raw}");
        left
    };
    assert_eq!(nothing("[null,{}]"), [(0, NullElement), (1, Mismatch)]);
    assert_eq!(nothing(r#"[""]"#), []);
    assert_eq!(list(ValueType::MultiSelect, "[ ]").0, Ok(Taken::Null));
    bad(ValueType::MultiSelect, &["{}"]);
    let many = |count| format!("[{}]", vec!["1"; count].join(","));
    assert!(convert(ValueType::MultiSelect, &many(200)).is_ok());
    fails(ValueType::MultiSelect, TooLong, &[&many(201)]);
}

#[test]
fn one_list_leaves_few_lines_however_much_is_left_out() {
    let raw = format!("[\"a\"{}]", ",null".repeat(5_000));
    let (mut out, mut left_out) = (String::new(), LeftOut::default());
    let multi_select = converter(ValueType::MultiSelect);
    multi_select
        .convert(raw.as_bytes(), &mut out, &mut left_out)
        .unwrap();
    assert_eq!(out, r#"["a"]"#);
    let counts: Vec<i64> = left_out
        .elements()
        .iter()
        .map(|element| element.count)
        .collect();
    assert_eq!((counts.len(), counts.iter().sum::<i64>()), (10, 5_000));
}
