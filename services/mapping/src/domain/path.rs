//! Paths over raw JSON: a tree of their keys that finds all values in one walk, and what
//! reaches on into arrays.

use std::cmp::Ordering;
use std::ops::Range;

use weir_json::{Kind, NotJson, Raw};
use weir_values::path::{Path, Step};

/// The keys that a path begins with, and what comes from its first bracket of an array on.
pub fn split(path: &Path) -> (Vec<&str>, &[Step]) {
    let keys: Vec<&str> = path
        .steps()
        .iter()
        .map_while(|step| match step {
            Step::Key(key) => Some(&**key),
            Step::Element(_) | Step::All => None,
        })
        .collect();
    let rest = &path.steps()[keys.len()..];
    (keys, rest)
}

/// The value that steps without a [`Step::All`] lead to.
pub fn reach<'a>(mut raw: Raw<'a>, steps: &[Step]) -> Option<Raw<'a>> {
    for step in steps {
        raw = match step {
            Step::Key(key) => member(raw, key)?,
            Step::Element(index) => element(raw, *index)?,
            Step::All => return None,
        };
    }
    Some(raw)
}

/// A value that a path with `[]` in it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    pub raw: Raw<'a>,
    /// In the list as it was sent; of lists within lists, in the outermost one.
    pub index: usize,
}

/// What a path with `[]` in it leads to.
#[derive(Debug, Default)]
pub struct Reached<'a> {
    /// In order.
    pub values: Vec<Element<'a>>,
    /// It came to a list that has no elements; a null is one.
    to_empty: bool,
    /// It ended before a value somewhere.
    astray: bool,
}

/// All values that steps lead to, of which the first is [`Step::All`].
pub fn reach_all<'a>(list: Raw<'a>, steps: &[Step]) -> Reached<'a> {
    let mut reached = Reached::default();
    reached.walk_list(list, &steps[1..], None);
    reached
}

impl<'a> Reached<'a> {
    /// Whether there were lists, and nothing in any of them.
    pub fn is_empty_list(&self) -> bool {
        self.values.is_empty() && self.to_empty && !self.astray
    }

    fn walk_list(&mut self, list: Raw<'a>, steps: &[Step], outer: Option<usize>) {
        match weir_json::kind(list) {
            Ok(Kind::Null) => self.to_empty = true,
            Ok(Kind::Array) => {
                let mut at = 0;
                // What is no JSON after all leads nowhere.
                let _ = weir_json::array(list, |element| {
                    self.walk(element, steps, outer.unwrap_or(at));
                    at += 1;
                    Ok(())
                });
                self.to_empty |= at == 0;
            }
            _ => self.astray = true,
        }
    }

    fn walk(&mut self, raw: Raw<'a>, steps: &[Step], index: usize) {
        let all = steps.iter().position(|step| *step == Step::All);
        match (reach(raw, &steps[..all.unwrap_or(steps.len())]), all) {
            (None, _) => self.astray = true,
            (Some(raw), None) => self.values.push(Element { raw, index }),
            (Some(list), Some(all)) => self.walk_list(list, &steps[all + 1..], Some(index)),
        }
    }
}

/// The last of a name counts.
fn member<'a>(object: Raw<'a>, name: &str) -> Option<Raw<'a>> {
    let mut found = None;
    if weir_json::kind(object) != Ok(Kind::Object) {
        return None;
    }
    weir_json::object(object, |key, value| {
        if weir_json::text(key).is_ok_and(|key| key == name) {
            found = Some(value);
        }
        Ok(())
    })
    .ok()?;
    found
}

