//! What a stage writes beside its rows, and when a row is late, checked against the datasets.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::TimeDelta;

use super::TableSpec;
use super::file::{AlsoFile, EventTimeFile, MergeFile, StageFile, WindowsFile};
use super::load::Loader;
use crate::stage::{Also, EventTime, Merge, Reads, Windows};
use crate::target::Fold;

/// A partition in which nothing came for so many seconds holds no window back.
const IDLE: u32 = 60;

/// A table by one name, whether or not that of the usual schema is written.
fn in_schema(table: &str) -> String {
    table.strip_prefix("public.").unwrap_or(table).to_owned()
}

impl Loader<'_> {
    /// What a stage needs that writes to a database, and what others can't have.
    pub(super) fn database_fits(
        &mut self,
        at: &str,
        file: &StageFile,
        reads: &Reads,
        writes: &TableSpec,
    ) {
        if let Reads::Table(table) = reads
            && table.postgres.is_some()
        {
            let what = format!("{} is a table of Postgres, which no stage reads", table.dataset);
            self.mistake(&format!("{at}/read"), what, "read what its rows are made of");
        }
        if writes.postgres.is_none() {
            if !file.also.is_empty() {
                let what =
                    format!("{} is a table of the lake, which is committed alone", file.write);
                let fix = "give it `postgres: TABLE`, or make a stage of it";
                self.mistake(&format!("{at}/also"), what, fix);
            }
            return;
        }
        let steps = [("aggregate", file.aggregate.is_some()), ("day", file.day.is_some())];
        for (key, _) in steps.into_iter().filter(|(_, there)| *there) {
            let what = format!("a stage that writes to Postgres has no `{key}`");
            self.mistake(&format!("{at}/{key}"), what, "write to the lake, or use `also:`");
        }
    }

    pub(super) fn event_time(
        &mut self,
        at: &str,
        file: &EventTimeFile,
        reads: &Reads,
        writes: &TableSpec,
    ) -> Option<EventTime> {
        let at = format!("{at}/event_time");
        if matches!(reads, Reads::Table(_)) {
            let fix = "remove it, or read the topic";
            self.mistake(&at, "rows of a table are not late: they have no partition", fix);
            return None;
        }
        let field = writes.schema.field_with_name(&file.column);
        if !field.is_ok_and(|field| matches!(field.data_type(), DataType::Timestamp(..))) {
            let what = format!("{} has no time `{}`", writes.dataset, file.column);
            self.mistake(&format!("{at}/column"), what, "name a timestamp of its contract");
            return None;
        }
        let seconds = |number: u32| TimeDelta::seconds(number.into());
        // Up to there a wrong clock makes no row late that has the right time.
        let ahead_after = file.ahead_after_seconds.unwrap_or(file.late_after_seconds);
        Some(EventTime {
            column: file.column.clone(),
            late_after: seconds(file.late_after_seconds),
            ahead_after: seconds(ahead_after),
            idle_after: seconds(file.idle_after_seconds.unwrap_or(IDLE)),
        })
    }

    /// The further tables of a stage; None when one of them has mistakes.
    pub(super) fn also(
        &mut self,
        at: &str,
        file: &StageFile,
        reads: &Reads,
        writes: &TableSpec,
    ) -> Option<Vec<Also>> {
        let mut all = Vec::new();
        let mut sound = true;
        let mut taken = BTreeSet::new();
        taken.extend(writes.postgres.as_deref().map(in_schema));
        for (place, also) in file.also.iter().enumerate() {
            let at = format!("{at}/also/{place}");
            match self.one(&at, file, also, reads, writes) {
                Some(one) => {
                    let table = one.writes.postgres.as_deref().map(in_schema);
                    if table.is_some_and(|table| !taken.insert(table)) {
                        let what = format!("the stage writes {} already", one.writes.dataset);
                        let fix = "write each table once, with one model";
                        self.mistake(&format!("{at}/write"), what, fix);
                        sound = false;
                    }
                    all.push(one);
                }
                None => sound = false,
            }
        }
        sound.then_some(all)
    }

    fn one(
        &mut self,
        at: &str,
        stage: &StageFile,
        file: &AlsoFile,
        reads: &Reads,
        writes: &TableSpec,
    ) -> Option<Also> {
        let target = self.also_writes(&format!("{at}/write"), &file.write);
        let sql = self.text(&format!("{at}/model"), &file.model);
        let windows = file.windows.as_ref().map(|windows| self.windows(at, stage, windows));
        if file.windows.is_some() && file.merge.is_none() {
            let fix = "add `merge: {key: […], sum: […]}`";
            self.mistake(at, "every batch adds to its windows, and nothing says how", fix);
        }
        let (target, model) = (target?, sql?);
        let merge = file.merge.as_ref().map(|merge| self.merge(at, merge, &target));
        let also = Also { writes: Arc::clone(&target), model, windows: None, merge: None };
        let also = Also { windows: windows.flatten(), merge: merge.clone().flatten(), ..also };
        let columns = also.columns(&writes.dataset, &writes.schema, &reads.schema());
        match columns {
            Ok(columns) => self.columns_fit(&file.model, &also.model, &columns, &target)?,
            Err(errors) => {
                self.model_mistakes(&file.model, errors);
                return None;
            }
        }
        let sound = merge.is_none_or(|merge| merge.is_some())
            && (file.windows.is_none() || also.windows.is_some() && also.merge.is_some());
        sound.then_some(also)
    }

    fn also_writes(&mut self, at: &str, name: &str) -> Option<Arc<TableSpec>> {
        let dataset = self.dataset_named(at, name)?;
        match self.tables.get(&dataset).map(Arc::clone) {
            Some(table) if table.postgres.is_some() => return Some(table),
            Some(_) => {
                let what = format!("{dataset} is a table of the lake, which is committed alone");
                self.mistake(at, what, "give it `postgres: TABLE`, or make a stage of it");
            }
            None => self.undeclared(at, &dataset),
        }
        None
    }

    fn windows(&mut self, at: &str, stage: &StageFile, file: &WindowsFile) -> Option<Windows> {
        let every = file.every_seconds.unwrap_or(file.seconds);
        let at = format!("{at}/windows");
        if file.seconds == 0 || every == 0 {
            self.mistake(&at, "a window of no length holds nothing", "write seconds above 0");
            return None;
        }
        if file.seconds / every > 1000 {
            self.mistake(
                &at,
                "a row would be in more than 1000 windows",
                "let them begin less often",
            );
            return None;
        }
        if stage.event_time.is_none() {
            let fix = "add `event_time: {column: …, late_after_seconds: …}` to the stage";
            self.mistake(&at, "nothing says when a row happened", fix);
            return None;
        }
        let seconds = |number: u32| TimeDelta::seconds(number.into());
        Some(Windows { length: seconds(file.seconds), every: seconds(every) })
    }

    fn merge(&mut self, at: &str, file: &MergeFile, target: &TableSpec) -> Option<Merge> {
        let at = format!("{at}/merge");
        let before = self.mistakes.len();
        let folds = [(Fold::Sum, &file.sum), (Fold::Min, &file.min), (Fold::Max, &file.max)];
        let folds: Vec<(String, Fold)> = folds
            .into_iter()
            .flat_map(|(fold, names)| names.iter().map(move |name| (name.clone(), fold)))
            .collect();
        if file.key.is_empty() {
            self.mistake(&at, "rows are merged that have the same key", "add `key: [column]`");
        }
        let mut named = BTreeSet::new();
        for name in file.key.iter().chain(folds.iter().map(|(name, _)| name)) {
            let column = target.contract.column(name);
            if column.is_none() {
                let what = format!("{} has no column `{name}`", target.dataset);
                self.mistake(&at, what, "name a column of its contract");
            }
            if !named.insert(name) {
                let what = format!("`{name}` is named twice");
                self.mistake(&at, what, "a column is of the key, or has one way to be merged");
            }
        }
        for (name, fold) in &folds {
            let field = target.schema.field_with_name(name);
            if *fold == Fold::Sum && field.is_ok_and(|field| !field.data_type().is_numeric()) {
                self.mistake(
                    &format!("{at}/sum"),
                    format!("`{name}` is no number"),
                    "use max or min",
                );
            }
        }
        for column in &target.contract.columns {
            if !named.contains(&column.name) {
                let what = format!("nothing says how two values of `{}` become one", column.name);
                self.mistake(&at, what, "name it under `key`, `sum`, `min` or `max`");
            }
        }
        (self.mistakes.len() == before).then(|| Merge { key: file.key.clone(), folds })
    }
}
