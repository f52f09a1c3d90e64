//! Answers, as tables for people and as JSON for programs.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Logs go to standard error: human on a terminal, JSON otherwise.
pub(crate) fn start_logging(verbose: bool, follows: bool, draws: bool) {
    if draws && std::io::stderr().is_terminal() {
        // A line of the log would stand in the middle of a picture.
        return;
    }
    let level = match (verbose, follows) {
        (true, _) => "info,assay=debug",
        // What a worker does is told by nobody else.
        (false, true) => "warn,assay::worker=info",
        (false, false) => "warn",
    };
    let filter = EnvFilter::try_from_env("ASSAY_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
}

/// Prints a line; a reader that went away is an error that ends the command quietly.
///
/// Nothing in it steers the terminal, whoever wrote it.
pub(crate) fn line(text: impl AsRef<str>) -> Result<()> {
    exact(&printable(text.as_ref().trim_end()))
}

/// For programs: every value as it is.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    exact(&serde_json::to_string_pretty(value)?)
}

fn exact(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// A table without lines: columns, and numbers to the right.
pub(crate) struct Grid {
    table: Table,
    right: Vec<usize>,
}

impl Grid {
    /// Columns whose names end in `#` hold numbers.
    pub(crate) fn new(columns: &[&str]) -> Grid {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(columns.iter().map(|name| name.trim_end_matches('#').to_uppercase()));
        let right = (0..columns.len()).filter(|i| columns[*i].ends_with('#')).collect();
        Grid { table, right }
    }

    pub(crate) fn row<T: std::fmt::Display>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.table.add_row(cells.into_iter().map(|cell| printable(&cell.to_string())));
    }

    pub(crate) fn print(mut self) -> Result<()> {
        for index in &self.right {
            if let Some(column) = self.table.column_mut(*index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for text in self.table.lines() {
            line(text)?;
        }
        Ok(())
    }
}

/// Text from data, without what would command the terminal.
pub(crate) fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(plain).collect()
}

/// 1234567 as 1,234,567.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many of what is named in the singular: `1 letter`, `2,000 letters`.
pub(crate) fn counted(count: u64, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {one}{ending}", number(count))
}

pub(crate) fn bytes(value: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let value = value as f64;
    match value {
        v if v >= 1e9 => format!("{:.1} GB", v / 1e9),
        v if v >= 1e6 => format!("{:.1} MB", v / 1e6),
        v if v >= 1e3 => format!("{:.1} kB", v / 1e3),
        v => format!("{v} B"),
    }
}

pub(crate) fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

pub(crate) fn score(score: Option<f64>) -> String {
    score.map_or_else(|| "–".to_owned(), |score| format!("{score:.2}"))
}

/// At most `width` characters, with a sign that there was more.
pub(crate) fn short(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::{bytes, counted, number, printable, short};

    #[test]
    fn data_can_t_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc"), "a\u{fffd}[31mb\nc");
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(counted(1, "letter"), "1 letter");
        assert_eq!(counted(0, "letter"), "0 letters");
        assert_eq!(counted(2_000, "row"), "2,000 rows");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(20_480_000), "20.5 MB");
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short("äöü", 3), "äöü");
    }
}