fn element(list: Raw<'_>, index: usize) -> Option<Raw<'_>> {
    if weir_json::kind(list) != Ok(Kind::Array) {
        return None;
    }
    let mut at = 0;
    let mut found = None;
    weir_json::array(list, |element| {
        if at == index {
            found = Some(element);
        }
        at += 1;
        Ok(())
    })
    .ok()?;
    found
}

/// Paths, arranged so that one walk over an object finds the values of all of them.
#[derive(Debug, Clone, Default)]
pub struct PathTree {
    /// By length, then by letter.
    children: Vec<Child>,
    /// By length of a name: where the children of that length begin. One entry more than the
    /// longest name has bytes, and one for what is behind it.
    starts: Vec<usize>,
    leaves: usize,
}

#[derive(Debug, Clone)]
struct Child {
    name: Box<[u8]>,
    /// The slot of a path that ends here.
    leaf: Option<usize>,
    /// Paths that go on.
    below: PathTree,
    /// The slots of this child and of everything below it: what a later duplicate replaces.
    slots: Range<usize>,
}

impl PathTree {
    /// The tree of `paths`, of a key or more each, and the slot of each path, in input order.
    pub fn new(paths: &[Vec<&str>]) -> (Self, Vec<usize>) {
        let mut slots = vec![0; paths.len()];
        let all: Vec<usize> = (0..paths.len()).collect();
        let mut next = 0;
        let tree = Self::build(paths, &all, 0, &mut next, &mut slots);
        (tree, slots)
    }

    fn build(
        paths: &[Vec<&str>],
        members: &[usize],
        depth: usize,
        next: &mut usize,
        slots: &mut [usize],
    ) -> Self {
        let mut names: Vec<&str> = members.iter().map(|index| paths[*index][depth]).collect();
        names.sort_unstable_by(|a, b| order(a.as_bytes(), b.as_bytes()));
        names.dedup();
        let start = *next;
        let mut children = Vec::with_capacity(names.len());
        for name in names {
            let named = members.iter().filter(|index| paths[**index][depth] == name);
            let (ends, goes_on): (Vec<usize>, Vec<usize>) =
                named.partition(|index| paths[**index].len() == depth + 1);
            let first = *next;
            let leaf = (!ends.is_empty()).then_some(first);
            *next += usize::from(leaf.is_some());
            for index in ends {
                slots[index] = first;
            }
            let below = Self::build(paths, &goes_on, depth + 1, next, slots);
            children.push(Child {
                name: name.as_bytes().into(),
                leaf,
                below,
                slots: first..*next,
            });
        }
        Self {
            starts: starts(&children),
            children,
            leaves: *next - start,
        }
    }

    /// Fills `found` with the raw value of every path, by slot; nothing where it is absent.
    /// Of duplicate keys the last one counts.
    ///
    /// # Errors
    /// Where `object` is not an object.
    pub fn find<'a>(
        &self,
        object: Raw<'a>,
        found: &mut Vec<Option<Raw<'a>>>,
    ) -> Result<(), NotJson> {
        found.clear();
        found.resize(self.leaves, None);
        self.walk(object, found)
    }

    fn walk<'a>(&self, object: Raw<'a>, found: &mut [Option<Raw<'a>>]) -> Result<(), NotJson> {
        weir_json::object(object, |key, value| {
            let Some(child) = self.child(key) else {
                return Ok(());
            };
            found[child.slots.clone()].fill(None);
            if let Some(slot) = child.leaf {
                found[slot] = Some(value);
            }
            if !child.below.children.is_empty() && weir_json::kind(value)? == Kind::Object {
                child.below.walk(value, found)?;
            }
            Ok(())
        })
    }

    fn child(&self, key: Raw<'_>) -> Option<&Child> {
        let search = |name: &[u8]| {
            let start = *self.starts.get(name.len())?;
            let end = *self.starts.get(name.len() + 1)?;
            let same_length = &self.children[start..end];
            same_length
                .binary_search_by(|child| (*child.name).cmp(name))
                .ok()
                .map(|index| &same_length[index])
        };
        let inner = key.get(1..key.len() - 1)?;
        if inner.contains(&b'\\') {
            search(weir_json::text(key).ok()?.as_bytes())
        } else {
            search(inner)
        }
    }
}

