//! Which forms all texts of a column have.

use assay_core::TextFormat;
use assay_quality::is_written_as;

use super::sniff;

/// The formats that say something, in the order in which they are taken: of host names any word is
/// one.
const FORMATS: [TextFormat; 7] = [
    TextFormat::Uuid,
    TextFormat::Email,
    TextFormat::Ipv4,
    TextFormat::Ipv6,
    TextFormat::Date,
    TextFormat::Timestamp,
    TextFormat::Uri,
];

/// The formats and the form of a time that no text has missed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forms {
    formats: [bool; FORMATS.len()],
    time: bool,
}

impl Default for Forms {
    fn default() -> Forms {
        Forms { formats: [true; FORMATS.len()], time: true }
    }
}

impl Forms {
    pub(super) fn see(&mut self, text: &str) {
        for (format, holds) in FORMATS.into_iter().zip(&mut self.formats) {
            *holds = *holds && has(text, format);
        }
        self.time = self.time && sniff::time(text);
    }

    pub(super) fn format(&self) -> Option<TextFormat> {
        let found = FORMATS.into_iter().zip(self.formats).find(|(_, holds)| *holds);
        found.map(|(format, _)| format)
    }

    /// Whether all are times, though not as the format wants them.
    pub(super) fn time(&self) -> bool {
        self.time
    }
}

fn has(text: &str, format: TextFormat) -> bool {
    // Much that has a colon would be one of the others.
    (format != TextFormat::Uri || text.contains("://")) && is_written_as(text, format)
}
