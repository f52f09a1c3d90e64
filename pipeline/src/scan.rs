//! Walks over JSON text byte by byte; what nobody wants is checked and skipped without being taken
//! apart.

/// Reads one JSON text. Whatever is not plain (an escape in a key, a text that is no JSON) it leaves
/// to a parser that can also say what is wrong: its answer is then none.
pub(crate) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// The maps and lists around a value that is skipped.
    around: Vec<u8>,
    deepest: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, bytes: text.as_bytes(), at: 0, around: Vec::new(), deepest: 0 }
    }

    /// The byte that is read next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text from `start` to before what is read next.
    pub(crate) fn since(&self, start: usize) -> Option<&'t str> {
        self.text.get(start..self.at)
    }

    /// Whether nothing but space is left.
    pub(crate) fn ended(&mut self) -> bool {
        self.space();
        self.at == self.bytes.len()
    }

    /// How many maps and lists were in each other, of the values that were skipped.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// Goes into a map; whether it has members.
    pub(crate) fn open(&mut self) -> bool {
        self.at += 1;
        self.space();
        !self.taken(b'}')
    }

    /// Goes behind a member; whether there is another one.
    pub(crate) fn another(&mut self) -> Option<bool> {
        self.space();
        let more = match self.peek()? {
            b',' => true,
            b'}' => false,
            _ => return None,
        };
        self.at += 1;
        self.space();
        Some(more)
    }

    /// Checks one value and goes behind it, however deep it is.
    pub(crate) fn skip(&mut self) -> Option<()> {
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
                        self.enter(b'}');
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if !self.taken(b']') {
                        self.enter(b']');
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
    pub(crate) fn key(&mut self) -> Option<&'t [u8]> {
        let start = self.at + 1;
        if self.peek()? != b'"' || !self.string()? {
            return None;
        }
        let key = &self.bytes[start..self.at - 1];
        self.space();
        self.taken(b':').then_some(key)
    }

    /// Goes behind a string; whether it is as it stands there, without escapes.
    pub(crate) fn string(&mut self) -> Option<bool> {
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

    pub(crate) fn number(&mut self) -> Option<()> {
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

    fn enter(&mut self, end: u8) {
        self.around.push(end);
        self.deepest = self.deepest.max(self.around.len());
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    pub(crate) fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    pub(crate) fn space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn taken(&mut self, byte: u8) -> bool {
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

    use super::special;

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(special(&bytes, 0), first.unwrap_or(bytes.len()));
        }
    }
}