/// By length first: most names are told apart without looking at their letters.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Where the children of each length begin, given children in [`order`].
fn starts(children: &[Child]) -> Vec<usize> {
    let longest = children.last().map_or(0, |child| child.name.len());
    (0..=longest + 1)
        .map(|length| children.partition_point(|child| child.name.len() < length))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn find(paths: &[&str], object: &str) -> Vec<Option<String>> {
        let paths: Vec<Path> = paths.iter().map(|path| path.parse().unwrap()).collect();
        let keys: Vec<Vec<&str>> = paths.iter().map(|path| split(path).0).collect();
        let (tree, slots) = PathTree::new(&keys);
        let mut found = Vec::new();
        tree.find(object.as_bytes(), &mut found).unwrap();
        slots
            .into_iter()
            .map(|slot| found[slot].map(|raw| String::from_utf8_lossy(raw).into_owned()))
            .collect()
    }

    fn check(paths: &[&str], object: &str, expected: &[Option<&str>]) {
        let found = find(paths, object);
        let found: Vec<Option<&str>> = found.iter().map(Option::as_deref).collect();
        assert_eq!(found, expected, "{object}");
    }

    #[test]
    fn paths_reach_into_objects() {
        let paths = ["email", "address.city", "address.geo.lat", "address"];
        let object = r#"{"email":"a","x":{"city":1},"address":{"city":"b","geo":{"lat":2}}}"#;
        let address = r#"{"city":"b","geo":{"lat":2}}"#;
        check(
            &paths,
            object,
            &[Some("\"a\""), Some("\"b\""), Some("2"), Some(address)],
        );
        check(&paths, "{}", &[None, None, None, None]);
        check(
            &paths,
            r#"{"address":"home"}"#,
            &[None, None, None, Some("\"home\"")],
        );
    }

    #[test]
    fn the_last_of_duplicate_keys_counts_whole() {
        check(
            &["a.b", "a.c"],
            r#"{"a":{"b":1,"c":2},"a":{"c":3}}"#,
            &[None, Some("3")],
        );
        check(&["a.b"], r#"{"a":{"b":1},"a":null}"#, &[None]);
        check(&["a"], r#"{"a":1,"\u0061":2}"#, &[Some("2")]);
    }

    #[test]
    fn one_path_may_be_asked_for_twice() {
        check(
            &["a", "b", "a"],
            r#"{"a":1}"#,
            &[Some("1"), None, Some("1")],
        );
    }

    fn check_list(path: &str, object: &str, expected: &[(usize, &str)], is_empty: bool) {
        let path: Path = path.parse().unwrap();
        let all = path.steps().iter().position(|step| *step == Step::All);
        let (head, tail) = path.steps().split_at(all.unwrap());
        let list = reach(object.as_bytes(), head).unwrap();
        let reached = reach_all(list, tail);
        let values: Vec<_> = reached
            .values
            .iter()
            .map(|listed| (listed.index, String::from_utf8_lossy(listed.raw)))
            .collect();
        let values: Vec<_> = values.iter().map(|(at, text)| (*at, &**text)).collect();
        assert_eq!(values, expected, "{path} {object}");
        assert_eq!(reached.is_empty_list(), is_empty, "{path} {object}");
    }

    #[test]
    fn brackets_reach_into_arrays() {
        let one = |path: &str| {
            let path: Path = path.parse().unwrap();
            let cart =
                r#"{"products":[{"sku":"a","sku":"b"}, {"\u0073ku":"c","x y":[1,2]},7,null]}"#;
            reach(cart.as_bytes(), path.steps()).map(|raw| std::str::from_utf8(raw).unwrap())
        };
        assert_eq!(one("products[0].sku"), Some(r#""b""#));
        assert_eq!(one("products[1].sku"), Some(r#""c""#));
        assert_eq!(one(r#"products[1]["x y"][1]"#), Some("2"));
        assert_eq!(one("products[3]"), Some("null"));
        assert_eq!(one("products[4]"), None);
        assert_eq!(one("products.sku"), None);
        assert_eq!(one("products[]"), None);
    }

    /// Each with its index in the outermost list as it was sent.
    #[test]
    fn empty_brackets_reach_all_elements() {
        let cart = r#"{"products":[{"n":1},{"sku":"a","sku":"b"}, {"\u0073ku":"c","x y":[1,2]},7,null,{"sku":null}]}"#;
        check_list(
            "products[].sku",
            cart,
            &[(1, r#""b""#), (2, r#""c""#), (5, "null")],
            false,
        );
        check_list(r#"products[]["x y"][]"#, cart, &[(2, "1"), (2, "2")], false);
        check_list(
            r#"products[2]["x y"][]"#,
            cart,
            &[(0, "1"), (1, "2")],
            false,
        );
        check_list("products[].sku[]", cart, &[], false);
        check_list("products[]", r#"{"products":{"a":1}}"#, &[], false);
    }

    #[test]
    fn a_list_without_elements_is_told_from_one_that_leads_nowhere() {
        for (path, object, is_empty) in [
            ("a[].b", r#"{"a":[ ]}"#, true),
            ("a[].b", r#"{"a":null}"#, true),
            ("a[]", r#"{"a":null}"#, true),
            ("a[].b", r#"{"a":[{"c":1}]}"#, false),
            ("a[].b", r#"{"a":[null]}"#, false),
            ("a[].b", r#"{"a":"x"}"#, false),
            ("a[].b[]", r#"{"a":[]}"#, true),
            ("a[].b[]", r#"{"a":[{"b":[]},{"b":null}]}"#, true),
            ("a[].b[].c", r#"{"a":[{"b":[]}]}"#, true),
            ("a[].b[]", r#"{"a":[{"b":[]},{}]}"#, false),
            ("a[].b[].c", r#"{"a":[{"b":[]},{"b":[{}]}]}"#, false),
        ] {
            check_list(path, object, &[], is_empty);
        }
    }

    proptest! {
        #[test]
        fn the_walk_agrees_with_a_parsed_tree(
            paths in prop::collection::vec("[a-c](\\.[a-c]){0,2}", 1..8),
            members in prop::collection::vec(("[a-d]", "[a-d]", "[a-d]", 0..3_u8), 0..8),
        ) {
            let members: Vec<String> = members.into_iter().map(|(a, b, c, depth)| match depth {
                0 => format!("\"{a}\":1"),
                1 => format!("\"{a}\":{{\"{b}\":2}}"),
                _ => format!("\"{a}\":{{\"{b}\":{{\"{c}\":3}}}}"),
            }).collect();
            let object = format!("{{{}}}", members.join(","));
            let tree: serde_json::Value = serde_json::from_str(&object).unwrap();
            let texts: Vec<&str> = paths.iter().map(String::as_str).collect();
            let expected: Vec<Option<String>> = texts.iter().map(|path| {
                let pointer = format!("/{}", path.replace('.', "/"));
                tree.pointer(&pointer).map(ToString::to_string)
            }).collect();
            prop_assert_eq!(find(&texts, &object), expected);
        }
    }
}
