//! Which trace something is part of, as W3C Trace Context writes it in headers.

use serde::{Deserialize, Serialize};

/// Names of the headers, in HTTP and in records of the log alike.
pub const TRACEPARENT: &str = "traceparent";
pub const TRACESTATE: &str = "tracestate";

/// What `tracestate` may have at most; a longer one is left out, which the standard allows.
const LONGEST_STATE: usize = 512;

/// A place in a trace, to be handed on to whoever goes on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl TraceContext {
    /// Reads it from headers. One that is not as the standard says is as good as none: it comes
    /// from outside, and nothing depends on it.
    pub fn read<'h>(header: impl Fn(&str) -> Option<&'h [u8]>) -> Option<TraceContext> {
        let text = |name: &str| std::str::from_utf8(header(name)?).ok().map(str::trim);
        let traceparent = text(TRACEPARENT).filter(|text| well_formed(text))?.to_owned();
        let plain = |text: &&str| {
            let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            !text.is_empty() && text.len() <= LONGEST_STATE && printable
        };
        let tracestate = text(TRACESTATE).filter(plain).map(str::to_owned);
        Some(TraceContext { traceparent, tracestate })
    }

    /// The place of a span, by its ids.
    pub fn of(trace: [u8; 16], span: [u8; 8], flags: u8, state: Option<String>) -> TraceContext {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let traceparent = format!("00-{}-{}-{flags:02x}", hex(&trace), hex(&span));
        TraceContext { traceparent, tracestate: state.filter(|state| !state.is_empty()) }
    }

    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The headers that hand it on.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.tracestate().map(|state| (TRACESTATE, state));
        std::iter::once((TRACEPARENT, self.traceparent())).chain(state)
    }

    /// Trace, span and flags, each in hexadecimal digits.
    pub fn parts(&self) -> Option<(&str, &str, &str)> {
        let mut parts = self.traceparent.split('-').skip(1);
        Some((parts.next()?, parts.next()?, parts.next()?))
    }
}

/// `VERSION-TRACE-SPAN-FLAGS`. Versions to come may have more behind it.
fn well_formed(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut hex = |length: usize| {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        parts.next().filter(|part| part.len() == length && part.bytes().all(digit))
    };
    let (Some(version), Some(trace), Some(span), Some(_)) = (hex(2), hex(32), hex(16), hex(2))
    else {
        return false;
    };
    let some = |id: &str| id.bytes().any(|byte| byte != b'0');
    let whole = parts.next().is_none();
    version != "ff" && (whole || version != "00") && some(trace) && some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn read(parent: &str, state: Option<&str>) -> Option<TraceContext> {
        TraceContext::read(|name| match name {
            TRACEPARENT => Some(parent.as_bytes()),
            _ => state.map(str::as_bytes),
        })
    }

    #[test]
    fn what_the_standard_allows_is_read_and_handed_on_as_it_was() {
        let context = read(GOOD, Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")).unwrap();
        let headers: Vec<_> = context.headers().collect();
        let state = (TRACESTATE, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE");
        assert_eq!(headers, [(TRACEPARENT, GOOD), state]);
        let parts = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "01");
        assert_eq!(context.parts(), Some(parts));
        let newer = format!("cc-{}-what-comes", &GOOD[3..]);
        assert_eq!(read(&newer, None).unwrap().parts(), Some(parts));
        let made = TraceContext::of([0x4b; 16], [7; 8], 1, Some(String::new()));
        assert_eq!(read(made.traceparent(), None), Some(made));
    }

    #[test]
    fn anything_else_is_as_good_as_none() {
        for odd in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(read(odd, None), None, "{odd}");
        }
        for state in ["a\u{7}b".to_owned(), "x".repeat(513), String::new()] {
            assert_eq!(read(GOOD, Some(&state)).unwrap().tracestate(), None);
        }
        assert_eq!(TraceContext::read(|_| Some(b"\xff\xfe")), None);
    }
}
