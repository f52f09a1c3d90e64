//! What is wrong with a value, in our words where a library has only its own.

use std::error::Error;
use std::num::ParseIntError;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Args;

/// The same mistake; of a day, an id or a number with an example of what is right.
pub(crate) fn in_our_words(error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let right = error.source().and_then(right);
    let (Some(argument), Some(value), Some(right)) = (argument, value, right) else { return error };
    let told = format!("invalid value '{value}' for '{argument}': {right}");
    Args::command().error(ErrorKind::ValueValidation, told)
}

/// What would be right in place of what a library does not take.
fn right(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    if cause.is::<chrono::ParseError>() {
        return Some("write a day, for example 2026-02-12");
    }
    if cause.is::<uuid::Error>() {
        let example = "write an id as the answers of `assay` have it, for example \
                       0199c0de-7a2b-7c3d-8e4f-5a6b7c8d9e0f";
        return Some(example);
    }
    cause.is::<ParseIntError>().then_some("write a whole number, for example 20")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        for (line, says) in [
            ("runs --limit x", "'x' for '--limit <N>': write a whole number, for example 20"),
            (
                "run all --pipeline p --accept-batch 7",
                "write an id as the answers of `assay` have it",
            ),
            ("run all --pipeline p --date today", "write a day, for example 2026-02-12"),
            (
                "lineage diff --from 2026-01",
                "write a day (2026-03-01), a time (2026-03-01T08:00:00Z), or how long ago",
            ),
            ("runs --status done", "[possible values: running, complete, halted, failed, aborted]"),
            ("lineage events --kind x", "[possible values: ingestion, transformation, "),
        ] {
            let words = std::iter::once("assay").chain(line.split(' '));
            let told = in_our_words(Args::try_parse_from(words).unwrap_err()).to_string();
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn options_that_every_command_has_stand_behind_those_of_one() {
        let mut command = Args::command();
        command.build();
        let run = command.find_subcommand_mut("run").unwrap();
        let help = run.render_long_help().to_string();
        let place = |part: &str| help.find(part).unwrap_or_else(|| panic!("{part}: {help}"));
        let heading = place("Options of every command:");
        for own in ["--pipeline <P>", "--governed", "--follow", "--help"] {
            assert!(place(own) < heading, "{own}: {help}");
        }
        for global in ["--data-dir <DIR>", "--config <FILE>", "--as <NAME>", "--output"] {
            assert!(place(global) > heading, "{global}: {help}");
        }
    }
}
