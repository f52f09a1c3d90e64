//! Arguments of what makes up input.

use std::path::PathBuf;

use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum GenerateCommand {
    /// GitHub events as the public archives have them
    #[command(after_help = "\
Examples:
  assay generate github-events --count 10000 --seed 7 > events.jsonl
  assay generate github-events | assay ingest github_events --file -")]
    GithubEvents(GenerateArgs),
    /// Events of a shop, sent to the topic of the pipeline ecommerce
    #[command(after_help = "\
Examples:
  assay generate ecommerce --count 3000
  assay generate ecommerce --rate 5 --defects 1% --late 0.5% --duplicates 1% \\
      --follow

What must become of each event is written to the truth file, for
`assay verify ecommerce`. Where it knows events already, none on time happens
more than five minutes before the latest of them. An event is sent when the log has taken it for good;
while the log is away the generator waits.")]
    Ecommerce(EcommerceArgs),
}

#[derive(Debug, Group)]
pub(crate) struct EcommerceArgs {
    /// How many events; without --follow 1000
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// So many events happen in a second
    #[arg(long, default_value_t = 5.0, value_name = "N", value_parser = rate)]
    pub(crate) rate: f64,
    /// The same seed and time of beginning make the same events
    #[arg(long, default_value_t = 42, value_name = "S")]
    pub(crate) seed: u64,
    /// The share of events that break a rule
    #[arg(long, default_value = "1%", value_name = "PERCENT", value_parser = share)]
    pub(crate) defects: f64,
    /// The share of events that come more than five minutes late
    #[arg(long, default_value = "0.5%", value_name = "PERCENT", value_parser = share)]
    pub(crate) late: f64,
    /// The share of events that are sent again
    #[arg(long, default_value = "1%", value_name = "PERCENT", value_parser = share)]
    pub(crate) duplicates: f64,
    /// The last event happens then [default: now]
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<chrono::DateTime<chrono::Utc>>,
    /// Send events as they happen, until told to stop or there are as many as --count says
    #[arg(long)]
    pub(crate) follow: bool,
    /// Where what must become of them is written [default: ecommerce.truth in the data directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
}

/// A positive number of events.
fn rate(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 1e6 => Ok(rate),
        _ => Err("a number above 0, at most a million".to_owned()),
    }
}

#[derive(Debug, Group)]
pub(crate) struct GenerateArgs {
    /// How many lines
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(crate) count: u64,
    /// The same seed makes the same events
    #[arg(long, default_value_t = 42, value_name = "S")]
    pub(crate) seed: u64,
    /// The share of lines with a defect
    #[arg(long, default_value = "1%", value_name = "PERCENT", value_parser = share)]
    pub(crate) defects: f64,
    /// The events happen before this time [default: the beginning of today, UTC]
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<chrono::DateTime<chrono::Utc>>,
    /// The events are spread over so many hours
    #[arg(long, default_value_t = 36, value_name = "N")]
    pub(crate) hours: u32,
    /// How many actors there are [default: as many as fit the number of events]
    #[arg(long, value_name = "N")]
    pub(crate) actors: Option<u64>,
    /// How large the payloads of events are
    #[arg(long, default_value = "usual", value_name = "SIZE")]
    pub(crate) payloads: crate::generate::Payloads,
    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// A share, written `1%` or `0.01`.
fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let value = number.trim().parse::<f64>().map_err(|_| "write it like 1% or 0.01".to_owned())?;
    let share = value / scale;
    if !(0.0..=1.0).contains(&share) {
        return Err("a share is between 0% and 100%".to_owned());
    }
    Ok(share)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_a_percentage_or_a_fraction() {
        assert_eq!(share("1%"), Ok(0.01));
        assert_eq!(share("0.5"), Ok(0.5));
        for bad in ["", "x%", "101%", "-1%", "2"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
