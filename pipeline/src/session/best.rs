//! `min_by(value, key)` and `max_by(value, key)`: the value beside the least or greatest key of a
//! group. A key of several parts is a struct, `named_struct('a', a, 'b', b)`; NULL is the greatest.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, new_null_array};
use arrow::compute::{SortOptions, is_null, not, nullif, or};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

/// The two functions.
pub(super) fn functions() -> [AggregateUDF; 2] {
    let best = |name, greatest| Best {
        name,
        greatest,
        signature: Signature::any(2, Volatility::Immutable),
    };
    [best("min_by", false).into(), best("max_by", true).into()]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Best {
    name: &'static str,
    greatest: bool,
    signature: Signature,
}

impl AggregateUDFImpl for Best {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, kinds: &[DataType]) -> Result<DataType> {
        Ok(kinds[0].clone())
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let field = |part: &str, kind: &DataType| {
            Arc::new(Field::new(format!("{}[{part}]", args.name), kind.clone(), true))
        };
        let [value, key] = [0, 1].map(|place| args.input_fields[place].data_type());
        Ok(vec![field("value", value), field("key", key)])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Groups::new(self.greatest, &args)?))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(self.greatest, &args)?))
    }
}

/// The best of each group so far.
#[derive(Debug)]
struct Groups {
    greatest: bool,
    values: Column,
    keys: Column,
    best: Vec<Option<Found>>,
    bytes: usize,
}

/// A key and its value, as bytes that compare as they do.
#[derive(Debug, Clone)]
struct Found {
    key: Box<[u8]>,
    value: Box<[u8]>,
}

impl Groups {
    fn new(greatest: bool, args: &AccumulatorArgs<'_>) -> Result<Groups> {
        let column = |place: usize| Column::new(args.expr_fields[place].data_type());
        Ok(Groups { greatest, values: column(0)?, keys: column(1)?, best: Vec::new(), bytes: 0 })
    }

