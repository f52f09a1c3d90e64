//! Whether a dataset has a column, so that a misspelt one is not taken for one that nobody uses.

use std::collections::BTreeSet;

use assay_core::distance;
use assay_store::{Event, Store};

use crate::{Names, NotFound};

/// Runs whose events are asked for the schema of a dataset.
const ASKED: u32 = 20;
/// Columns that an answer lists at most.
const SHOWN: usize = 20;

/// Nothing when the dataset has the column, or when nobody said which columns it has.
pub async fn must_have(
    store: &Store,
    names: &Names,
    dataset: &str,
    column: &str,
) -> Result<(), NotFound> {
    let all = names.all(dataset);
    let mut known = store.columns_of(&all).await?;
    if column == "*" || known.contains(column) {
        return Ok(());
    }
    // One that no way leads to may stand in the schema.
    for run in store.runs_touching(&all, ASKED).await? {
        let each = |event: Event| known.extend(schemas(&event, names, dataset));
        store.each_event_of(run, each).await?;
    }
    known.remove("*");
    if known.is_empty() || known.contains(column) {
        return Ok(());
    }
    let (dataset, column) = (dataset.to_owned(), column.to_owned());
    let known = suggestion(&known, &column);
    Err(NotFound::Column { dataset, column, known })
}

/// The columns that an event's schemas name of the dataset.
fn schemas(event: &Event, names: &Names, dataset: &str) -> BTreeSet<String> {
    let sides = [("inputs", &event.inputs), ("outputs", &event.outputs)];
    let bodies = sides.iter().flat_map(|(key, labels)| {
        let bodies = event.body[*key].as_array().map_or(&[][..], Vec::as_slice);
        labels.iter().zip(bodies)
    });
    let of_it = bodies.filter(|(label, _)| names.best(label) == dataset);
    let fields = of_it.filter_map(|(_, body)| body["facets"]["schema"]["fields"].as_array());
    let named = fields.flatten().filter_map(|field| field["name"].as_str());
    named.map(str::to_owned).collect()
}

/// The one that was meant, if one is near, else all there are.
fn suggestion(known: &BTreeSet<String>, meant: &str) -> String {
    match nearest(known.iter().map(String::as_str), meant) {
        Some(one) => format!("did you mean {one}?"),
        None => {
            let shown: Vec<&str> = known.iter().take(SHOWN).map(String::as_str).collect();
            let more = known.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("there is {}{more}", shown.join(", "))
        }
    }
}

/// The one that may have been meant, where one is near.
pub(crate) fn nearest<'a>(known: impl Iterator<Item = &'a str>, meant: &str) -> Option<&'a str> {
    // Of a dataset of others one may name the end alone: as many parts as were given.
    let parts = |text: &str| text.split(['.', '/']).count();
    let given = parts(meant);
    let end = |one: &'a str| {
        let name = one.rsplit(' ').next().unwrap_or(one);
        let more = parts(name).saturating_sub(given);
        let behind = |name: &'a str| name.split_once(['.', '/']).map_or(name, |(_, behind)| behind);
        (0..more).fold(name, |name, _| behind(name))
    };
    let far = |one: &'a str| {
        let whole = one.rsplit(' ').next().unwrap_or(one);
        [one, whole, end(one)].into_iter().map(|known| distance(known, meant)).min().unwrap_or(0)
    };
    let (far, one) = known.map(|one| (far(one), one)).min()?;
    (far * 3 <= meant.chars().count().max(3)).then_some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named_or_all_there_are() {
        let known = ["event_type", "id", "actor"].map(str::to_owned).into();
        assert_eq!(suggestion(&known, "event_tpye"), "did you mean event_type?");
        assert_eq!(suggestion(&known, "ID"), "did you mean id?");
        assert_eq!(suggestion(&known, "payload"), "there is actor, event_type, id");
        assert_eq!(distance("kitten", "sitting"), 3);
        let known = ["postgres://db:5432 shop.public.orders", "duckdb://lab lab.main.people"];
        assert_eq!(nearest(known.into_iter(), "ordres"), Some(known[0]));
        assert_eq!(nearest(known.into_iter(), "main.poeple"), Some(known[1]));
        assert_eq!(nearest(known.into_iter(), "customers"), None);
    }
}
