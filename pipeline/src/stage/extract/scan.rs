//! Follows paths through JSON text; what no path wants is skipped without being taken apart.

use std::borrow::Cow;

use super::json::{Leaf, Node};
use crate::scan::Scanner;

/// A value where a map should be, or a number that is too large, it leaves to the parser that can
/// also say what is wrong: its answer is then none.
impl<'t> Scanner<'t> {
    /// Fills in the values at the paths below `root`, if the text is one plain JSON value.
    pub(super) fn find(mut self, root: &Node, leaves: &mut [Leaf<'t>]) -> Option<()> {
        self.walk(root, leaves)?;
        self.ended().then_some(())
    }

    /// Checks that the text is one object.
    pub(super) fn object(mut self) -> Option<()> {
        self.space();
        (self.peek()? == b'{').then(|| self.skip())??;
        self.ended().then_some(())
    }

    fn walk(&mut self, node: &Node, leaves: &mut [Leaf<'t>]) -> Option<()> {
        self.space();
        if let Some(end) = node.end {
            leaves[end] = self.leaf()?;
            return Some(());
        }
        match self.peek()? {
            b'{' => self.members(node, leaves),
            // Nothing is a map that has nothing in it.
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn members(&mut self, node: &Node, leaves: &mut [Leaf<'t>]) -> Option<()> {
        let mut more = self.open();
        while more {
            let key = self.key()?;
            match node.children.iter().find(|(name, _)| name.as_bytes() == key) {
                Some((_, child)) => self.walk(child, leaves)?,
                None => self.skip()?,
            }
            more = self.another()?;
        }
        Some(())
    }

    fn leaf(&mut self) -> Option<Leaf<'t>> {
        let start = self.at();
        Some(match self.peek()? {
            b'"' => {
                let plain = self.string()?;
                let text = self.since(start)?;
                match plain {
                    true => Leaf::Text(Cow::Borrowed(text.get(1..text.len() - 1)?)),
                    false => Leaf::Text(Cow::Owned(serde_json::from_str(text).ok()?)),
                }
            }
            b'n' => self.word(b"null").map(|()| Leaf::Null)?,
            b't' => self.word(b"true").map(|()| Leaf::Boolean(true))?,
            b'f' => self.word(b"false").map(|()| Leaf::Boolean(false))?,
            b'{' => self.skip().map(|()| Leaf::Map)?,
            b'[' => self.skip().map(|()| Leaf::List)?,
            _ => {
                self.number()?;
                Leaf::number(self.since(start)?)?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json::Paths;

    fn json() -> impl Strategy<Value = String> {
        let key = prop::sample::select(vec!["a", "b", "n", "x", "\\u0061", "ключ", ""]);
        let plain = prop::sample::select(vec![
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-7",
            "12345678901234567890",
            "1.5",
            "-2e3",
            "1e999",
            "1.005",
            "-0.004E+1",
            "9223372036854775807",
            "\"\"",
            "\"text\"",
            "\"a\\\"b\\\\\"",
            "\"\\u00e9 \\ud83d\"",
            "\"\\ud83d\\ude80\"",
            "\"đăng nhập, a longer text than eight bytes\"",
            "[]",
            "{}",
            " [ ] ",
        ]);
        let leaf = plain.prop_map(str::to_owned);
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let member = (key.clone(), inner.clone()).prop_map(|(k, v)| format!("\"{k}\": {v}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(" ,"))),
                prop::collection::vec(member, 0..6)
                    .prop_map(|all| format!("{{{}}}", all.join(","))),
            ]
        })
    }

    fn paths() -> Paths {
        let mut paths = Paths::default();
        for (place, path) in ["a", "b.a", "b.n", "n.b.x"].into_iter().enumerate() {
            paths.add(path, place).unwrap();
        }
        paths
    }

    proptest! {
        #[test]
        fn the_scanner_finds_what_the_parser_finds(text in json()) {
            prop_assert_eq!(paths().find(&text), paths().parse(&text));
        }

        #[test]
        fn what_is_damaged_is_refused_as_by_the_parser(
            text in json(),
            cut in any::<prop::sample::Index>(),
            put in "[\\PC\\x00-\\x1f\"\\\\]{0,2}",
        ) {
            let mut damaged: String = text;
            let place = cut.index(damaged.len());
            if damaged.is_char_boundary(place) && damaged.is_char_boundary(place + 1) {
                damaged.replace_range(place..place + 1, &put);
            }
            prop_assert_eq!(paths().find(&damaged), paths().parse(&damaged));
        }
    }
}
