//! Which columns a column comes from, and what a change of one would break.

use std::collections::{BTreeMap, BTreeSet};

use assay_core::StageId;
use assay_store::{ColumnWay, Direction, Store, StoreError};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::draw::{Line, Picture};
use crate::{Graph, Names, Tree};

/// All rows of a dataset, in the place of a column.
const ROWS: &str = "*";
/// Links to columns in the place of all rows; where there would be more, each stands at one column.
const MOST_SPREAD: usize = 2_000;
/// Columns that one walk visits.
const MOST: usize = 50_000;

/// A column of a dataset, or all its rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Column {
    pub dataset: String,
    pub column: String,
}

/// Values of a column come from another, or it decides which values there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ColumnLink {
    pub input: Column,
    pub output: Column,
    pub job: StageId,
    pub direct: bool,
    pub how: String,
}

/// What a change of a column would reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reached {
    /// Steps from what is changed.
    pub distance: u32,
    pub dataset: String,
    /// `*` when it is all rows, or when the columns are not known.
    pub column: String,
    pub why: Why,
    /// What it comes from, one step back.
    pub from: String,
    pub job: StageId,
}

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Its values come from there.
    Values,
    /// Which rows or values there are is decided there.
    Rows,
    /// The job did not say which columns it uses.
    Unknown,
}

impl Column {
    fn text(&self) -> String {
        format!("{}.{}", self.dataset, self.column)
    }
}

impl Why {
    pub fn name(self) -> &'static str {
        match self {
            Why::Values => "values",
            Why::Rows => "rows",
            Why::Unknown => "unknown",
        }
    }
}

/// The columns that a column comes from, directly or not, a step at a time.
pub async fn sources(
    store: &Store,
    names: &Names,
    dataset: &str,
    column: &str,
    at: Option<DateTime<Utc>>,
    depth: Option<u32>,
) -> Result<Vec<ColumnLink>, StoreError> {
    let first = Column { dataset: dataset.to_owned(), column: column.to_owned() };
    let (mut seen, mut open) = (BTreeSet::from([first.clone()]), vec![first]);
    let (mut links, mut steps) = (BTreeSet::new(), 0);
    while !open.is_empty() && seen.len() < MOST && depth.is_none_or(|depth| steps < depth) {
        steps += 1;
        let wanted: BTreeSet<Column> = open.drain(..).collect();
        let datasets: BTreeSet<&str> = wanted.iter().map(|one| one.dataset.as_str()).collect();
        let all: Vec<&str> = datasets.iter().flat_map(|one| names.all(one)).collect();
        for way in store.column_ways(&all, Direction::Upstream, at).await? {
            let link = named(names, way);
            // What all rows depend on, each of their columns does.
            let meant = wanted.contains(&link.output)
                || link.output.column == ROWS
                    && wanted.iter().any(|column| column.dataset == link.output.dataset);
            if meant {
                if seen.insert(link.input.clone()) {
                    open.push(link.input.clone());
                }
                links.insert(link);
            }
        }
    }
    Ok(links.into_iter().collect())
}

/// The links as a tree of text: a column, and behind it those that it comes from and how.
pub fn column_tree(dataset: &str, column: &str, links: &[ColumnLink]) -> Tree {
    let first = Column { dataset: dataset.to_owned(), column: column.to_owned() };
    let steps = spread(&first, links).into_iter();
    let steps: Vec<(String, String, StageId)> =
        steps.map(|(link, output)| (link.input.text(), output.text(), said(link))).collect();
    let steps = steps.iter().map(|(input, output, job)| (input.as_str(), output.as_str(), job));
    Graph::of(steps).upstream(&first.text())
}

/// Each link, and the column that it leads to. What all rows of a dataset depend on, each of its
/// columns does that something else was made of.
fn spread<'l>(first: &'l Column, links: &'l [ColumnLink]) -> Vec<(&'l ColumnLink, &'l Column)> {
    let mut columns: BTreeMap<&str, BTreeSet<&Column>> = BTreeMap::new();
    for column in links.iter().map(|link| &link.input).chain([first]) {
        columns.entry(&column.dataset).or_default().insert(column);
    }
    let of = |link: &ColumnLink| columns.get(link.output.dataset.as_str());
    let all = links.iter().filter(|link| link.output.column == ROWS);
    let many = all.map(|link| of(link).map_or(0, BTreeSet::len)).sum::<usize>() > MOST_SPREAD;
    let mut all = vec![];
    for link in links {
        if link.output.column == ROWS {
            let each = if many { 1 } else { usize::MAX };
            let of = of(link).into_iter().flatten().take(each);
            if many && link.output.dataset == first.dataset {
                all.push((link, first));
                continue;
            }
            all.extend(of.map(|column| (link, *column)));
        } else {
            all.push((link, &link.output));
        }
    }
    all
}

/// The links as they are drawn.
pub fn column_picture(dataset: &str, column: &str, links: &[ColumnLink]) -> Picture {
    let first = Column { dataset: dataset.to_owned(), column: column.to_owned() };
    let mut lines: BTreeMap<(&Column, &Column), BTreeSet<String>> = BTreeMap::new();
    let steps = spread(&first, links);
    for (link, output) in &steps {
        let text = said(link).to_string();
        lines.entry((&link.input, output)).or_default().insert(text);
    }
    let names: BTreeSet<&Column> =
        steps.iter().flat_map(|(link, output)| [&link.input, *output]).chain([&first]).collect();
    let lines = lines.into_iter().map(|((from, to), texts)| Line {
        from: from.text().into(),
        to: to.text().into(),
        text: texts.into_iter().collect::<Vec<_>>().join(", "),
    });
    Picture {
        first: first.text(),
        lines: lines.collect(),
        names: names.into_iter().map(Column::text).collect(),
    }
}

