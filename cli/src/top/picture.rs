//! A frame, made of a view.

use assay_store::TargetHealth;
use chrono::{DateTime, TimeDelta, Utc};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget;

use super::look::{Dataset, Letters, Look, Reader, Stage, State};
use super::section::{Column, Row, Section, Tone, one_line};
use super::view::View;
use crate::output::{counted, number, score, short};

/// What is smaller shows nothing that helps.
const SMALLEST: (u16, u16) = (40, 12);

/// From here on there is room for more columns.
const WIDE: u16 = 100;

/// The left side of the lower half.
const LEFT_PERCENT: u16 = 55;

/// How old a look may be before that is said.
const OLD: TimeDelta = TimeDelta::seconds(10);

const KEYS: &str = " q quit   ↑ ↓ scroll   space look now";

pub(crate) struct Picture<'a>(pub(crate) &'a View);

impl Picture<'_> {
    /// Lines that show everything at this width.
    pub(crate) fn height(&self, width: u16) -> u16 {
        let Some(look) = &self.0.look else { return SMALLEST.1 };
        let parts = Parts::of(look, self.0, width);
        let left = parts.datasets.height();
        let all = parts.head() + parts.stages.height() + 1 + left.max(parts.right_height()) + 1;
        all.max(SMALLEST.1)
    }

    /// The frame as text.
    pub(crate) fn lines(&self, width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        Picture(self.0).render(buffer.area, &mut buffer);
        let rows = buffer.content.chunks(usize::from(width.max(1)));
        rows.map(|row| row.iter().map(Cell::symbol).collect()).collect()
    }
}

impl Widget for Picture<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let view = self.0;
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            let told = format!("{}×{} at least", SMALLEST.0, SMALLEST.1);
            buffer.set_stringn(area.x, area.y, told, usize::from(area.width), Style::new());
            return;
        }
        let put = |buffer: &mut Buffer, y: u16, text: &str, style: Style| {
            let text = short(&one_line(text), usize::from(area.width));
            buffer.set_stringn(area.x, y, text, usize::from(area.width), style);
        };
        let foot = area.bottom() - 1;
        put(buffer, foot, KEYS, Style::new().add_modifier(Modifier::DIM));
        let Some(look) = &view.look else {
            let told = view.problem.as_deref().unwrap_or("looking …");
            return put(buffer, area.y, told, Style::new());
        };
        let parts = Parts::of(look, view, area.width);
        for (y, (text, tone)) in (area.y..).zip(&parts.lines) {
            put(buffer, y, text, tone.style());
        }
        let top = area.y + parts.head();
        parts.draw(Rect { y: top, height: foot - top, ..area }, buffer);
    }
}

/// What a frame is made of, from above.
struct Parts {
    lines: Vec<(String, Tone)>,
    stages: Section,
    datasets: Section,
    right: [Section; 3],
}

impl Parts {
    fn of(look: &Look, view: &View, width: u16) -> Parts {
        let (now, wide) = (view.now, width >= WIDE);
        let mut lines = vec![title(look, now, width), (summary(look), Tone::Plain)];
        lines.extend(problem(look, view));
        Parts {
            lines,
            stages: stages(look, view, wide),
            datasets: datasets(&look.datasets, now, wide),
            right: [
                readers(&look.readers, wide),
                letters(&look.letters, now, wide),
                targets(&look.targets, now),
            ],
        }
    }

    fn head(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(u16::MAX)
    }

    fn right_height(&self) -> u16 {
        self.right.iter().map(Section::height).sum()
    }

    /// Stages above; below them datasets to the left, and what waits to the right.
    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let below = self.datasets.height().max(self.right_height()) + 1;
        let most = (area.height / 2).max(area.height.saturating_sub(below));
        let height = self.stages.height().min(most);
        self.stages.draw(Rect { height, ..area }, buffer);
        let y = area.y + height + 1;
        let rest = Rect { y, height: area.bottom().saturating_sub(y), ..area };
        let left = rest.width * LEFT_PERCENT / 100;
        self.datasets.draw(Rect { width: left - 1, ..rest }, buffer);
        let mut right = Rect { x: rest.x + left, width: rest.width - left, ..rest };
        for (section, height) in self.right.iter().zip(self.heights(rest.height)) {
            section.draw(Rect { height, ..right }, buffer);
            right.y += height;
        }
    }

    /// How the right side is divided: the longest one gives way first.
    fn heights(&self, room: u16) -> [u16; 3] {
        let mut heights = [0, 1, 2].map(|place| self.right[place].height());
        while heights.iter().sum::<u16>() > room {
            let longest = (0..3).max_by_key(|place| heights[*place]).unwrap_or_default();
            if heights[longest] == 0 {
                break;
            }
            heights[longest] -= 1;
        }
        heights
    }
}

