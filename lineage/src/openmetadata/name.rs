//! Names as OpenMetadata takes them, and the names that it puts together from them.

use sha2::{Digest, Sha256};

/// The longest name, in units of UTF-16, as its server counts.
const LONGEST: usize = 256;

/// A name that the server takes. One that has to be changed ends in a part of its hash, so that no
/// two become one.
pub(crate) fn clean(name: &str) -> String {
    let mut clean: String = name
        .chars()
        .map(|c| match c {
            '"' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    while clean.contains("::") {
        clean = clean.replace("::", ":_");
    }
    let clean = clean.trim();
    if clean == name && !clean.is_empty() && clean.encode_utf16().count() <= LONGEST {
        return name.to_owned();
    }
    let hash = Sha256::digest(name.as_bytes());
    let end: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let (mut kept, mut units) = (String::new(), 0);
    for c in clean.chars() {
        units += c.len_utf16();
        if units > LONGEST - end.len() - 1 {
            break;
        }
        kept.push(c);
    }
    format!("{kept}_{end}")
}

/// One part of a full name: with a dot in it, it stands in quotation marks.
pub(crate) fn quoted(part: &str) -> String {
    if part.contains('.') { format!("\"{part}\"") } else { part.to_owned() }
}

/// The full name of what `parts` lead to.
pub(crate) fn full<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// A full name in a path.
pub(crate) fn in_path(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Whether a name can stand in the link of a test case: the server's own rule is letters, digits
/// and a few signs.
pub(crate) fn fits_a_link(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "_'- .&/:+\"\\()$#%".contains(c);
    !name.is_empty() && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_dotted_part_is_quoted_and_a_path_holds_nothing_but_plain_signs() {
        assert_eq!(
            full(["lake", "warehouse", "silver", "orders.v1"]),
            "lake.warehouse.silver.\"orders.v1\""
        );
        assert_eq!(in_path("lake.\"orders.v1\""), "lake.%22orders.v1%22");
        assert_eq!(in_path("a/b=1"), "a%2Fb%3D1");
        assert_eq!(in_path("Bestände 2026"), "Best%C3%A4nde%202026");
    }

    #[test]
    fn a_good_name_stays_and_two_bad_ones_stay_two() {
        for good in ["orders", "orders.v1", "a/b=1", "Bestände 2026", "🦀 crabs"] {
            assert_eq!(clean(good), good);
        }
        let long = "n".repeat(300);
        assert_eq!(clean(&long).len(), 256);
        assert_ne!(clean(&long), clean(&"n".repeat(301)));
        assert_ne!(clean("a\"b"), clean("a'b"));
        assert!(!clean("a::b").contains("::"));
        assert!(!clean("").is_empty());
    }

    proptest! {
        #[test]
        fn whatever_a_name_is_it_becomes_one_that_the_server_takes(name in ".{0,400}") {
            let clean = clean(&name);
            prop_assert!(!clean.contains("::") && !clean.contains('"') && !clean.is_empty());
            prop_assert!(clean.encode_utf16().count() <= LONGEST);
            prop_assert!(!clean.chars().any(char::is_control));
            prop_assert_eq!(super::clean(&clean), clean);
        }
    }
}
