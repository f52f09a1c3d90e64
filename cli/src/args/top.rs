use std::time::Duration;

use clap::Args as Group;
use clap::builder::FalseyValueParser;

use crate::commands::Seconds;

#[derive(Debug, Group)]
pub(crate) struct TopArgs {
    /// How long to wait between two looks
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = at_least)]
    pub(crate) every: Seconds,
    /// Write one frame as text, with all of its rows, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Use no colours
    #[arg(long, env = "NO_COLOR", value_parser = FalseyValueParser::new())]
    pub(crate) no_color: bool,
}

/// Looking more often than that is work for nobody's eyes.
fn at_least(text: &str) -> Result<Seconds, String> {
    let seconds: Seconds = text.parse()?;
    match seconds.0 < Duration::from_millis(200) {
        true => Err("write seconds, 0.2 at least".to_owned()),
        false => Ok(seconds),
    }
}
