//! An activity's attributes while somebody works at them, as the form of its page says them.

use super::Form;
use super::draft::with_options;
use super::model::Row;

/// A row of an activity's form. It keeps its number as long as somebody works at the form, whatever
/// becomes of the others: buttons and parts that are shown anew name it by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    pub number: usize,
    /// Its path may be empty.
    pub row: Row,
}

/// With numbers from 0 on.
pub fn numbered(rows: &[Row]) -> Vec<Numbered> {
    let rows = rows.iter().cloned().enumerate();
    rows.map(|(number, row)| Numbered { number, row }).collect()
}

/// Behind all that are there.
pub fn push(lines: &mut Vec<Numbered>, row: Row) {
    let last = lines.iter().map(|line| line.number).max();
    let number = last.map_or(0, |last| last + 1);
    lines.push(Numbered { number, row });
}

/// What is saved of them: those that name a property.
pub fn attributes(lines: &[Numbered]) -> Vec<Row> {
    let rows = lines.iter().map(|line| &line.row);
    rows.filter(|row| !row.path.is_empty()).cloned().collect()
}

/// The rows of an activity's form, blank ones too: one for each number behind `property:`, without
/// that which is taken away.
pub fn attribute_lines(form: &Form) -> Vec<Numbered> {
    let numbers = form.behind("property:").into_iter();
    let numbers = numbers.filter_map(|number| number.parse().ok());
    let dropped = form.get("do").strip_prefix("drop:");
    let dropped: Option<usize> = dropped.and_then(|number| number.parse().ok());
    let kept = numbers.filter(|number| Some(*number) != dropped);
    kept.map(|number| Numbered {
        number,
        row: attribute_row(form, number),
    })
    .collect()
}

fn attribute_row(form: &Form, number: usize) -> Row {
    let named = |name: &str| format!("{name}:{number}");
    let path = form.get(&named("property"));
    let attribute = form.get(&named("attribute"));
    // Named like its property, where nothing else is said.
    let attribute = if attribute.is_empty() {
        path
    } else {
        attribute
    };
    Row {
        of: weir_values::ValueType::named(form.get(&named("type"))),
        ..with_options(Row::new(path, attribute), form, &number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use weir_values::ValueType;

    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Form::of(pairs.collect())
    }

    #[test]
    fn attributes_are_read_from_their_form() {
        let form = form(&[
            ("property:0", "cart.total"),
            ("attribute:0", "total"),
            ("type:0", "currency"),
            ("round:0", "1"),
            ("property:1", ""),
            ("property:2", "items"),
            ("type:2", "integer"),
            ("property:x", "of nobody"),
        ]);
        let rows = attributes(&attribute_lines(&form));
        assert_eq!(rows.len(), 2);
        assert!(rows[0].round);
        assert_eq!(rows[0].of, Some(ValueType::Currency));
        assert_eq!(rows[1].target, "items");
    }

    #[test]
    fn the_attribute_goes_whose_button_it_is() {
        let form = form(&[
            ("property:0", ""),
            ("property:1", "first"),
            ("property:2", "second"),
            ("do", "drop:1"),
        ]);
        let mut lines = attribute_lines(&form);
        let left = attributes(&lines);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].path, "second");
        // Numbers stay, and a new one is nobody's.
        push(&mut lines, Row::new("third", "third"));
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [0, 2, 3]);
    }
}
