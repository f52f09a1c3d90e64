//! Walks over JSON text byte by byte and stops only where a path leads; what no path wants is
//! checked and skipped without being taken apart.

use std::borrow::Cow;

use super::json::{Leaf, Node};

/// Reads one JSON text. Whatever is not plain (an escape in a key, a number with a fraction, a
/// value where a map should be, a text that is no JSON) it leaves to the parser that can also say
/// what is wrong: its answer is then none.
pub(super) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// The maps and lists around a value that is skipped.
    around: Vec<u8>,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, bytes: text.as_bytes(), at: 0, around: Vec::new() }
    }

    /// Fills in the values at the paths below `root`, if the text is one plain JSON value.
    pub(super) fn find(mut self, root: &Node, leaves: &mut [Leaf<'t>]) -> Option<()> {
        self.walk(root, leaves)?;
        self.space();
        (self.at == self.bytes.len()).then_some(())
    }

    /// Checks that the text is one object.
    pub(super) fn object(mut self) -> Option<()> {
        self.space();
        (self.peek()? == b'{').then(|| self.skip())??;
        self.space();
        (self.at == self.bytes.len()).then_some(())
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
        self.at += 1;
        self.space();
        if self.taken(b'}') {
            return Some(());
        }
        loop {
            let key = self.key()?;
            match node.children.iter().find(|(name, _)| name.as_bytes() == key) {
                Some((_, child)) => self.walk(child, leaves)?,
                None => self.skip()?,
            }
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
            self.space();
        }
    }

    fn leaf(&mut self) -> Option<Leaf<'t>> {
        let start = self.at;
        Some(match self.peek()? {
            b'"' => {
                let plain = self.string()?;
                let text = self.text.get(start..self.at)?;
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
                let text = self.text.get(start..self.at)?;
                // Longer ones may not fit, and `-0` is no whole number to the parser.
                let short = text.len() <= 18 && text != "-0";
                Leaf::Whole(text.parse().ok().filter(|_| short)?)
            }
        })
    }

    /// Checks one value and goes behind it, however deep it is.
    fn skip(&mut self) -> Option<()> {
        self.around.clear();
        loop {
            self.space();
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' => {
                    self.at += 1;
                    self.space();
                    if !self.taken(b'}') {
                        self.key()?;
                        self.around.push(b'}');
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if !self.taken(b']') {
                        self.around.push(b']');
                        continue;
                    }
                }
                b'n' => self.word(b"null")?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                _ => self.number()?,
            }
            // Behind a value: the next one, or the end of what is around it.
            loop {
                let Some(end) = self.around.last().copied() else { return Some(()) };
                self.space();
                let found = self.peek()?;
                self.at += 1;
                if found == end {
                    self.around.pop();
                } else if found == b',' {
                    if end == b'}' {
                        self.space();
                        self.key()?;
                    }
                    break;
                } else {
                    return None;
                }
            }
        }
    }

    /// A key without escapes, and the colon behind it.
    fn key(&mut self) -> Option<&'t [u8]> {
        let start = self.at + 1;
        if self.peek()? != b'"' || !self.string()? {
            return None;
        }
        let key = &self.bytes[start..self.at - 1];
        self.space();
        self.taken(b':').then_some(key)
    }

    /// Goes behind a string; whether it is as it stands there, without escapes.
    fn string(&mut self) -> Option<bool> {
        let mut plain = true;
        self.at += 1;
        loop {
            self.at = special(self.bytes, self.at);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(plain);
                }
                b'\\' => {
                    plain = false;
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.bytes.get(self.at + 1..self.at + 5)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.taken(b'-');
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.taken(b'.') {
            self.peek().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        if self.taken(b'e') || self.taken(b'E') {
            let _ = self.taken(b'+') || self.taken(b'-');
            self.peek().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        Some(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn taken(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }
}

/// The first place from `at` on with a quote, a backslash or a control character, or the end.
/// Looks at eight bytes at a time.
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let none = |word: u64| word.wrapping_sub(ONES) & !word;
    while let Some(eight) = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()) {
        let word = u64::from_le_bytes(eight);
        let quote = none(word ^ (ONES * b'"' as u64));
        let backslash = none(word ^ (ONES * b'\\' as u64));
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        // What is found behind the first may be mistaken, the first is not.
        let found = (quote | backslash | control) & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default().iter();
    at + rest.take_while(|byte| !matches!(**byte, b'"' | b'\\' | 0..0x20)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json::Paths;
    use super::special;

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

        #[test]
        fn the_first_special_byte_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(special(&bytes, 0), first.unwrap_or(bytes.len()));
        }
    }
}
