//! Filter, extract and model: the pure first half of a stage.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{
    CastOptions, cast_with_options, concat_batches, filter_record_batch, is_not_null, is_null,
    take_record_batch,
};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;

use super::exact::changed;
use super::{Expression, ModelError, RowModel, Stage};

/// A row that could not be brought into the shape of its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Its index in the chunk.
    pub(crate) row: u32,
    /// What is wrong and where, without any value.
    pub(crate) why: String,
}

/// A chunk in the shape of the stage's target.
#[derive(Debug)]
pub(crate) struct Shaped {
    pub(crate) rows: RecordBatch,
    /// For each of `rows`, its index in the chunk.
    pub(crate) input: Vec<u32>,
    pub(crate) filtered: u64,
    pub(crate) broken: Vec<Broken>,
}

/// A stage can't shape rows at all: a defect of the pipeline, not of a row.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("stage {stage}: {what}; {fix}")]
    Model { stage: String, what: String, fix: String },
    #[error("stage {stage}: the rows are not of the shape that was planned")]
    Rows {
        stage: String,
        #[source]
        source: ArrowError,
    },
}

/// A stage's filter, extract and model, compiled for one batch.
#[derive(Debug)]
pub(crate) struct Shaper<'a> {
    stage: &'a Stage,
    filter: Option<Expression>,
    model: RowModel,
}

impl Stage {
    /// Compiles the steps of a row stage for the batch that begins at `at`.
    pub(crate) fn shaper(&self, at: DateTime<Utc>) -> Result<Shaper<'_>, StageError> {
        let wrong = |error: ModelError| StageError::Model {
            stage: self.id.to_string(),
            what: error.what,
            fix: error.fix,
        };
        let source = self.reads.schema();
        let filter = self.filter.as_deref().map(|sql| Expression::compile(sql, &source, at));
        let extracted = self.extract.schema(&source);
        let model = RowModel::plan(&self.model, self.reads.dataset(), &extracted, at);
        Ok(Shaper {
            stage: self,
            filter: filter.transpose().map_err(wrong)?,
            model: model.map_err(|errors| wrong(ModelError::joined(errors)))?,
        })
    }
}

impl Shaper<'_> {
    /// Brings a chunk into the shape of the target. Rows in which a value does not fit come back
    /// as broken; an expression that fails for a row breaks that row and no other.
    pub(crate) fn shape(&self, rows: &RecordBatch) -> Result<Shaped, StageError> {
        self.steps(rows)
            .map_err(|source| StageError::Rows { stage: self.stage.id.to_string(), source })
    }

    fn steps(&self, rows: &RecordBatch) -> Result<Shaped, ArrowError> {
        let all: UInt32Array = (0..rows.num_rows()).map(|row| u32::try_from(row).ok()).collect();
        let mut broken = Vec::new();
        let (kept, input, filtered) = self.filter(rows, &all, &mut broken)?;

        let (extracted, complaints) = self.stage.extract.apply(&kept)?;
        let place = |row: u32| input.value(row as usize);
        broken.extend(
            complaints.iter().map(|(row, why)| Broken { row: place(*row), why: why.clone() }),
        );
        let (extracted, input) =
            without(&extracted, &input, complaints.iter().map(|(row, _)| *row))?;

        let mut failed = Vec::new();
        let modelled = self.evaluate(&extracted, 0, &mut failed)?;
        broken.extend(
            failed
                .iter()
                .map(|(row, why)| Broken { row: input.value(*row as usize), why: why.clone() }),
        );
        let (_, input) = without(&extracted, &input, failed.iter().map(|(row, _)| *row))?;

        let (rows, misfits) = conform(&modelled, &self.stage.writes.schema)?;
        broken.extend(
            misfits
                .iter()
                .map(|(row, why)| Broken { row: input.value(*row as usize), why: why.clone() }),
        );
        let (rows, input) = without(&rows, &input, misfits.iter().map(|(row, _)| *row))?;

        broken.sort_by_key(|broken| broken.row);
        Ok(Shaped { rows, input: input.values().to_vec(), filtered, broken })
    }

    fn filter(
        &self,
        rows: &RecordBatch,
        all: &UInt32Array,
        broken: &mut Vec<Broken>,
    ) -> Result<(RecordBatch, UInt32Array, u64), ArrowError> {
        let Some(filter) = &self.filter else { return Ok((rows.clone(), all.clone(), 0)) };
        let mut failed = Vec::new();
        let keep = each(rows, 0, &mut failed, "the filter", &|rows| filter.evaluate(rows))?;
        broken.extend(failed.iter().map(|(row, why)| Broken { row: *row, why: why.clone() }));
        let Some(keep) = keep else { return Ok((rows.slice(0, 0), all.slice(0, 0), 0)) };
        let (rows, all) = without(rows, all, failed.iter().map(|(row, _)| *row))?;
        // A condition that is unknown is not met, as in SQL.
        let keep: BooleanArray =
            keep.as_boolean().iter().map(|keep| Some(keep == Some(true))).collect();
        let kept = filter_record_batch(&rows, &keep)?;
        let input = arrow::compute::filter(&all, &keep)?.as_primitive().clone();
        let dropped = keep.iter().filter(|keep| *keep == Some(false)).count() as u64;
        Ok((kept, input, dropped))
    }

    /// Evaluates the model; where it fails, halves the rows until those that fail stand alone.
    fn evaluate(
        &self,
        rows: &RecordBatch,
        first: u32,
        failed: &mut Vec<(u32, String)>,
    ) -> Result<RecordBatch, ArrowError> {
        let error = match self.model.apply(rows) {
            Ok(modelled) => return Ok(modelled),
            Err(error) => error,
        };
        if rows.num_rows() <= 1 {
            failed.push((first, format!("the model: {}", kind_of(&error))));
            return Ok(RecordBatch::new_empty(Arc::clone(self.model.schema())));
        }
        let half = rows.num_rows() / 2;
        let upper = self.evaluate(&rows.slice(0, half), first, failed)?;
        let rest = rows.slice(half, rows.num_rows() - half);
        let second = first + u32::try_from(half).unwrap_or(u32::MAX);
        let lower = self.evaluate(&rest, second, failed)?;
        concat_batches(self.model.schema(), [&upper, &lower])
    }
}

