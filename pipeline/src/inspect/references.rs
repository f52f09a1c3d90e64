//! The datasets that rules refer to, and what they know of the rows that are judged.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use assay_quality::{Facts, Reference, Suite};

use super::InspectError;
use super::subject::open_table;
use crate::lake::Lake;
use crate::stage::fits;
use crate::target::{Lookup, TargetError};

/// For each reference of a suite where it is looked up; nothing where there is no such table.
pub(super) struct References(Vec<(Reference, Option<Box<dyn Lookup>>)>);

impl References {
    pub(super) async fn open(
        suite: &Suite,
        schema: &SchemaRef,
        lake: Option<&Lake>,
    ) -> Result<References, InspectError> {
        let mut all = Vec::new();
        for reference in suite.references() {
            all.push((reference.clone(), lookup(reference, schema, lake).await?));
        }
        Ok(References(all))
    }

    /// False of a rule whose dataset is not there.
    pub(super) fn asked(&self, rule: &str) -> bool {
        self.0.iter().all(|(reference, there)| reference.rule != rule || there.is_some())
    }

    /// Says which rules that is so of.
    pub(super) fn unasked(&self) -> Option<String> {
        let missing = self.0.iter().filter(|(_, lookup)| lookup.is_none());
        let missing: Vec<String> = missing
            .map(|(reference, _)| format!("{} ({})", reference.rule, reference.dataset))
            .collect();
        (!missing.is_empty()).then(|| {
            format!(
                "there is no such table in the lake, so these rules are not evaluated and send no \
                 row away: {}; name the data folder with --data-dir",
                missing.join(", ")
            )
        })
    }

    pub(super) async fn facts(
        &self,
        rows: &RecordBatch,
        name: &str,
    ) -> Result<Facts, InspectError> {
        let wrong = |error: ArrowError| InspectError::rows(name, &error.into());
        let mut facts = Facts::default();
        for (reference, lookup) in &self.0 {
            let Some(lookup) = lookup else {
                // That it was not asked.
                facts.known.push(BooleanArray::from(Vec::<bool>::new()));
                continue;
            };
            let columns = reference.places.iter().zip(&reference.targets);
            let columns =
                columns.map(|(place, name)| (name, Arc::clone(rows.column(*place)), true));
            let keys = RecordBatch::try_from_iter_with_nullable(columns).map_err(wrong)?;
            facts.known.push(lookup.known(&keys).await?);
        }
        Ok(facts)
    }
}

/// Where the other dataset is looked at; nothing when there is none. That it has no such column, or
/// one of other values, is a mistake of the contract, and no row's.
async fn lookup(
    reference: &Reference,
    schema: &SchemaRef,
    lake: Option<&Lake>,
) -> Result<Option<Box<dyn Lookup>>, InspectError> {
    let Some(lake) = lake else { return Ok(None) };
    let dataset = &reference.dataset;
    let there = match open_table(Some(lake), dataset, None).await {
        Ok(opened) => opened.provider.schema(),
        Err(InspectError::Table(TargetError::Missing { .. })) => return Ok(None),
        Err(error) => return Err(error),
    };
    let wrong = |what: String| InspectError::Unfit(format!("{}: {what}", reference.rule));
    for (place, target) in reference.places.iter().zip(&reference.targets) {
        let Some((_, field)) = there.column_with_name(target) else {
            let known: Vec<&str> = there.fields().iter().map(|it| it.name().as_str()).collect();
            let known = known.join(", ");
            return Err(wrong(format!("{dataset} has no column `{target}`, it has {known}")));
        };
        let own = schema.field(*place);
        let (own, its) = (own.data_type(), field.data_type());
        if !fits(own, its) && !fits(its, own) {
            let what = format!("`{target}` of {dataset} is {its}, and what refers to it is {own}");
            return Err(wrong(what));
        }
    }
    Ok(Some(lake.lookup(dataset, &reference.targets).await?))
}
