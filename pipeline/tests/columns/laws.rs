//! What is said of random queries is held against what happens when they are run.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use assay_lineage::plans::column_lineage;
use assay_lineage::{ColumnLineage, InputColumn};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use tokio::runtime::Runtime;

use super::desk::tables;

const TABLES: [(&str, [&str; 3]); 2] = [("t", ["id", "a", "b"]), ("u", ["id", "d", "e"])];

/// Bytes by which everything is decided; when there are no more, the first choice is taken.
struct Choices(std::vec::IntoIter<u8>);

impl Choices {
    fn of(&mut self, count: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % count
    }

    fn one<'a>(&mut self, among: &'a [String]) -> &'a str {
        &among[self.of(among.len())]
    }

    fn value(&mut self) -> Option<i64> {
        match self.of(5) {
            4 => None,
            small => Some(i64::try_from(small).unwrap() - 1),
        }
    }
}

/// A query whose answer, but for its order, does not depend on chance.
struct Query<'c> {
    choices: &'c mut Choices,
    names: usize,
}

impl Query<'_> {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("n{}", self.names)
    }

    /// SQL that gives `width` columns, and their names.
    fn query(&mut self, depth: usize, width: usize) -> (String, Vec<String>) {
        if depth > 0 && self.choices.of(5) == 4 {
            let (first, names) = self.query(depth - 1, width);
            let (second, _) = self.query(depth - 1, width);
            let word = ["UNION ALL", "UNION", "INTERSECT", "EXCEPT"][self.choices.of(4)];
            return (format!("({first}) {word} ({second})"), names);
        }
        let (from, columns) = self.from(depth);
        let filter = match self.choices.of(3) {
            2 => format!(" WHERE {}", self.condition(depth, &columns)),
            _ => String::new(),
        };
        let names: Vec<String> = (0..width).map(|_| self.name()).collect();
        let kind = self.choices.of(5);
        let keys: Vec<String> =
            (0..1 + self.choices.of(2)).map(|_| self.choices.one(&columns).to_owned()).collect();
        let mut list = vec![];
        for name in &names {
            let expr = match kind {
                3 => self.aggregate(&columns, &keys),
                4 => self.window(&columns),
                _ => self.value(depth, &columns),
            };
            list.push(format!("{expr} AS {name}"));
        }
        let distinct = if kind == 2 { "DISTINCT " } else { "" };
        let group = match kind {
            3 if self.choices.of(4) > 0 => format!(" GROUP BY {}", keys.join(", ")),
            _ => String::new(),
        };
        // Without groups, a key is no aggregate.
        let list = match (kind, group.is_empty()) {
            (3, true) => names.iter().map(|name| format!("count({}) AS {name}", keys[0])).collect(),
            _ => list,
        };
        (format!("SELECT {distinct}{}{from}{filter}{group}", list.join(", ")), names)
    }

    /// ` FROM …`, and the columns that can be named behind it.
    fn from(&mut self, depth: usize) -> (String, Vec<String>) {
        let (left, mut columns) = self.relation(depth);
        let kinds = ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];
        let kind = self.choices.of(8);
        let Some(kind) = kinds.get(kind) else { return (format!(" FROM {left}"), columns) };
        let (right, more) = self.relation(depth);
        let on = format!("{} = {}", self.choices.one(&columns), self.choices.one(&more));
        columns.extend(more);
        (format!(" FROM {left} {kind} {right} ON {on}"), columns)
    }

    fn relation(&mut self, depth: usize) -> (String, Vec<String>) {
        let name = self.name();
        if depth > 0 && self.choices.of(2) == 1 {
            let width = 1 + self.choices.of(3);
            let (sql, columns) = self.query(depth - 1, width);
            return (format!("({sql}) AS {name}"), qualified(&name, &columns));
        }
        let (table, columns) = TABLES[self.choices.of(2)];
        (format!("{table} AS {name}"), qualified(&name, &columns.map(str::to_owned)))
    }

    fn value(&mut self, depth: usize, columns: &[String]) -> String {
        let column = self.choices.one(columns).to_owned();
        match self.choices.of(8) {
            0..=2 => column,
            3 => format!("{column} + {}", self.choices.one(columns)),
            4 => format!("coalesce({column}, {})", self.choices.one(columns)),
            5 => {
                let condition = self.condition(0, columns);
                format!("CASE WHEN {condition} THEN {column} ELSE 7 END")
            }
            6 if depth > 0 => {
                let (table, inner) = TABLES[self.choices.of(2)];
                let inner = inner[self.choices.of(3)];
                let outer = self.choices.one(columns);
                format!("(SELECT max(i.{inner}) FROM {table} AS i WHERE i.id = {outer})")
            }
            _ => format!("{column} * 0 + 1"),
        }
    }

    fn condition(&mut self, depth: usize, columns: &[String]) -> String {
        let column = self.choices.one(columns).to_owned();
        let (table, inner) = TABLES[self.choices.of(2)];
        let inner = inner[self.choices.of(3)];
        match self.choices.of(7) {
            0 => format!("{column} > 0"),
            1 => format!("{column} = {}", self.choices.one(columns)),
            2 => format!("{column} IS NULL OR {} < 2", self.choices.one(columns)),
            3 if depth > 0 => format!("{column} IN (SELECT {inner} FROM {table} WHERE id > 0)"),
            4 if depth > 0 => {
                format!("EXISTS (SELECT 1 FROM {table} AS i WHERE i.{inner} = {column})")
            }
            5 if depth > 0 => {
                format!("NOT EXISTS (SELECT 1 FROM {table} AS i WHERE i.{inner} = {column})")
            }
            _ => format!("{column} > (SELECT min({inner}) FROM {table})"),
        }
    }

    fn aggregate(&mut self, columns: &[String], keys: &[String]) -> String {
        let column = self.choices.one(columns).to_owned();
        match self.choices.of(6) {
            0 => self.choices.one(keys).to_owned(),
            1 => format!("sum({column})"),
            2 => "count(*)".to_owned(),
            3 => format!("count(DISTINCT {column})"),
            4 => format!("max({column}) FILTER (WHERE {} > 0)", self.choices.one(columns)),
            _ => format!("min({column}) + 1"),
        }
    }

    fn window(&mut self, columns: &[String]) -> String {
        let column = self.choices.one(columns).to_owned();
        let (part, key) = (self.choices.one(columns).to_owned(), self.choices.one(columns));
        match self.choices.of(4) {
            0 => column,
            1 => format!("sum({column}) OVER (PARTITION BY {part})"),
            2 => format!("rank() OVER (PARTITION BY {part} ORDER BY {key})"),
            _ => format!("max({column}) OVER (ORDER BY {key})"),
        }
    }
}

