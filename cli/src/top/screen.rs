//! The terminal, which is left as it was however the view ends.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::TermionBackend;
use ratatui::termion::cursor::{Hide, Show};
use ratatui::termion::event::Key;
use ratatui::termion::get_tty;
use ratatui::termion::input::TermRead;
use ratatui::termion::raw::{IntoRawMode, RawTerminal};
use ratatui::termion::screen::{ToAlternateScreen, ToMainScreen};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::picture::Picture;
use super::view::View;

/// A terminal that the view has for itself.
pub(crate) struct Screen {
    terminal: Terminal<TermionBackend<io::Stdout>>,
    guard: Arc<Guard>,
    monochrome: bool,
}

/// Knows how the terminal was.
struct Guard {
    raw: RawTerminal<File>,
    taken: AtomicBool,
}

impl Guard {
    fn take(&self) -> io::Result<()> {
        self.taken.store(true, Ordering::SeqCst);
        self.raw.activate_raw_mode()?;
        write!(io::stdout(), "{ToAlternateScreen}{Hide}")?;
        io::stdout().flush()
    }

    /// Once, whoever asks first: what was printed since must not be wiped away.
    fn give_back(&self) {
        if self.taken.swap(false, Ordering::SeqCst) {
            let mut out = io::stdout();
            let _ = write!(out, "{Show}{ToMainScreen}").and_then(|()| out.flush());
            let _ = self.raw.suspend_raw_mode();
        }
    }
}

impl Screen {
    /// Takes the terminal. A panic gives it back before it is told, so that it can be read.
    pub(crate) fn open(monochrome: bool) -> io::Result<Screen> {
        let raw = get_tty()?.into_raw_mode()?;
        let guard = Arc::new(Guard { raw, taken: AtomicBool::new(false) });
        let (told, held) = (std::panic::take_hook(), Arc::clone(&guard));
        std::panic::set_hook(Box::new(move |panic| {
            held.give_back();
            told(panic);
        }));
        guard.take()?;
        let terminal = Terminal::new(TermionBackend::new(io::stdout()))?;
        Ok(Screen { terminal, guard, monochrome })
    }

    pub(crate) fn draw(&mut self, view: &View) -> io::Result<()> {
        // A panic that the process survived gave it back.
        if !self.guard.taken.load(Ordering::SeqCst) {
            self.guard.take()?;
            self.terminal.clear()?;
        }
        let monochrome = self.monochrome;
        self.terminal.draw(|frame| {
            frame.render_widget(Picture(view), frame.area());
            if monochrome {
                for cell in &mut frame.buffer_mut().content {
                    cell.fg = ratatui::style::Color::Reset;
                }
            }
        })?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.guard.give_back();
    }
}

/// What is pressed from now on, for as long as the process lives.
pub(crate) fn keys() -> io::Result<UnboundedReceiver<Key>> {
    let tty = get_tty()?;
    let (pressed, hears) = mpsc::unbounded_channel();
    // Reading can't be given up, so it has a thread that the process does not wait for.
    std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
        for key in tty.keys() {
            let Ok(key) = key else { return };
            if pressed.send(key).is_err() {
                return;
            }
        }
    })?;
    Ok(hears)
}
