//! Whether a text is written as a format asks for.

use std::net::{Ipv4Addr, Ipv6Addr};

use assay_core::TextFormat;
use chrono::{DateTime, NaiveDate};

/// Answers as the rule of a contract does that asks for the format.
pub fn is_written_as(text: &str, format: TextFormat) -> bool {
    match format {
        TextFormat::Uuid => uuid(text.as_bytes()),
        TextFormat::Email => email(text),
        TextFormat::Uri => uri(text),
        TextFormat::Hostname => hostname(text),
        TextFormat::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
        TextFormat::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
        TextFormat::Date => date(text),
        TextFormat::Timestamp => DateTime::parse_from_rfc3339(text).is_ok(),
    }
}

/// Five groups of hexadecimal digits, as RFC 9562 writes them, in either case.
fn uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A local part and a domain of at least two labels. Quoted local parts and addresses in brackets,
/// which the standard has, are taken for mistakes.
fn email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c) || is_letter_abroad(c)
    };
    let atom = |atom: &str| !atom.is_empty() && atom.chars().all(plain);
    local.len() <= 64 && local.split('.').all(atom) && domain.contains('.') && hostname(domain)
}

/// Labels of letters, digits and hyphens, with dots between them.
fn hostname(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || is_letter_abroad(c);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(plain)
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_letter_abroad(c: char) -> bool {
    !c.is_ascii() && c.is_alphanumeric()
}

/// A scheme and what RFC 3986 lets follow; after `//` of http there is a host.
fn uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !starts || !goes_on || rest.is_empty() || rest.matches('#').count() > 1 {
        return false;
    }
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        let host = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next());
        let Some(Some(authority)) = host else { return false };
        let host = authority.rsplit('@').next().unwrap_or_default();
        if host.is_empty() || host.starts_with(':') {
            return false;
        }
    }
    let bytes = rest.as_bytes();
    let hex = |place: usize| bytes.get(place).is_some_and(u8::is_ascii_hexdigit);
    bytes.iter().enumerate().all(|(place, byte)| match byte {
        b'%' => hex(place + 1) && hex(place + 2),
        _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    })
}

/// Year, month and day that the calendar has.
fn date(text: &str) -> bool {
    let shape = text.len() == 10 && text.is_ascii();
    shape && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok_and(|day| day.to_string() == text)
}

#[cfg(test)]
mod tests {
    use assay_core::TextFormat;

    use super::is_written_as;

    #[test]
    fn what_a_format_takes_and_what_not() {
        let cases = [
            (
                TextFormat::Uuid,
                "550e8400-e29b-41d4-a716-446655440000 F47AC10B-58CC-4372-A567-0E02B2C3D479",
                "550e8400e29b41d4a716446655440000 550e8400-e29b-41d4-a716-44665544000g \
                 {550e8400-e29b-41d4-a716-446655440000} 550e8400-e29b-41d4-a716-4466554400000",
            ),
            (
                TextFormat::Email,
                "a@b.vn first.last+tag@sub.example.com x_y@1-2.co đường@ví-dụ.vn",
                "a a@b @b.vn a@ a..b@c.vn .a@b.vn a@b..vn a@-b.vn a@b.vn. a,b@c.vn a@b@c",
            ),
            (
                TextFormat::Uri,
                "https://example.com/a?b=c#d urn:isbn:0451450523 mailto:a@b.vn \
                 http://[::1]:80/ ftp://x/%20",
                "example.com /a/b http: http:///a https://:80 1http://x http://a%2 http://a%zz \
                 http://ví.vn http://a|b a:b#c#d",
            ),
            (TextFormat::Hostname, "a a.b-c.vn xn--bcher-kva.example", "-a a- a..b . a_b"),
            (TextFormat::Ipv4, "0.0.0.0 192.168.1.255", "1.2.3 1.2.3.256 01.2.3.4 1.2.3.4.5"),
            (TextFormat::Ipv6, ":: ::1 2001:db8::ff00:42:8329", "1 :::1 2001:db8::1::2 ::g"),
            (
                TextFormat::Date,
                "2026-02-28 2024-02-29",
                "2026-02-29 2026-2-28 26-02-28 2026-02-28Z 2026/02/28 +2026-2-28",
            ),
            (
                TextFormat::Timestamp,
                "2026-02-12T10:00:00Z 2026-02-12T10:00:00.123456+07:00",
                "2026-02-12 2026-02-12T10:00:00 2026-02-30T10:00:00Z 2026-02-12T25:00:00Z now",
            ),
        ];
        for (format, good, bad) in cases {
            for text in good.split_whitespace() {
                assert!(is_written_as(text, format), "{text} is {}", format.name());
            }
            for text in bad.split_whitespace().chain([""]) {
                assert!(!is_written_as(text, format), "{text} is not {}", format.name());
            }
        }
        assert!(!is_written_as("http://a b", TextFormat::Uri));
        assert!(!is_written_as("a @b.vn", TextFormat::Email));
    }
}
