//! What letters have in common that died of the same: forty thousand letters are three causes.

use twox_hash::XxHash3_128;

use assay_store::LetterCause;

use crate::LetterView;

/// Describes what a letter died of. Equal descriptions have the same fingerprint.
pub(crate) fn of(letter: &LetterView) -> LetterCause {
    let text = |value: Option<String>| value;
    let mut cause = LetterCause {
        fingerprint: String::new(),
        topic: letter.at.topic.clone(),
        dialect: letter.dialect.name().to_owned(),
        stage: text(letter.stage.as_ref().map(ToString::to_string)),
        dataset: letter.dataset.as_ref().map(ToString::to_string),
        reason: letter.reason.map(|reason| reason.name().to_owned()),
        rules: letter.rules.clone(),
        class: letter.class.clone(),
        wrote: letter.wrote.clone(),
        detail: letter.detail.as_deref().map(alike),
    };
    cause.fingerprint = fingerprint(&cause);
    cause
}

fn fingerprint(cause: &LetterCause) -> String {
    let mut hasher = XxHash3_128::new();
    let parts = [
        Some(&cause.topic),
        Some(&cause.dialect),
        cause.stage.as_ref(),
        cause.dataset.as_ref(),
        cause.reason.as_ref(),
        cause.class.as_ref(),
        cause.wrote.as_ref(),
        cause.detail.as_ref(),
    ];
    for part in parts.into_iter().chain(cause.rules.iter().map(Some)) {
        hasher.write(part.map_or("\u{1}", |part| part).as_bytes());
        hasher.write(&[0]);
    }
    format!("{:016x}", hasher.finish_128() >> 64)
}

/// A message without what differs from one letter to the next: numbers, ids, quoted values, and
/// where in a file it was.
fn alike(detail: &str) -> String {
    let detail = match detail.rfind(" (line ") {
        Some(at) => &detail[..at],
        None => detail,
    };
    let mut text = String::with_capacity(detail.len());
    let mut word = String::new();
    let mut quoted: Option<char> = None;
    for c in detail.chars().take(400).chain([' ']) {
        if let Some(end) = quoted {
            if c == end {
                text.push('…');
                text.push(c);
                quoted = None;
            }
            continue;
        }
        if c.is_alphanumeric() || c == '-' || c == '_' {
            word.push(c);
            continue;
        }
        text.push_str(&alike_word(&word));
        word.clear();
        text.push(c);
        if c == '"' {
            quoted = Some(c);
        }
    }
    text.trim_end().to_owned()
}

/// A word without its numbers; one that is an id is not told from another.
fn alike_word(word: &str) -> String {
    let hex = word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if hex && word.len() >= 16 && word.chars().any(|c| c.is_ascii_digit()) {
        return "#".to_owned();
    }
    let mut text = String::with_capacity(word.len());
    for c in word.chars() {
        match c.is_ascii_digit() {
            true if text.ends_with('#') => {}
            true => text.push('#'),
            false => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn what_differs_from_letter_to_letter_is_not_part_of_the_cause() {
        for (one, other) in [
            ("no JSON: EOF (byte 17)", "no JSON: EOF (byte 4021)"),
            (
                "a field is missing (line 3 of a.jsonl, byte 9)",
                "a field is missing (line 8 of b.gz, byte 1)",
            ),
            (
                "bad id 5b6a0c1e-7f0d-5f4c-9a51-d0f43c2b8e17",
                "bad id 9f6a0c1e-7f0d-5f4c-9a51-d0f43c2b8e17",
            ),
            ("cannot parse \"Anna\": x", "cannot parse \"Bo\": x"),
        ] {
            assert_eq!(alike(one), alike(other));
        }
        assert_ne!(alike("broke a.not_null of t"), alike("broke b.not_null of t"));
        assert_eq!(alike("broke a.not_null of t"), "broke a.not_null of t");
    }
}
