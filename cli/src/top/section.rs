use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::output::{printable, short};

/// Rows below a head, in columns.
pub(super) struct Section {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Row>,
    /// What stands there when there are no rows.
    pub(super) none: &'static str,
    /// So many rows are scrolled away.
    pub(super) skip: usize,
}

pub(super) struct Column {
    pub(super) name: &'static str,
    /// What the others leave is the width of the one that has none.
    pub(super) width: Option<u16>,
}

pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) tone: Tone,
}

/// What a row's colour says once more, beside its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Busy,
    Warning,
    Trouble,
}

impl Tone {
    pub(super) fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Busy => Style::new().fg(Color::Green),
            Tone::Warning => Style::new().fg(Color::Yellow),
            Tone::Trouble => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

/// Between two columns.
const GAP: u16 = 1;

impl Section {
    /// Lines that it takes to show all.
    pub(super) fn height(&self) -> u16 {
        u16::try_from(self.rows.len().max(1)).unwrap_or(u16::MAX - 1) + 1
    }

    /// Draws what fits; the last line says how much more there is.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let head: Vec<String> = self.columns.iter().map(|c| c.name.to_owned()).collect();
        buffer.set_style(Rect { height: 1, ..area }, Style::new().add_modifier(Modifier::REVERSED));
        self.line(area, area.y, &head, Style::new(), buffer);
        let room = usize::from(area.height - 1);
        if self.rows.is_empty() && room > 0 {
            let dim = Style::new().add_modifier(Modifier::DIM);
            buffer.set_stringn(area.x, area.y + 1, self.none, usize::from(area.width), dim);
        }
        // Always full, however far somebody scrolls.
        let skip = self.skip.min(self.rows.len().saturating_sub(room));
        let left = self.rows.len() - skip;
        let shown = if left > room { room.saturating_sub(1) } else { left };
        let mut y = area.y + 1;
        for row in self.rows.iter().skip(skip).take(shown) {
            self.line(area, y, &row.cells, row.tone.style(), buffer);
            y += 1;
        }
        if left > shown && room > 0 {
            let more = format!("… {} more", left - shown);
            buffer.set_stringn(area.x, y, more, usize::from(area.width), Style::new());
        }
    }

    fn line(&self, area: Rect, y: u16, cells: &[String], style: Style, buffer: &mut Buffer) {
        let fixed: u16 = self.columns.iter().filter_map(|column| column.width).sum();
        let gaps = GAP * u16::try_from(self.columns.len().saturating_sub(1)).unwrap_or_default();
        let rest = area.width.saturating_sub(fixed + gaps);
        let mut x = area.x;
        for (column, cell) in self.columns.iter().zip(cells) {
            let width = column.width.unwrap_or(rest).min(area.right().saturating_sub(x));
            let text = short(&one_line(cell), usize::from(width));
            let used = u16::try_from(text.chars().count()).unwrap_or(width);
            // Numbers and times stand to the right, names to the left.
            let from = if column.width.is_some() { x + width.saturating_sub(used) } else { x };
            buffer.set_stringn(from, y, text, usize::from(width), style);
            x = (x + width + GAP).min(area.right());
        }
    }
}

/// Text that others wrote, on one line and without what would command the terminal.
pub(super) fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}