/// Evaluates one expression; rows for which it fails are named and left out of the answer.
fn each(
    rows: &RecordBatch,
    first: u32,
    failed: &mut Vec<(u32, String)>,
    step: &str,
    evaluate: &dyn Fn(&RecordBatch) -> Result<ArrayRef, DataFusionError>,
) -> Result<Option<ArrayRef>, ArrowError> {
    let error = match evaluate(rows) {
        Ok(values) => return Ok(Some(values)),
        Err(error) => error,
    };
    if rows.num_rows() <= 1 {
        failed.push((first, format!("{step}: {}", kind_of(&error))));
        return Ok(None);
    }
    let half = rows.num_rows() / 2;
    let upper = each(&rows.slice(0, half), first, failed, step, evaluate)?;
    let second = first + u32::try_from(half).unwrap_or(u32::MAX);
    let rest = rows.slice(half, rows.num_rows() - half);
    let lower = each(&rest, second, failed, step, evaluate)?;
    Ok(match (upper, lower) {
        (Some(upper), Some(lower)) => Some(arrow::compute::concat(&[&upper, &lower])?),
        (upper, lower) => upper.or(lower),
    })
}

/// `rows` and `input` without the rows named.
fn without(
    rows: &RecordBatch,
    input: &UInt32Array,
    gone: impl Iterator<Item = u32>,
) -> Result<(RecordBatch, UInt32Array), ArrowError> {
    let mut keep = vec![true; input.len()];
    let mut any = false;
    for row in gone {
        keep[row as usize] = false;
        any = true;
    }
    if !any {
        return Ok((rows.clone(), input.clone()));
    }
    let places: UInt32Array =
        (0u32..).zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| Some(row)).collect();
    let input = arrow::compute::take(input, &places, None)?.as_primitive().clone();
    // The rows may have been left out already, by the step that found them.
    let rows = match rows.num_rows() == keep.len() {
        true => take_record_batch(rows, &places)?,
        false => rows.clone(),
    };
    Ok((rows, input))
}

/// Casts every column to the type that the contract says; a value that does not fit names its row.
pub(crate) fn conform(
    rows: &RecordBatch,
    schema: &SchemaRef,
) -> Result<(RecordBatch, Vec<(u32, String)>), ArrowError> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let mut columns = Vec::with_capacity(schema.fields().len());
    let mut misfits: Vec<(u32, String)> = Vec::new();
    for field in schema.fields() {
        let column = rows.column_by_name(field.name()).ok_or_else(|| {
            ArrowError::SchemaError(format!("the model gives no column `{}`", field.name()))
        })?;
        let fitted = match column.data_type() == field.data_type() {
            true => Arc::clone(column),
            false => cast_with_options(column, field.data_type(), &options)?,
        };
        if fitted.null_count() > column.logical_null_count() {
            let lost = arrow::compute::and(&is_not_null(column)?, &is_null(&fitted)?)?;
            let why = format!("`{}` does not fit {}", field.name(), plain(field.data_type()));
            misfits.extend(set_rows(&lost).map(|row| (row, why.clone())));
        }
        if let Some((changed, how)) = changed(column, &fitted)? {
            let why = || format!("`{}` {how}", field.name());
            misfits.extend(set_rows(&changed).map(|row| (row, why())));
        }
        columns.push(fitted);
    }
    misfits.sort();
    misfits.dedup_by_key(|(row, _)| *row);
    Ok((RecordBatch::try_new(Arc::clone(schema), columns)?, misfits))
}

fn set_rows(mask: &BooleanArray) -> impl Iterator<Item = u32> + '_ {
    (0u32..).zip(mask.iter()).filter(|(_, set)| *set == Some(true)).map(|(row, _)| row)
}

fn plain(kind: &DataType) -> &'static str {
    match kind {
        DataType::Int32 => "an int",
        DataType::Int64 => "a bigint",
        DataType::Float64 => "a double",
        DataType::Decimal128(..) => "its decimal",
        DataType::Date32 => "a date",
        DataType::Timestamp(..) => "a timestamp",
        DataType::Boolean => "a boolean",
        _ => "a text",
    }
}

/// What kind of error an evaluation gave. Its own text may quote the value, so it is not used.
fn kind_of(error: &DataFusionError) -> &'static str {
    match error.find_root() {
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::CastError(_) | ArrowError::ParseError(_) => "a value can't be cast",
            ArrowError::DivideByZero => "division by zero",
            ArrowError::ArithmeticOverflow(_) | ArrowError::ComputeError(_) => {
                "a calculation overflows"
            }
            ArrowError::InvalidArgumentError(what) if what.contains("Decimal") => {
                "a number has more digits than its decimal type"
            }
            _ => "a value is not what it should be",
        },
        _ => "an expression can't be evaluated for this row",
    }
}

#[cfg(test)]
mod tests;