fn title(look: &Look, now: DateTime<Utc>, width: u16) -> (String, Tone) {
    let time = look.at.format("%H:%M:%SZ").to_string();
    let (time, tone) = match now - look.at {
        age if age > OLD => (format!("no answer for {}, as of {time}", span(age)), Tone::Warning),
        _ => (time, Tone::Plain),
    };
    let room = usize::from(width).saturating_sub(time.chars().count() + 1);
    let name = short(&one_line(&format!("assay top · {}", look.place)), room);
    (format!("{name:room$} {time}"), tone)
}

/// The figures that say whether there is anything to read further down.
fn summary(look: &Look) -> String {
    let count = |state: State| look.stages.iter().filter(|stage| stage.state == state).count();
    let mut text = counted(look.stages.len() as u64, "stage");
    for state in [State::Failed, State::Halted, State::Aborted, State::Silent, State::Paused] {
        if count(state) > 0 {
            text.push_str(&format!(", {} {}", count(state), state.name()));
        }
    }
    let running: Vec<_> = look.stages.iter().filter(|s| s.state == State::Running).collect();
    let rows: f64 = running.iter().filter_map(|stage| stage.rows_per_second).sum();
    if !running.is_empty() {
        text.push_str(&format!(", {} running ({} rows/s)", running.len(), figure(rows)));
    }
    let unread: u64 = look.readers.iter().map(|reader| reader.messages).sum();
    let letters: u64 = look.letters.iter().map(|letters| letters.letters).sum();
    let waiting: u64 = look.targets.iter().map(|target| target.waiting).sum();
    let unread = if look.away.is_some() { "?".to_owned() } else { number(unread) };
    let (letters, waiting) = (counted(letters, "letter"), number(waiting));
    text.push_str(&format!(" · {unread} unread · {letters} · {waiting} to send"));
    if !look.jobs.is_empty() {
        text.push_str(&format!(" · {} open", counted(look.jobs.len() as u64, "replay")));
    }
    text
}

/// What went wrong with looking, else with the first stage that is in trouble.
fn problem(look: &Look, view: &View) -> Option<(String, Tone)> {
    if let Some(problem) = &view.problem {
        return Some((format!("not seen anew: {problem}"), Tone::Trouble));
    }
    if let Some(away) = &look.away {
        return Some((format!("the log is away: {away}"), Tone::Trouble));
    }
    let stage = look.stages.iter().find(|stage| stage.why.is_some())?;
    let tone = if stage.state.trouble() { Tone::Trouble } else { Tone::Warning };
    Some((format!("{}: {}", stage.name, stage.why.as_deref()?), tone))
}

fn stages(look: &Look, view: &View, wide: bool) -> Section {
    let mut columns = vec![column("STAGE"), fixed("STATE", 8), fixed("AGO", 4)];
    if wide {
        columns.extend([fixed("TOOK", 6), fixed("READ", 9)]);
    }
    columns.extend([fixed("WRITTEN", 9), fixed("REJECTED", 8), fixed("ROWS/S", 7)]);
    let row = |stage: &Stage| {
        let since = stage.ended_at.unwrap_or(stage.started_at);
        let mut cells =
            vec![stage.name.clone(), stage.state.name().to_owned(), span(view.now - since)];
        if wide {
            let took = stage.ended_at.map(|ended| ended - stage.started_at);
            cells.extend([took.map_or_else(dash, duration), count(stage.read)]);
        }
        let rate = stage.rows_per_second.map_or_else(dash, figure);
        cells.extend([count(stage.written), count(stage.rejected), rate]);
        let tone = match stage.state {
            state if state.trouble() => Tone::Trouble,
            State::Paused => Tone::Warning,
            State::Running => Tone::Busy,
            _ => Tone::Plain,
        };
        Row { cells, tone }
    };
    let rows = look.stages.iter().map(row).collect();
    Section { columns, rows, none: "none has run yet: `assay run`", skip: view.skip }
}

