use chrono::{DateTime, Utc};
use ratatui::termion::event::Key;

use super::look::Look;
use super::pace::Pace;

/// What is shown, and from where on.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// None before the first one.
    pub(crate) look: Option<Look>,
    /// Why the last look failed; what is shown is then of the one before.
    pub(crate) problem: Option<String>,
    pub(crate) now: DateTime<Utc>,
    /// So many stages are scrolled away.
    pub(crate) skip: usize,
    pace: Pace,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Press {
    Leave,
    LookNow,
    Nothing,
}

/// So many stages a page key scrolls.
const PAGE: usize = 10;

impl View {
    /// Takes in how it stands now, or why that is not known.
    pub(crate) fn take_in(&mut self, seen: anyhow::Result<Look>, now: DateTime<Utc>) {
        self.now = now;
        match seen {
            Ok(mut look) => {
                self.pace.take_in(&mut look);
                self.look = Some(look);
                self.problem = None;
            }
            Err(error) => self.problem = Some(format!("{error:#}")),
        }
    }

    pub(crate) fn press(&mut self, key: Key) -> Press {
        let stages = self.look.as_ref().map_or(0, |look| look.stages.len());
        let last = stages.saturating_sub(1);
        match key {
            Key::Char('q') | Key::Esc | Key::Ctrl('c' | 'd') => return Press::Leave,
            Key::Char(' ') => return Press::LookNow,
            Key::Up | Key::Char('k') => self.skip = self.skip.saturating_sub(1),
            Key::Down | Key::Char('j') => self.skip = (self.skip + 1).min(last),
            Key::PageUp => self.skip = self.skip.saturating_sub(PAGE),
            Key::PageDown => self.skip = (self.skip + PAGE).min(last),
            Key::Home => self.skip = 0,
            Key::End => self.skip = last,
            _ => {}
        }
        Press::Nothing
    }
}
