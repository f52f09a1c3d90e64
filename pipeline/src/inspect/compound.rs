//! Looks for two columns that name a row together, where none does so alone.

use assay_core::contract::ColumnType;
use assay_core::{Check, Contract, OnFail, Outcome, Rule, Severity, Threshold};

use super::infer::names_something;
use super::judge::{Look, judge};
use super::profile::{Column, Profile};
use super::{InspectError, Subject};

/// Columns that are looked at, and pairs of them that are counted.
const COLUMNS: usize = 8;
const PAIRS: usize = 10;

/// Rows of which no two have the same pair by chance.
const ROWS: u64 = 20;

/// What a part of a key may be called beside what names something.
const PARTS: [&str; 10] =
    ["no", "nr", "num", "number", "line", "seq", "sequence", "position", "code", "version"];

/// The first pair, in the order of the columns, that no two rows have in common. Pairs of columns
/// whose names or types speak of a key are counted exactly, all in one more read of them.
pub(super) async fn compound(
    subject: &Subject,
    profile: &Profile,
    promised: &Contract,
    look: &Look<'_>,
) -> Result<Option<[String; 2]>, InspectError> {
    let pairs = pairs(profile);
    if pairs.is_empty() {
        return Ok(None);
    }
    let rule = |pair: &[String; 2]| Rule {
        name: pair.join("_"),
        check: Check::Unique { columns: pair.to_vec() },
        condition: None,
        severity: Severity::Info,
        on_fail: OnFail::Keep,
        threshold: Threshold::NONE,
        dimension: "uniqueness".to_owned(),
        line: 0,
    };
    let mut asked = promised.clone();
    asked.rules = pairs.iter().map(rule).collect();
    asked.columns.retain(|column| pairs.iter().any(|pair| pair.contains(&column.name)));
    let look = Look {
        now: look.now,
        samples: 0,
        redact: Vec::new(),
        lake: look.lake,
        earlier: None,
        seen: Default::default(),
    };
    let judgement = judge(subject, &asked, &look).await?;
    let results = pairs.iter().zip(&judgement.quality.rules);
    let unique = results.filter(|(_, result)| result.outcome == Outcome::Passed);
    Ok(unique.map(|(pair, _)| pair.clone()).next())
}

fn pairs(profile: &Profile) -> Vec<[String; 2]> {
    let columns: Vec<&Column> =
        profile.columns.iter().filter(|column| speaks_of_a_key(column)).take(COLUMNS).collect();
    let mut pairs = Vec::new();
    for (place, one) in columns.iter().enumerate() {
        for other in &columns[place + 1..] {
            // Too few values of both make too few pairs; estimates may be off.
            let most = one.distinct.count() as u128 * other.distinct.count() as u128;
            let enough = most * 10 >= u128::from(one.rows) * 8;
            if enough && (names_something(&one.name) || names_something(&other.name)) {
                pairs.push([one.name.clone(), other.name.clone()]);
            }
        }
    }
    pairs.truncate(PAIRS);
    pairs
}

fn speaks_of_a_key(column: &Column) -> bool {
    let name = column.name.to_ascii_lowercase();
    let last = name.rsplit(['_', '-']).next().unwrap_or_default();
    let named = names_something(&column.name) || PARTS.contains(&last);
    let kind = match column.kind {
        ColumnType::Text | ColumnType::Int | ColumnType::Long => named,
        ColumnType::Date => true,
        _ => false,
    };
    kind && column.nulls == 0 && column.rows >= ROWS && column.distinct.count() > 1
}