fn datasets(datasets: &[Dataset], now: DateTime<Utc>, wide: bool) -> Section {
    let mut columns = vec![column("DATASET"), fixed("SCORE", 6), fixed("VERDICT", 8)];
    if wide {
        columns.push(fixed("AGO", 4));
    }
    let row = |dataset: &Dataset| {
        let verdict = if dataset.verdict.len() > 8 { "–" } else { dataset.verdict };
        let mut cells = vec![dataset.name.clone(), score(dataset.score), verdict.to_owned()];
        if wide {
            cells.push(span(now - dataset.judged_at));
        }
        let tone = match dataset.verdict {
            "halt" => Tone::Trouble,
            "warn" | "accepted" => Tone::Warning,
            _ => Tone::Plain,
        };
        Row { cells, tone }
    };
    let rows = datasets.iter().map(row).collect();
    Section { columns, rows, none: "none is judged yet", skip: 0 }
}

fn readers(readers: &[Reader], wide: bool) -> Section {
    let row = |reader: &Reader| {
        let name = match wide {
            true => format!("{} of {}", reader.name, reader.topic),
            false => reader.name.clone(),
        };
        let age = reader.seconds.filter(|_| reader.messages > 0);
        let age = age.map_or_else(dash, |seconds| span(seconds_span(seconds)));
        let tone = if reader.messages > 0 { Tone::Busy } else { Tone::Plain };
        Row { cells: vec![name, count(reader.messages), age], tone }
    };
    let columns = vec![column("READER"), fixed("UNREAD", 9), fixed("AGE", 4)];
    Section { columns, rows: readers.iter().map(row).collect(), none: "no topic", skip: 0 }
}

fn letters(letters: &[Letters], now: DateTime<Utc>, wide: bool) -> Section {
    let row = |of: &Letters| {
        let name = match wide {
            true => format!("{} in {}", of.reason, of.topic),
            false => of.reason.to_owned(),
        };
        Row { cells: vec![name, count(of.letters), span(now - of.oldest)], tone: Tone::Warning }
    };
    let columns = vec![column("DEAD LETTERS"), fixed("LETTERS", 9), fixed("AGE", 4)];
    Section { columns, rows: letters.iter().map(row).collect(), none: "none", skip: 0 }
}

fn targets(targets: &[TargetHealth], now: DateTime<Utc>) -> Section {
    let row = |target: &TargetHealth| {
        let age = target.oldest.map_or_else(dash, |oldest| span(now - oldest));
        let held = target.held_until.is_some_and(|until| until > now);
        let name = if held { format!("{} (away)", target.target) } else { target.target.clone() };
        let tone = match (target.parked, held) {
            (0, false) => Tone::Plain,
            (0, true) => Tone::Warning,
            _ => Tone::Trouble,
        };
        Row { cells: vec![name, count(target.waiting), count(target.parked), age], tone }
    };
    let columns = vec![column("OUTBOX"), fixed("WAIT", 6), fixed("PARK", 4), fixed("AGE", 4)];
    let none = "sends to nobody";
    Section { columns, rows: targets.iter().map(row).collect(), none, skip: 0 }
}

fn column(name: &'static str) -> Column {
    Column { name, width: None }
}

fn fixed(name: &'static str, width: u16) -> Column {
    Column { name, width: Some(width) }
}

fn dash() -> String {
    "–".to_owned()
}

/// A count, short when it is large.
fn count(value: u64) -> String {
    match value {
        0..1_000_000 => number(value),
        #[allow(clippy::cast_precision_loss, reason = "shown with one decimal")]
        _ => format!("{:.1} M", value as f64 / 1e6),
    }
}

/// A rate, in at most seven characters.
fn figure(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v if v >= 10.0 || v <= 0.0 => {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let whole = v.max(0.0).round() as u64;
            number(whole)
        }
        v => format!("{v:.1}"),
    }
}

fn seconds_span(seconds: f64) -> TimeDelta {
    std::time::Duration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|span| TimeDelta::from_std(span).ok())
        .unwrap_or_default()
}

/// How long ago, in at most four characters; what a clock that goes ahead says is now.
fn span(age: TimeDelta) -> String {
    match age.num_seconds().max(0) {
        seconds @ 0..100 => format!("{seconds}s"),
        seconds @ 100..6000 => format!("{}m", seconds / 60),
        seconds @ 6000..360_000 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", (seconds / 86_400).min(999)),
    }
}

fn duration(took: TimeDelta) -> String {
    match took.as_seconds_f64() {
        seconds if seconds < 100.0 => format!("{:.1}s", seconds.max(0.0)),
        _ => span(took),
    }
}
