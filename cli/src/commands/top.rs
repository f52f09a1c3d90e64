use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Context, Result};
use ratatui::termion::terminal_size;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::app::App;
use crate::args::TopArgs;
use crate::exit::Usage;
use crate::output::line;
use crate::top::{Look, Picture, Press, Screen, View, keys};

/// How wide a frame is where no terminal says so.
const WIDTH: u16 = 80;

/// How often the ages on the screen grow, also while a look takes long.
const TICK: Duration = Duration::from_secs(1);

pub(crate) async fn top(app: &App, what: &TopArgs, as_json: bool) -> Result<()> {
    if as_json {
        return Err(refused("`assay top` is for people: `assay status -o json` is for programs"));
    }
    if what.once {
        return once(app).await;
    }
    if !std::io::stdout().is_terminal() {
        return Err(refused(
            "`assay top` draws on a terminal, and this is none: `assay status` says how things \
             stand, `assay top --once` writes one frame",
        ));
    }
    watch(app, what).await
}

fn refused(why: &str) -> anyhow::Error {
    Usage(why.to_owned()).into()
}

/// Writes one frame that has room for everything.
async fn once(app: &App) -> Result<()> {
    let mut view = View::default();
    view.take_in(Ok(Look::at(app).await?), app.clock.now());
    let terminal = std::io::stdout().is_terminal().then(terminal_size);
    let width = terminal.and_then(Result::ok).map_or(WIDTH, |(width, _)| width.max(WIDTH));
    let picture = Picture(&view);
    let mut lines = picture.lines(width, picture.height(width));
    // The last one says what can be pressed.
    lines.pop();
    lines.iter().try_for_each(line)
}

/// Draws until somebody leaves. Looking goes on beside that, so a key is answered at once also
/// while the log is away.
async fn watch(app: &App, what: &TopArgs) -> Result<()> {
    let mut pressed = keys().context("cannot read keys from the terminal")?;
    let mut resized = signal(SignalKind::window_change()).context("cannot hear signals")?;
    let mut asked = crate::signals::Asked::listen().context("cannot hear signals")?;
    let mut screen = Screen::open(what.no_color).context("cannot draw on the terminal")?;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let look = async |wait| {
        sleep(wait).await;
        Look::at(app).await
    };
    let mut view = View::default();
    let mut looking = Box::pin(look(Duration::ZERO));
    loop {
        view.now = app.clock.now();
        screen.draw(&view).context("cannot draw on the terminal")?;
        tokio::select! {
            seen = &mut looking => {
                view.take_in(seen, app.clock.now());
                looking = Box::pin(look(what.every.0));
            }
            key = pressed.recv() => match key.map(|key| view.press(key)) {
                // The terminal is gone.
                None | Some(Press::Leave) => return Ok(()),
                Some(Press::LookNow) => looking = Box::pin(look(Duration::ZERO)),
                Some(Press::Nothing) => {}
            },
            _ = resized.recv() => {}
            _ = tick.tick() => {}
            () = asked.once() => return Ok(()),
        }
    }
}
