use anyhow::Result;
use assay_core::contract::{Change, ContractFile, Party};
use serde_json::json;

use crate::args::DiffArgs;
use crate::exit::{Breaking, Usage};
use crate::output::{json, line};

pub(super) fn diff(what: &DiffArgs, as_json: bool) -> Result<()> {
    if what.old == what.new && what.old.as_os_str() == "-" {
        return Err(Usage("standard input can't be both versions".to_owned()).into());
    }
    let (old, new) = (super::read(&what.old)?, super::read(&what.new)?);
    let changes = assay_core::contract::diff(&old, &new);
    let parties: Vec<Party> = match &what.parties[..] {
        [] => vec![Party::Readers, Party::Writers],
        some => some.iter().map(|party| Party::from(*party)).collect(),
    };
    let counts = |change: &&Change| parties.iter().any(|party| change.breaks(*party));
    let breaking = changes.iter().filter(counts).count();
    let advice = advice(&old, &new, breaking > 0);
    if as_json {
        json(&json!({
            "old": {"id": old.body.id, "version": old.body.version},
            "new": {"id": new.body.id, "version": new.body.version},
            "changes": changes,
            "breaking": breaking,
            "advice": advice,
        }))?;
    } else {
        show(&changes)?;
        if let Some(advice) = &advice {
            line(format!("note: {advice}"))?;
        }
    }
    match breaking {
        0 => Ok(()),
        _ => {
            let whom: Vec<&str> = parties.iter().map(|party| name(*party)).collect();
            let of = changes.len();
            Err(Breaking(format!("{breaking} of {of} changes break {}", whom.join(" or "))).into())
        }
    }
}

fn show(changes: &[Change]) -> Result<()> {
    if changes.is_empty() {
        return line("nothing that the contract promises has changed");
    }
    let mut place = "";
    for change in changes {
        if change.place != place {
            place = &change.place;
            line(place)?;
        }
        let whom: Vec<&str> = change.breaks.iter().map(|party| name(*party)).collect();
        let effect = match whom.is_empty() {
            true => "compatible".to_owned(),
            false => format!("breaks {}", whom.join(", ")),
        };
        line(format!("  {} ({effect})", change.what))?;
    }
    Ok(())
}

/// What the versions' own numbers say beside what has changed.
fn advice(old: &ContractFile, new: &ContractFile, breaking: bool) -> Option<String> {
    let (before, after) = (&old.body.version, &new.body.version);
    let major = |version: &str| {
        version.trim_start_matches('v').split('.').next().and_then(|part| part.parse::<u64>().ok())
    };
    if old.body.id != new.body.id {
        let (before, after) = (&old.body.id, &new.body.id);
        return Some(format!("the id went from {before} to {after}: is it another contract?"));
    }
    let raised = major(after)? > major(before)?;
    (breaking && !raised).then(|| {
        let version = match before == after {
            true => format!("the version is still {after}"),
            false => format!("the version went from {before} to {after}"),
        };
        format!("{version}; what breaks asks for the next major one")
    })
}

fn name(party: Party) -> &'static str {
    match party {
        Party::Readers => "readers",
        Party::Writers => "writers",
        Party::Judgement => "judgement",
    }
}