fn qualified(table: &str, columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| format!("{table}.{column}")).collect()
}

/// Cells of both tables, by column.
type Data = [[Vec<Option<i64>>; 3]; 2];

fn data(choices: &mut Choices) -> Data {
    [0, 1].map(|_| {
        let rows = 1 + choices.of(5);
        [0, 1, 2].map(|_| (0..rows).map(|_| choices.value()).collect())
    })
}

/// Where queries are planned and run.
struct Desk {
    runtime: Runtime,
    context: SessionContext,
}

impl Desk {
    fn new() -> Desk {
        let config = SessionConfig::new().with_target_partitions(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Desk { runtime, context: SessionContext::new_with_config(config) }
    }

    /// Lays out the tables, without those columns that `leave` names.
    fn lay(&self, data: &Data, leave: &dyn Fn(&str, &str) -> bool) {
        for ((table, names), columns) in TABLES.iter().zip(data) {
            let kept = || names.iter().zip(columns).filter(|(name, _)| !leave(table, name));
            let fields = kept().map(|(name, _)| Field::new(*name, DataType::Int64, true));
            let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
            let array = |(_, cells): (_, &Vec<Option<i64>>)| {
                Arc::new(Int64Array::from(cells.clone())) as ArrayRef
            };
            let rows = RecordBatchOptions::new().with_row_count(Some(columns[0].len()));
            let rows = RecordBatch::try_new_with_options(
                Arc::clone(&schema),
                kept().map(array).collect(),
                &rows,
            );
            let memory = MemTable::try_new(schema, vec![vec![rows.unwrap()]]).unwrap();
            self.context.deregister_table(*table).unwrap();
            self.context.register_table(*table, Arc::new(memory)).unwrap();
        }
    }

    fn lineage(&self, sql: &str) -> Option<ColumnLineage> {
        let state = self.context.state();
        let written = self.runtime.block_on(state.create_logical_plan(sql)).ok()?;
        let optimized = state.optimize(&written).ok()?;
        Some(column_lineage(&written, &optimized, &tables()))
    }

    /// The cells of each column, sorted: which row came first is chance.
    fn answer(&self, sql: &str) -> Option<Vec<Vec<String>>> {
        let run = async {
            let frame = self.context.sql(sql).await?;
            let width = frame.schema().fields().len();
            Ok::<_, DataFusionError>((width, frame.collect().await?))
        };
        let (width, batches) = self.runtime.block_on(run).ok()?;
        let mut answer = vec![vec![]; width];
        for batch in &batches {
            for (cells, column) in answer.iter_mut().zip(batch.columns()) {
                let cell = |row| array_value_to_string(column, row).unwrap();
                cells.extend((0..column.len()).map(cell));
            }
        }
        answer.iter_mut().for_each(|cells| cells.sort());
        Some(answer)
    }
}

fn has(inputs: &[InputColumn], table: &str, column: &str) -> bool {
    inputs.iter().any(|input| input.dataset.name() == table && input.column == column)
}

/// Whether `column` is said to have any part in the output at `place`.
fn uses(lineage: &ColumnLineage, place: usize, table: &str, column: &str) -> bool {
    has(&lineage.columns[place].inputs, table, column) || has(&lineage.rows, table, column)
}

/// What a run of the law saw, so that it can't pass by seeing nothing.
#[derive(Default)]
struct Seen {
    unused: usize,
    used: usize,
    changed: usize,
    kinds: BTreeSet<String>,
}

fn run(cases: u32, law: impl Fn(&mut Choices, &Desk) -> Result<(), TestCaseError>) {
    let desk = Desk::new();
    #[allow(clippy::disallowed_methods, reason = "how long to search is for the one who tests")]
    let more = if std::env::var_os("ASSAY_BAD_DAYS").is_some() { 8 } else { 1 };
    let config = Config { cases: cases * more, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let bytes = prop::collection::vec(any::<u8>(), 120);
    let done = TestRunner::new_with_rng(config, rng)
        .run(&bytes, |bytes| law(&mut Choices(bytes.into_iter()), &desk));
    match done {
        Err(TestError::Fail(why, _)) => panic!("{why}"),
        done => done.unwrap(),
    }
}

#[test]
fn a_column_that_is_no_input_has_no_part_in_the_answer() {
    let seen = std::cell::RefCell::new(Seen::default());
    run(80, |choices, desk| {
        let mut rows =
            Choices((0..40).map(|_| choices.of(256) as u8).collect::<Vec<_>>().into_iter());
        let before = data(&mut rows);
        let width = 1 + choices.of(2);
        let (sql, _) = Query { choices, names: 0 }.query(2, width);
        desk.lay(&before, &|_, _| false);
        let Some(lineage) = desk.lineage(&sql) else { return Ok(()) };
        prop_assert!(lineage.unknown.is_empty(), "{sql}: {:?}", lineage.unknown);
        let Some(first) = desk.answer(&sql) else { return Ok(()) };
        let mut seen = seen.borrow_mut();
        let words =
            ["JOIN", "GROUP BY", "OVER", "UNION", "EXCEPT", "EXISTS", "IN (", "(SELECT max"];
        seen.kinds
            .extend(words.iter().filter(|word| sql.contains(**word)).map(|w| (*w).to_owned()));
        for (which, (table, names)) in TABLES.iter().enumerate() {
            for (place, column) in names.iter().enumerate() {
                let mut after = before.clone();
                for cell in &mut after[which][place] {
                    *cell = rows.value();
                }
                desk.lay(&after, &|_, _| false);
                let Some(second) = desk.answer(&sql) else { continue };
                for output in 0..width {
                    let same = first[output] == second[output];
                    if uses(&lineage, output, table, column) {
                        seen.used += 1;
                        seen.changed += usize::from(!same);
                    } else {
                        seen.unused += 1;
                        prop_assert!(
                            same,
                            "{table}.{column} is no input of column {output} of\n{sql}\nand yet \
                             {:?} became {:?}\n{before:?}\n{after:?}\n{lineage:?}",
                            first[output],
                            second[output]
                        );
                    }
                }
            }
        }
        Ok(())
    });
    let seen = seen.borrow();
    assert!(seen.unused > 150, "only {} columns that are no input", seen.unused);
    // If everything were called an input, the law would hold as well.
    assert!(seen.changed * 8 > seen.used, "{} of {} inputs matter", seen.changed, seen.used);
    assert!(seen.kinds.len() > 5, "{:?}", seen.kinds);
}

#[test]
fn what_is_no_input_need_not_be_there_and_every_input_is() {
    let compared = std::cell::Cell::new(0);
    run(80, |choices, desk| {
        let width = 1 + choices.of(2);
        let (sql, _) = Query { choices, names: 0 }.query(2, width);
        let none: Data = Default::default();
        desk.lay(&none, &|_, _| false);
        let Some(lineage) = desk.lineage(&sql) else { return Ok(()) };
        let inputs = || lineage.columns.iter().flat_map(|c| &c.inputs).chain(&lineage.rows);
        for input in inputs() {
            let there = TABLES.iter().any(|(table, names)| {
                input.dataset.name() == *table && names.contains(&input.column.as_str())
            });
            prop_assert!(there, "{input:?} is no column of a table");
            prop_assert!(input.direct.is_some() || !input.indirect.is_empty());
        }
        let named = |table: &str, column: &str| {
            inputs().any(|i| i.dataset.name() == table && i.column == column)
        };
        desk.lay(&none, &|table, column| !named(table, column));
        // What is dead may still be written in the SQL.
        if let Some(fewer) = desk.lineage(&sql) {
            prop_assert_eq!(&fewer, &lineage, "{}", sql);
            compared.set(compared.get() + 1);
        }
        Ok(())
    });
    assert!(compared.get() > 20, "only {} queries could be compared", compared.get());
}
