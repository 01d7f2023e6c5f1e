//! Paths into objects (`address.city`), and a tree of them that finds all in one walk.

use std::cmp::Ordering;
use std::ops::Range;
use std::str::FromStr;

use super::json::{self, Kind, NotJson, Raw};

/// Longer or deeper paths are refused when a mapping is saved: traits are not that deep.
const MAX_LENGTH: usize = 200;
const MAX_DEPTH: usize = 8;

/// A path of one to eight names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Box<str>);

/// A text that is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path such as email or address.city, at most 200 characters and 8 names long")]
pub struct InvalidPath;

impl FromStr for Path {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let names = text.split('.');
        if text.chars().count() > MAX_LENGTH
            || names.clone().count() > MAX_DEPTH
            || names.clone().any(|name| name.trim().is_empty())
            || text.contains('\0')
        {
            return Err(InvalidPath);
        }
        Ok(Self(text.into()))
    }
}

impl Path {
    pub fn as_str(&self) -> &str {
        &self.0
    }
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
    /// The tree of `paths`, and the slot of each path, in input order.
    pub fn new(paths: &[&Path]) -> (Self, Vec<usize>) {
        let split: Vec<Vec<&str>> = paths
            .iter()
            .map(|path| path.0.split('.').collect())
            .collect();
        let mut slots = vec![0; paths.len()];
        let all: Vec<usize> = (0..paths.len()).collect();
        let mut next = 0;
        let tree = Self::build(&split, &all, 0, &mut next, &mut slots);
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
        json::object(object, |key, value| {
            let Some(child) = self.child(key) else {
                return Ok(());
            };
            found[child.slots.clone()].fill(None);
            if let Some(slot) = child.leaf {
                found[slot] = Some(value);
            }
            if !child.below.children.is_empty() && json::kind(value)? == Kind::Object {
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
            search(json::text(key).ok()?.as_bytes())
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
        let (tree, slots) = PathTree::new(&paths.iter().collect::<Vec<_>>());
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

    #[test]
    fn texts_that_are_no_paths_are_refused() {
        let long = "a".repeat(201);
        for text in [
            "",
            ".",
            "a..b",
            "a.",
            ".a",
            " . ",
            "a.b.c.d.e.f.g.h.i",
            &long,
        ] {
            assert_eq!(text.parse::<Path>(), Err(InvalidPath), "{text}");
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
