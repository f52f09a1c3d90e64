//! Stages, checked against the datasets that they read and write.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::datatypes::DataType;
use assay_core::{DatasetName, OnFail, StageId};
use assay_quality::{Breaker, Suite};
use chrono::{DateTime, Utc};

use super::file::{AggregateFile, StageFile};
use super::load::Loader;
use super::{Aggregate, TableSpec};
use crate::runner::Pace;
use crate::stage::{Expression, Extract, ExtractColumn, Reads, RowModel, Stage};

impl Loader<'_> {
    pub(super) fn stages(&mut self, pipeline: &str, files: &[StageFile]) -> Vec<Arc<Stage>> {
        let mut stages: Vec<Arc<Stage>> = Vec::new();
        for (place, file) in files.iter().enumerate() {
            let at = format!("/stages/{place}");
            self.name(&format!("{at}/name"), &file.name);
            if files[..place].iter().any(|earlier| earlier.name == file.name) {
                let what = format!("there are two stages `{}`", file.name);
                self.mistake(&format!("{at}/name"), what, "give one another name");
            }
            if files[..place].iter().any(|earlier| earlier.write == file.write) {
                let what = format!("two stages write {}", file.write);
                self.mistake(
                    &format!("{at}/write"),
                    what,
                    "let each stage write a table of its own",
                );
            }
            if let Some(later) = files[place..].iter().find(|later| later.write == file.read) {
                let what = format!("{} is read before `{}` writes it", file.read, later.name);
                self.mistake(
                    &format!("{at}/read"),
                    what,
                    "list the stages in the order of the data",
                );
            }
            stages.extend(self.stage(&at, pipeline, file).map(Arc::new));
        }
        stages
    }

    fn stage(&mut self, at: &str, pipeline: &str, file: &StageFile) -> Option<Stage> {
        let reads = self.reads(at, file);
        let writes = self.writes(at, file);
        let sql = self.text(&format!("{at}/model"), &file.model);
        let extract = reads.as_ref().map(|reads| {
            self.steps_fit(at, file, reads);
            self.extract(at, file, reads)
        });
        if let (Some(reads), Some(extract), Some(sql), None) = (&reads, &extract, &sql, &writes) {
            // The target has mistakes of its own; the model may have others.
            self.projection_plans(file, sql, reads, extract);
        }
        let (reads, extract, writes, sql) = (reads?, extract?, writes?, sql?);
        let aggregate = file
            .aggregate
            .as_ref()
            .and_then(|aggregate| self.aggregate(at, file, aggregate, &reads, &writes));
        let planned = match file.aggregate.is_some() {
            true => self.query(file, &sql, &reads, &writes),
            false => {
                let model = self.projection_plans(file, &sql, &reads, &extract);
                if let Some(model) = &model {
                    self.day_fits(at, file, model, &reads, &writes);
                }
                model.and_then(|model| self.columns_fit(&file.model, &sql, model.schema(), &writes))
            }
        };
        self.deduplicate_fits(at, file, &writes);
        self.database_fits(at, file, &reads, &writes);
        let event_time =
            file.event_time.as_ref().and_then(|time| self.event_time(at, time, &reads, &writes));
        let also = self.also(at, file, &reads, &writes);
        let suite = self.suite(&writes, file.aggregate.is_some())?;
        let mut references = BTreeMap::new();
        for reference in suite.references() {
            if let Some(table) = self.reference(at, &reference.dataset, &reference.targets) {
                references.insert(reference.dataset.clone(), table);
            }
        }
        planned?;
        let also = also?;
        Some(Stage {
            id: StageId { pipeline: pipeline.to_owned(), stage: file.name.clone() },
            reads,
            writes,
            filter: file.filter.clone(),
            extract,
            model: sql,
            deduplicate: file.deduplicate.clone(),
            aggregate,
            event_time,
            also,
            day: file.day.clone(),
            suite,
            columns: OnceLock::new(),
            also_columns: OnceLock::new(),
            references,
            pace: self.pace(at, file),
            breaker: file.breaker.as_ref().map_or_else(Breaker::default, |breaker| Breaker {
                percent: breaker.percent,
                at_least_rows: breaker.at_least_rows.unwrap_or(100),
            }),
        })
    }

    /// When the stage commits while it follows. An aggregate reads whole days for each commit.
    fn pace(&mut self, at: &str, file: &StageFile) -> Pace {
        let default = match file.aggregate {
            Some(_) => Pace { every: Duration::from_secs(60), ..Pace::default() },
            None => Pace::default(),
        };
        let Some(commit) = &file.commit else { return default };
        let every = commit.seconds.map(Duration::try_from_secs_f64);
        let none = commit.rows == Some(0) || commit.megabytes == Some(0);
        if none || every.as_ref().is_some_and(|every| !every.as_ref().is_ok_and(|e| !e.is_zero())) {
            let what = "a commit of no rows, no bytes or no time never comes";
            self.mistake(&format!("{at}/commit"), what, "write numbers above 0");
        }
        Pace {
            rows: commit.rows.unwrap_or(default.rows),
            bytes: commit.megabytes.map_or(default.bytes, |megabytes| megabytes << 20),
            every: every.and_then(Result::ok).unwrap_or(default.every),
            ..default
        }
    }

    fn reads(&mut self, at: &str, file: &StageFile) -> Option<Reads> {
        let at = format!("{at}/read");
        let dataset = self.dataset_named(&at, &file.read)?;
        if let Some(topic) = self.topics.get(&dataset) {
            return Some(Reads::Topic(Arc::clone(topic)));
        }
        if let Some(table) = self.tables.get(&dataset) {
            return Some(Reads::Table(Arc::clone(table)));
        }
        self.undeclared(&at, &dataset);
        None
    }

    fn writes(&mut self, at: &str, file: &StageFile) -> Option<Arc<TableSpec>> {
        let at = format!("{at}/write");
        let dataset = self.dataset_named(&at, &file.write)?;
        if let Some(table) = self.tables.get(&dataset) {
            return Some(Arc::clone(table));
        }
        if self.topics.contains_key(&dataset) {
            self.mistake(&at, format!("{dataset} is a topic"), "a stage writes a table");
        } else {
            self.undeclared(&at, &dataset);
        }
        None
    }

    pub(super) fn undeclared(&mut self, at: &str, dataset: &DatasetName) {
        if !self.broken.contains(dataset) {
            let what = format!("{dataset} is not a dataset of this pipeline");
            self.mistake(at, what, "declare it under `datasets`");
        }
    }

    /// The extract step; where it has mistakes, still with its columns, so that the model can be
    /// looked at.
    fn extract(&mut self, at: &str, file: &StageFile, reads: &Reads) -> Extract {
        let schema = reads.schema();
        let mut columns = Vec::new();
        for (name, column) in &file.extract {
            let at = format!("{at}/extract/{name}");
            match schema.field_with_name(&column.from) {
                Ok(field) if field.data_type() == &DataType::Utf8 => {}
                Ok(_) => self.mistake(
                    &at,
                    format!("`{}` is no text", column.from),
                    "extract from a text column",
                ),
                Err(_) => {
                    let what = format!("{} has no column `{}`", file.read, column.from);
                    self.mistake(&at, what, "extract from a column of what the stage reads");
                }
            }
            if schema.field_with_name(name).is_ok() {
                let what = format!("{} has a column `{name}` already", file.read);
                self.mistake(&at, what, "give the extracted column another name");
            }
            columns.push(ExtractColumn {
                name: name.clone(),
                from: column.from.clone(),
                path: column.path.clone(),
                kind: column.kind,
            });
        }
        let columns_only = Extract::columns_only(columns.clone());
        Extract::new(columns).unwrap_or_else(|what| {
            self.mistake(&format!("{at}/extract"), what, "extract values, not maps");
            columns_only
        })
    }

    /// A stage that reads a table must be able to see a row twice: a foreign compaction shows
    /// rows again.
    fn steps_fit(&mut self, at: &str, file: &StageFile, reads: &Reads) {
        let table = matches!(reads, Reads::Table(_));
        if table && file.deduplicate.is_empty() && file.whole.is_none() {
            let what = "a stage that reads a table must know a row that it has seen";
            self.mistake(at, what, "add `deduplicate: [key]`, or `whole:` for an aggregate stage");
        }
        if file.aggregate.is_none() && file.whole.is_some() {
            let fix = "remove `whole`, or add `aggregate:`";
            self.mistake(&format!("{at}/whole"), "only an aggregate stage reads whole days", fix);
        }
        if file.aggregate.is_some() {
            let steps = [
                ("day", file.day.is_some()),
                ("filter", file.filter.is_some()),
                ("extract", !file.extract.is_empty()),
                ("deduplicate", !file.deduplicate.is_empty()),
            ];
            for (key, _) in steps.into_iter().filter(|(_, there)| *there) {
                let what = format!("an aggregate stage has no `{key}`");
                self.mistake(
                    &format!("{at}/{key}"),
                    what,
                    "do it in the SQL, or in a row stage before",
                );
            }
        }
        if let Some(sql) = &file.filter {
            let schema = reads.schema();
            match Expression::compile(sql, &schema, DateTime::<Utc>::UNIX_EPOCH) {
                Ok(filter) if filter.kind(&schema) == Some(DataType::Boolean) => {}
                Ok(_) => self.mistake(
                    &format!("{at}/filter"),
                    "the filter is no condition",
                    "write one that is true or false",
                ),
                Err(error) => self.mistake(&format!("{at}/filter"), error.what, error.fix),
            }
        }
        if file
            .breaker
            .as_ref()
            .is_some_and(|breaker| breaker.percent <= 0.0 || breaker.percent.is_nan())
        {
            self.mistake(
                &format!("{at}/breaker/percent"),
                "the breaker would always trip",
                "a share above 0",
            );
        }
    }

    fn aggregate(
        &mut self,
        at: &str,
        file: &StageFile,
        aggregate: &AggregateFile,
        reads: &Reads,
        writes: &TableSpec,
    ) -> Option<Aggregate> {
        let Some(whole) = &file.whole else {
            let what = "an aggregate stage needs the column whose days it reads whole";
            self.mistake(at, what, "add `whole: <column>`");
            return None;
        };
        let Reads::Table(source) = reads else {
            self.mistake(
                &format!("{at}/read"),
                "an aggregate stage reads a table",
                "land the topic first",
            );
            return None;
        };
        if !source.partition_by.contains(whole) {
            let what = format!("{} is not partitioned by `{whole}`", source.dataset);
            self.mistake(&format!("{at}/whole"), what, "read whole partitions");
        }
        if !writes.partition_by.contains(&aggregate.replace) {
            let what = format!("{} is not partitioned by `{}`", writes.dataset, aggregate.replace);
            self.mistake(&format!("{at}/aggregate/replace"), what, "replace whole partitions");
        }
        for (key, column) in [("conserve", &aggregate.conserve), ("replace", &aggregate.replace)] {
            if writes.contract.column(column).is_none() {
                let what = format!("{} has no column `{column}`", writes.dataset);
                self.mistake(
                    &format!("{at}/aggregate/{key}"),
                    what,
                    "name a column of its contract",
                );
            }
        }
        Some(Aggregate {
            conserve: aggregate.conserve.clone(),
            replace: aggregate.replace.clone(),
            whole: whole.clone(),
        })
    }

    /// A day can be computed anew when each of its rows comes from a row of the same day.
    fn day_fits(
        &mut self,
        at: &str,
        file: &StageFile,
        model: &RowModel,
        reads: &Reads,
        writes: &TableSpec,
    ) {
        let Some(day) = &file.day else { return };
        let is_date = |schema: &arrow::datatypes::SchemaRef| {
            schema.field_with_name(day).is_ok_and(|field| *field.data_type() == DataType::Date32)
        };
        let (what, fix) = match reads {
            Reads::Topic(_) => ("a topic has no days", "remove `day`: rewind the reader instead"),
            Reads::Table(_) if !is_date(&reads.schema()) || !is_date(&writes.schema) => (
                "it is no date of what is read and of what is written",
                "name a column that both have, of the type date",
            ),
            Reads::Table(_) if !model.passes(day) => (
                "the model changes it",
                "select it as it is, or name a column that comes out as it went in",
            ),
            Reads::Table(_) => return,
        };
        self.mistake(&format!("{at}/day"), format!("rows have no day `{day}`: {what}"), fix);
    }

    fn deduplicate_fits(&mut self, at: &str, file: &StageFile, writes: &TableSpec) {
        for (place, column) in file.deduplicate.iter().enumerate() {
            if writes.contract.column(column).is_none() {
                let what = format!("{} has no column `{column}`", writes.dataset);
                self.mistake(
                    &format!("{at}/deduplicate/{place}"),
                    what,
                    "use columns of the table written",
                );
            }
        }
    }

    /// The rules of the table written. A row of an aggregate stage has no input row to set aside,
    /// so there a broken rule warns or halts.
    fn suite(&mut self, writes: &TableSpec, aggregate: bool) -> Option<Suite> {
        let mut contract = writes.contract.clone();
        let quarantining =
            contract.rules.iter_mut().filter(|rule| rule.on_fail == OnFail::Quarantine);
        quarantining.filter(|_| aggregate).for_each(|rule| rule.on_fail = OnFail::Keep);
        match Suite::compile(&contract, &writes.schema) {
            Ok(suite) => Some(suite),
            Err(mistakes) => {
                self.mistakes.extend(mistakes.0);
                None
            }
        }
    }

    fn reference(
        &mut self,
        at: &str,
        dataset: &DatasetName,
        columns: &[String],
    ) -> Option<Arc<TableSpec>> {
        let table = self.tables.get(dataset);
        let lacks = |table: &TableSpec| {
            columns.iter().find(|column| table.contract.column(column).is_none())
        };
        match table.map(|table| (table, lacks(table))) {
            Some((table, None)) => return Some(Arc::clone(table)),
            Some((_, Some(column))) => {
                let what = format!("a rule refers to {dataset}.{column}, which is no column of it");
                self.mistake(at, what, "mend the relationship in the contract");
            }
            None if self.broken.contains(dataset) => {}
            None => {
                let what = format!("a rule refers to {dataset}, which this pipeline does not have");
                self.mistake(at, what, "declare the table under `datasets`");
            }
        }
        None
    }
}
