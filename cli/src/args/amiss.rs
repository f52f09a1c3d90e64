//! What is wrong with a value, in our words where a library has only its own.

use std::error::Error;
use std::num::ParseIntError;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Args;

/// The same mistake; of a time, an id or a number with an example of what is right.
pub(crate) fn in_our_words(error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let right = error.source().and_then(|cause| right(cause, argument.as_deref()));
    let (Some(argument), Some(value), Some(right)) = (argument, value, right) else { return error };
    let told = format!("invalid value '{value}' for '{argument}': {right}");
    Args::command().error(ErrorKind::ValueValidation, told)
}

/// What would be right in place of what a library does not take.
fn right(cause: &(dyn Error + 'static), argument: Option<&str>) -> Option<&'static str> {
    if cause.is::<chrono::ParseError>() {
        let day = argument.is_some_and(|argument| argument.contains("YYYY-MM-DD"));
        return Some(match day {
            true => "write a day, for example 2026-02-12",
            false => "write a time, for example 2026-02-12T10:00:00Z",
        });
    }
    if cause.is::<uuid::Error>() {
        let example = "write an id as the answers of `assay` have it, for example \
                       0199c0de-7a2b-7c3d-8e4f-5a6b7c8d9e0f";
        return Some(example);
    }
    cause.is::<ParseIntError>().then_some("write a whole number, for example 20")
}
