use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{
    ArrayRef, BinaryBuilder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use assay_dlq::{DlqError, LetterView};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::which::{Which, say_unknown};
use crate::app::App;
use crate::args::{DlqExportArgs, Exported};
use crate::output::{counted, json as print_json, line};

/// Letters of a row group, and about what their payloads weigh.
const ROWS: usize = 10_000;
const BYTES: usize = 32 << 20;

pub(crate) async fn export(app: &App, what: &DlqExportArgs, as_json: bool) -> Result<()> {
    let mut which = Which::of(app, &what.which, what.reason, what.all).await?;
    let any = which.resolve().await?;
    let parquet = what.to.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    let by_name = if parquet { Exported::Parquet } else { Exported::Ndjson };
    let mut writer = Writer::create(&what.to, what.format.unwrap_or(by_name))?;
    let (mut written, mut hidden) = (0u64, 0u64);
    if any {
        let take = |letter: LetterView| {
            let whole = letter.payload.is_some();
            let letter = if what.reveal { letter } else { letter.masked() };
            hidden += u64::from(whole && letter.payload.is_none());
            written += 1;
            writer.push(letter).map(|()| true).map_err(Failed::Write)
        };
        which.index.each(&which.filter, take).await.map_err(anyhow::Error::from)?;
    }
    writer.finish()?;
    if written == 0 {
        say_unknown(&which.index, &which.filter).await?;
    }
    if hidden > 0 {
        let letters = counted(hidden, "letter");
        eprintln!(
            "of {letters} the payload is left out: their contract classifies fields, and they can't \
             be taken apart; --reveal exports them whole"
        );
    }
    match as_json {
        true => print_json(&json!({"letters": written, "hidden": hidden, "file": what.to})),
        false => line(format!("{} in {}", counted(written, "letter"), what.to.display())),
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Letters(#[from] DlqError),
    #[error(transparent)]
    Write(anyhow::Error),
}

enum Writer {
    Lines(BufWriter<File>),
    Parquet {
        writer: Box<ArrowWriter<File>>,
        schema: SchemaRef,
        letters: Vec<LetterView>,
        bytes: usize,
    },
}

impl Writer {
    fn create(path: &Path, format: Exported) -> Result<Writer> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(match format {
            Exported::Ndjson => Writer::Lines(BufWriter::new(file)),
            Exported::Parquet => {
                let schema = schema();
                let writer = Box::new(ArrowWriter::try_new(file, Arc::clone(&schema), None)?);
                Writer::Parquet { writer, schema, letters: Vec::new(), bytes: 0 }
            }
        })
    }

    fn push(&mut self, letter: LetterView) -> Result<()> {
        match self {
            Writer::Lines(file) => {
                serde_json::to_writer(&mut *file, &letter.value()?)?;
                file.write_all(b"\n")?;
            }
            Writer::Parquet { writer, schema, letters, bytes } => {
                *bytes += letter.payload.as_ref().map_or(0, |payload| payload.len());
                letters.push(letter);
                if letters.len() >= ROWS || *bytes >= BYTES {
                    writer.write(&rows(schema, letters)?)?;
                    writer.flush()?;
                    letters.clear();
                    *bytes = 0;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Writer::Lines(mut file) => file.flush()?,
            Writer::Parquet { mut writer, schema, letters, .. } => {
                writer.write(&rows(&schema, &letters)?)?;
                writer.close()?;
            }
        }
        Ok(())
    }
}

const TEXTS: [&str; 15] = [
    "id",
    "topic",
    "dialect",
    "stage",
    "dataset",
    "reason",
    "rules",
    "class",
    "detail",
    "wrote",
    "run",
    "contract",
    "origin",
    "outcome",
    "payload_kind",
];
const NUMBERS: [&str; 5] = ["attempt", "partition", "offset", "rows", "payload_bytes"];
const TIMES: [&str; 2] = ["failed_at", "first_failed_at"];

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name: &&str, kind: &DataType| Field::new(*name, kind.clone(), true);
    let mut fields: Vec<Field> = TEXTS.iter().map(|name| field(name, &DataType::Utf8)).collect();
    fields.extend(NUMBERS.iter().map(|name| field(name, &DataType::Int64)));
    fields.extend(TIMES.iter().map(|name| field(name, &time)));
    fields.push(Field::new("payload", DataType::Binary, true));
    Arc::new(Schema::new(fields))
}

fn rows(schema: &SchemaRef, letters: &[LetterView]) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::new();
    for name in TEXTS {
        let mut column = StringBuilder::new();
        letters.iter().for_each(|letter| column.append_option(text(letter, name)));
        columns.push(Arc::new(column.finish()));
    }
    for name in NUMBERS {
        let mut column = Int64Builder::new();
        for letter in letters {
            let value = match name {
                "attempt" => u64::from(letter.attempt),
                "partition" => u64::from(letter.at.partition),
                "offset" => letter.at.offset,
                "rows" => letter.count,
                _ => letter.payload_bytes,
            };
            column.append_value(value.cast_signed());
        }
        columns.push(Arc::new(column.finish()));
    }
    for name in TIMES {
        let mut column = TimestampMicrosecondBuilder::new().with_timezone("UTC");
        for letter in letters {
            let first = name == "first_failed_at";
            let at = if first { letter.first_failed_at } else { letter.failed_at };
            column.append_value(at.timestamp_micros());
        }
        columns.push(Arc::new(column.finish()));
    }
    let mut payloads = BinaryBuilder::new();
    letters.iter().for_each(|letter| payloads.append_option(letter.payload.as_deref()));
    columns.push(Arc::new(payloads.finish()));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn text(letter: &LetterView, name: &str) -> Option<String> {
    match name {
        "id" => Some(letter.id.to_string()),
        "topic" => Some(letter.at.topic.clone()),
        "dialect" => Some(letter.dialect.name().to_owned()),
        "stage" => letter.stage.as_ref().map(ToString::to_string),
        "dataset" => letter.dataset.as_ref().map(ToString::to_string),
        "reason" => letter.reason.map(|reason| reason.name().to_owned()),
        "rules" => Some(Value::from(letter.rules.clone()).to_string()),
        "class" => letter.class.clone(),
        "detail" => letter.detail.clone(),
        "wrote" => letter.wrote.clone(),
        "run" => letter.run.map(|run| run.to_string()),
        "contract" => letter.contract.clone(),
        "origin" => letter.origin.as_ref().map(|origin| origin.0.clone()),
        "outcome" => letter.outcome.as_ref().map(|outcome| outcome.fate.to_string()),
        _ => letter.payload_kind.map(|kind| kind.name().to_owned()),
    }
}