    fn take(
        &mut self,
        columns: &[ArrayRef],
        group: impl Fn(usize) -> usize,
        filter: Option<&BooleanArray>,
    ) -> Result<()> {
        let values = self.values.converter.convert_columns(&columns[..1])?;
        let keys = self.keys.converter.convert_columns(&columns[1..2])?;
        let nulls = columns[1].logical_nulls();
        for row in 0..columns[1].len() {
            let left_out = filter.is_some_and(|keep| keep.is_null(row) || !keep.value(row));
            if left_out || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let key = keys.row(row).data();
            let best = &mut self.best[group(row)];
            let better = best.as_ref().is_none_or(|known| match self.greatest {
                true => *key > *known.key,
                false => *key < *known.key,
            });
            if better {
                let value = values.row(row).data();
                self.bytes += key.len() + value.len();
                self.bytes -= best.as_ref().map_or(0, |known| known.key.len() + known.value.len());
                *best = Some(Found { key: key.into(), value: value.into() });
            }
        }
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> Result<[ArrayRef; 2]> {
        let best = emit_to.take_needed(&mut self.best);
        let found = best.iter().flatten();
        self.bytes -= found.map(|found| found.key.len() + found.value.len()).sum::<usize>();
        self.arrays(&best)
    }

    fn arrays(&self, best: &[Option<Found>]) -> Result<[ArrayRef; 2]> {
        let values = best.iter().map(|best| best.as_ref().map(|found| found.value.as_ref()));
        let keys = best.iter().map(|best| best.as_ref().map(|found| found.key.as_ref()));
        Ok([self.values.array(values)?, self.keys.array(keys)?])
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.best.resize(total_num_groups, None);
        self.take(values, |row| group_indices[row], opt_filter)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        GroupsAccumulator::update_batch(self, values, group_indices, opt_filter, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let [values, _] = self.emit(emit_to)?;
        Ok(values)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(self.emit(emit_to)?.to_vec())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let key = match opt_filter {
            Some(filter) => nullif(&values[1], &or(&is_null(filter)?, &not(filter)?)?)?,
            None => Arc::clone(&values[1]),
        };
        Ok(vec![Arc::clone(&values[0]), key])
    }

    fn supports_convert_to_state(&self) -> bool {
        true
    }

    fn size(&self) -> usize {
        self.bytes + self.best.capacity() * size_of::<Option<Found>>()
    }
}

/// Everything as one group.
impl Accumulator for Groups {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.best.resize(1, None);
        self.take(values, |_| 0, None)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        Accumulator::update_batch(self, states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(Accumulator::state(self)?.swap_remove(0))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.best.resize(1, None);
        let arrays = self.arrays(&self.best)?;
        arrays.iter().map(|array| ScalarValue::try_from_array(array, 0)).collect()
    }

    fn size(&self) -> usize {
        GroupsAccumulator::size(self)
    }
}

/// Values of one type, to and from bytes that compare as they do.
#[derive(Debug)]
struct Column {
    converter: RowConverter,
    /// NULL, as bytes.
    nothing: Box<[u8]>,
}

impl Column {
    fn new(kind: &DataType) -> Result<Column> {
        let options = SortOptions { descending: false, nulls_first: false };
        let field = SortField::new_with_options(kind.clone(), options);
        let converter = RowConverter::new(vec![field])?;
        let nothing = converter.convert_columns(&[new_null_array(kind, 1)])?;
        let nothing = nothing.row(0).data().as_ref().into();
        Ok(Column { converter, nothing })
    }

    fn array<'a>(&'a self, all: impl Iterator<Item = Option<&'a [u8]>>) -> Result<ArrayRef> {
        let parser = self.converter.parser();
        let rows = all.map(|bytes| parser.parse(bytes.unwrap_or(&self.nothing)));
        Ok(self.converter.convert_rows(rows)?.swap_remove(0))
    }
}

#[cfg(test)]
mod tests {
    use arrow::util::pretty::pretty_format_batches;
    use chrono::DateTime;
    use futures::TryStreamExt;

    use crate::session::{rows, session};

    async fn answer(sql: &str) -> String {
        let state = session(DateTime::UNIX_EPOCH, None);
        let plan = state.create_logical_plan(sql).await.unwrap();
        let batches: Vec<_> = rows(&state, &plan).await.unwrap().try_collect().await.unwrap();
        pretty_format_batches(&batches).unwrap().to_string()
    }

    #[tokio::test]
    async fn the_value_beside_the_least_and_the_greatest_key_is_found_in_each_group() {
        let found = answer(
            "SELECT g, min_by(v, k) AS least, max_by(v, k) AS most,
                min_by(v, named_struct('a', -n, 'b', v)) AS often,
                max_by(v, k) FILTER (WHERE k < 3) AS small
             FROM (VALUES (1, 'a', 2, 5), (1, 'b', 1, 7), (1, 'c', 3, 7), (2, 'd', NULL, 1),
                (3, NULL, 1, 2), (3, 'e', 2, 2)) AS t (g, v, k, n)
             GROUP BY g ORDER BY g",
        );
        insta::assert_snapshot!(found.await, @r"
        +---+-------+------+-------+-------+
        | g | least | most | often | small |
        +---+-------+------+-------+-------+
        | 1 | b     | c    | b     | a     |
        | 2 |       |      | d     |       |
        | 3 |       | e    | e     | e     |
        +---+-------+------+-------+-------+
        ");
    }

    #[tokio::test]
    async fn without_groups_everything_is_one() {
        let sql = "SELECT max_by(v, k) AS most, min_by(v, k) FILTER (WHERE k > 9) AS none
            FROM (VALUES ('a', 2), ('b', 5), ('c', 3)) AS t (v, k)";
        insta::assert_snapshot!(answer(sql).await, @r"
        +------+------+
        | most | none |
        +------+------+
        | b    |      |
        +------+------+
        ");
    }
}
