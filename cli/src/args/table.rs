use assay_core::DatasetName;
use clap::{Args as Group, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// Merge small files of each partition into larger ones; no row changes
    #[command(after_help = "\
Examples:
  assay table compact silver.github_events --dry-run
  assay table compact silver.github_events --partition ingestion_date=2026-02-12

It works beside stages that write: a partition that is replaced meanwhile is left
as it is. What a stage has not read yet waits.")]
    Compact(CompactArgs),

    /// Let old snapshots go, with the files that only they name
    #[command(after_help = "\
Examples:
  assay table expire silver.github_events --dry-run
  assay table expire silver.github_events --older-than 12h --keep 50

Always kept: the current snapshot, those that a tag or branch names, and for 7 days
those that a store was not told of or that took rows away which a stage has read.
Positions and rows are not touched.")]
    Expire(ExpireArgs),
}

#[derive(Debug, Group)]
pub(crate) struct CompactArgs {
    /// A table, as layer.name
    pub(crate) table: DatasetName,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only partitions with this value; several must all hold
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = pair)]
    pub(crate) partition: Vec<(String, String)>,
    /// Size of the new files, 20000000 or 20MB [default: the table's target_file_size]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub(crate) target_size: Option<u64>,
    /// Leave partitions alone that have fewer small files
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) min_files: usize,
}

#[derive(Debug, Group)]
pub(crate) struct ExpireArgs {
    /// A table, as layer.name
    pub(crate) table: DatasetName,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only snapshots older than this, like 7d, 12h or 30m
    #[arg(long, default_value = "7d", value_name = "AGE", value_parser = age)]
    pub(crate) older_than: chrono::TimeDelta,
    /// So many of the newest stay in any case
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) keep: usize,
}

/// A column and a value, written `column=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').ok_or("write it like ingestion_date=2026-02-12")?;
    Ok((parts.0.trim().to_owned(), parts.1.to_owned()))
}

/// Bytes, written 20000000, 20MB or 1GB.
fn size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("write it like 20000000, 20MB or 1GB".to_owned()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    bytes.filter(|bytes| *bytes >= 1_000).ok_or_else(|| "a file has at least 1 kB".to_owned())
}

/// An age, written 7d, 12h, 30m or 90s.
fn age(text: &str) -> Result<chrono::TimeDelta, String> {
    let wrong = || "write it like 7d, 12h, 30m or 90s".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(chrono::TimeDelta::seconds(i64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{age, pair, size};

    #[test]
    fn ages_sizes_and_pairs_are_written_as_people_write_them() {
        assert_eq!(age("7d"), Ok(TimeDelta::days(7)));
        assert_eq!(age("90s"), Ok(TimeDelta::seconds(90)));
        for bad in ["", "d", "7", "7w", "-1d", "1.5h", "7ä"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        assert_eq!(size("20000000"), Ok(20_000_000));
        assert_eq!(size("20MB"), Ok(20_000_000));
        for bad in ["", "MB", "20 apples", "1", "99999999999GB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err());
    }
}
