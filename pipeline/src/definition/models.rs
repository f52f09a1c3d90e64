//! SQL models, held against the contracts of what they read and write.

use chrono::{DateTime, Utc};

use super::TableSpec;
use super::file::StageFile;
use super::load::Loader;
use crate::stage::{Extract, ModelError, Reads, RowModel, fits, line_of, query_columns};

impl Loader<'_> {
    /// Plans the model of a row stage; an aggregate's needs its target to be planned.
    pub(super) fn projection_plans(
        &mut self,
        file: &StageFile,
        sql: &str,
        reads: &Reads,
        extract: &Extract,
    ) -> Option<RowModel> {
        if file.aggregate.is_some() {
            return None;
        }
        let schema = extract.schema(&reads.schema());
        let planned = RowModel::plan(sql, reads.dataset(), &schema, DateTime::<Utc>::UNIX_EPOCH);
        planned.map_err(|errors| self.model_mistakes(&file.model, errors)).ok()
    }

    pub(super) fn query(
        &mut self,
        file: &StageFile,
        sql: &str,
        reads: &Reads,
        writes: &TableSpec,
    ) -> Option<()> {
        let source = reads.schema();
        match query_columns(sql, &[(reads.dataset(), &source)], &writes.schema) {
            Ok(columns) => self.columns_fit(&file.model, sql, &columns, writes),
            Err(errors) => self.model_mistakes(&file.model, errors),
        }
    }

    pub(super) fn model_mistakes(&mut self, path: &str, errors: Vec<ModelError>) -> Option<()> {
        let place = self.folder.place(path);
        self.mistakes.extend(errors.into_iter().map(|error| assay_core::Mistake {
            file: place.clone(),
            line: error.line,
            what: error.what,
            fix: Some(error.fix),
        }));
        None
    }

    /// The model gives the columns of the contract: all, no other, and of a type that fits.
    pub(super) fn columns_fit(
        &mut self,
        path: &str,
        sql: &str,
        model: &arrow::datatypes::Schema,
        writes: &TableSpec,
    ) -> Option<()> {
        let before = self.mistakes.len();
        let place = self.folder.place(path);
        // What is there is on its last line; what is missing belongs into the last SELECT.
        let mut complain = |word: &str, what: String, fix: String| {
            let line = line_of(sql, word).or_else(|| line_of(sql, "select"));
            let file = place.clone();
            self.mistakes.push(assay_core::Mistake { file, line, what, fix: Some(fix) });
        };
        for wanted in writes.schema.fields() {
            let name = wanted.name();
            match model.field_with_name(name) {
                Err(_) => complain(
                    "select",
                    format!("the model lacks `{name}`, which {} promises", writes.contract.file),
                    format!("select it: `… AS {name}`"),
                ),
                Ok(field) if !fits(field.data_type(), wanted.data_type()) => {
                    let kind =
                        writes.contract.column(name).map(|c| c.kind.name()).unwrap_or_default();
                    complain(
                        name,
                        format!(
                            "`{name}` is {} in the model and {kind} in the contract",
                            field.data_type()
                        ),
                        format!("CAST it, or change the contract of {}", writes.dataset),
                    );
                }
                Ok(_) => {}
            }
        }
        for field in model.fields() {
            if writes.schema.field_with_name(field.name()).is_err() {
                complain(
                    field.name(),
                    format!("the model gives `{}`, which the contract does not have", field.name()),
                    format!("add it to {}, or remove it", writes.contract.file),
                );
            }
        }
        (self.mistakes.len() == before).then_some(())
    }
}