/// The job of a link, and what it does.
fn said(link: &ColumnLink) -> StageId {
    let how = match (link.direct, link.how.is_empty()) {
        (_, false) => format!(" ({})", link.how),
        (false, true) => " (indirect)".to_owned(),
        (true, true) => String::new(),
    };
    let StageId { pipeline, stage } = &link.job;
    StageId { pipeline: pipeline.clone(), stage: format!("{stage}{how}") }
}

/// Everything that comes from a column, nearest first. Where a job did not say which columns it
/// uses all that it writes may be reached, and is said to be so.
pub async fn impact(
    store: &Store,
    names: &Names,
    dataset: &str,
    column: &str,
    at: Option<DateTime<Utc>>,
) -> Result<Vec<Reached>, StoreError> {
    let mut reached: BTreeMap<Column, Reached> = BTreeMap::new();
    let mut open = BTreeMap::from([((dataset.to_owned(), column.to_owned()), Why::Values)]);
    // A column may be made of another one of its own dataset, but not of itself.
    let itself =
        |one: &Column| one.dataset == dataset && [column, ROWS].contains(&one.column.as_str());
    let mut distance = 0;
    while !open.is_empty() && reached.len() < MOST {
        distance += 1;
        let step = Step::load(store, names, &open, at).await?;
        let mut next = BTreeMap::new();
        for one in step.from(names, &open, distance) {
            let reaches = Column { dataset: one.dataset.clone(), column: one.column.clone() };
            // By its values, be that further away, counts more than by its rows.
            let better = reached.get(&reaches).is_none_or(|known| one.why < known.why);
            if !itself(&reaches) && better {
                next.insert((reaches.dataset.clone(), reaches.column.clone()), one.why);
                reached.insert(reaches, one);
            }
        }
        open = next;
    }
    let mut all: Vec<Reached> = reached.into_values().collect();
    all.sort();
    Ok(all)
}

/// Columns from which a walk goes on, and how they were reached.
type Open = BTreeMap<(String, String), Why>;

/// What leads on from some datasets.
struct Step {
    columns: Vec<ColumnLink>,
    /// Input, output and job.
    ways: BTreeSet<(String, String, StageId)>,
    /// Outputs and jobs that say which columns they use.
    said: BTreeSet<(String, StageId)>,
}

impl Step {
    async fn load(
        store: &Store,
        names: &Names,
        open: &Open,
        at: Option<DateTime<Utc>>,
    ) -> Result<Step, StoreError> {
        let datasets: BTreeSet<&str> = open.keys().map(|(dataset, _)| dataset.as_str()).collect();
        let all: Vec<&str> = datasets.iter().flat_map(|one| names.all(one)).collect();
        let columns = store.column_ways(&all, Direction::Downstream, at).await?;
        let ways = store.ways(&all, Direction::Downstream, at).await?;
        let outputs: BTreeSet<&str> = ways.iter().map(|way| way.output.as_str()).collect();
        let outputs: Vec<&str> = outputs.into_iter().collect();
        let known = store.column_ways(&outputs, Direction::Upstream, at).await?;
        let best = |name: &str| names.best(name).to_owned();
        Ok(Step {
            columns: columns.into_iter().map(|way| named(names, way)).collect(),
            ways: ways.iter().map(|w| (best(&w.input), best(&w.output), w.job.clone())).collect(),
            said: known.iter().map(|way| (best(&way.output), way.job.clone())).collect(),
        })
    }

    fn from(&self, names: &Names, open: &Open, distance: u32) -> Vec<Reached> {
        let how = |column: &Column| {
            let of = |name: &str| open.get(&(column.dataset.clone(), name.to_owned()));
            // Where all rows are reached every column is.
            [of(&column.column), of(ROWS)].into_iter().flatten().min().copied()
        };
        let hits = self.columns.iter().filter_map(|link| {
            let why = if link.direct { Why::Values } else { Why::Rows };
            Some(Reached {
                distance,
                dataset: link.output.dataset.clone(),
                column: link.output.column.clone(),
                // What only decided about rows is no value further on either.
                why: why.max(how(&link.input)?),
                from: link.input.text(),
                job: link.job.clone(),
            })
        });
        let starts: BTreeMap<&str, &str> =
            open.keys().map(|(dataset, column)| (names.best(dataset), column.as_str())).collect();
        let unsaid = self.ways.iter().filter_map(|(input, output, job)| {
            let column = starts.get(input.as_str())?;
            let silent = !self.said.contains(&(output.clone(), job.clone()));
            silent.then(|| Reached {
                distance,
                dataset: output.clone(),
                column: ROWS.to_owned(),
                why: Why::Unknown,
                from: format!("{input}.{column}"),
                job: job.clone(),
            })
        });
        // Values before rows: what is reached in both ways is reached by its values.
        let mut all: Vec<Reached> = hits.chain(unsaid).collect();
        all.sort_by_key(|one| one.why);
        all
    }
}

fn named(names: &Names, way: ColumnWay) -> ColumnLink {
    let column =
        |dataset: &str, column: String| Column { dataset: names.best(dataset).to_owned(), column };
    ColumnLink {
        input: column(&way.input, way.input_column),
        output: column(&way.output, way.output_column),
        job: way.job,
        direct: way.direct,
        how: way.how,
    }
}
