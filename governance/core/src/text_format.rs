use serde::{Deserialize, Serialize};

/// How a text is written, as `format` of a string says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextFormat {
    Uuid,
    Email,
    Uri,
    Hostname,
    Ipv4,
    Ipv6,
    Date,
    /// A date, a time and an offset, as RFC 3339 writes them.
    Timestamp,
}

impl TextFormat {
    pub const ALL: [TextFormat; 8] = [
        TextFormat::Uuid,
        TextFormat::Email,
        TextFormat::Uri,
        TextFormat::Hostname,
        TextFormat::Ipv4,
        TextFormat::Ipv6,
        TextFormat::Date,
        TextFormat::Timestamp,
    ];

    pub fn name(self) -> &'static str {
        match self {
            TextFormat::Uuid => "uuid",
            TextFormat::Email => "email",
            TextFormat::Uri => "uri",
            TextFormat::Hostname => "hostname",
            TextFormat::Ipv4 => "ipv4",
            TextFormat::Ipv6 => "ipv6",
            TextFormat::Date => "date",
            TextFormat::Timestamp => "timestamp",
        }
    }

    /// The format of that name; `date-time` is what JSON Schema calls a timestamp.
    pub fn of(name: &str) -> Option<TextFormat> {
        let same = |format: &TextFormat| name.eq_ignore_ascii_case(format.name());
        let alias = name.eq_ignore_ascii_case("date-time").then_some(TextFormat::Timestamp);
        TextFormat::ALL.into_iter().find(same).or(alias)
    }
}
