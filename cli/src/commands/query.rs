use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use assay_pipeline::Query;

use crate::app::App;
use crate::args::QueryArgs;
use crate::output::{Grid, counted, line};

pub(crate) async fn query(app: &App, what: &QueryArgs, as_json: bool) -> Result<()> {
    let mut query = Query::open(&app.lake, &what.sql, what.at).await?;
    let limit = if what.limit == 0 { usize::MAX } else { what.limit };
    if as_json {
        return write_json(&mut query, limit).await;
    }
    let schema = query.schema();
    let numeric = |field: &arrow::datatypes::FieldRef| match field.data_type().is_numeric() {
        true => format!("{}#", field.name()),
        false => field.name().clone(),
    };
    let columns: Vec<String> = schema.fields().iter().map(numeric).collect();
    let mut grid = Grid::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    let (mut shown, mut rows) = (0, 0_u64);
    while let Some(batch) = query.next().await? {
        rows += batch.num_rows() as u64;
        let part = batch.slice(0, batch.num_rows().min(limit - shown));
        shown += part.num_rows();
        add(&mut grid, &part)?;
    }
    grid.print()?;
    let cut =
        if rows > shown as u64 { format!(", {shown} shown (--limit)") } else { String::new() };
    line(format!("({}{cut})", counted(rows, "row")))
}

fn add(grid: &mut Grid, rows: &RecordBatch) -> Result<()> {
    let options = FormatOptions::default().with_null("–");
    let formatters: Result<Vec<_>, _> =
        rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect();
    let formatters = formatters?;
    for row in 0..rows.num_rows() {
        grid.row(formatters.iter().map(|column| column.value(row).to_string()));
    }
    Ok(())
}

async fn write_json(query: &mut Query, limit: usize) -> Result<()> {
    let mut left = limit;
    let out = std::io::stdout().lock();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(out);
    while let Some(batch) = query.next().await? {
        let part = batch.slice(0, batch.num_rows().min(left));
        left -= part.num_rows();
        writer.write(&part)?;
        if left == 0 {
            break;
        }
    }
    writer.finish()?;
    drop(writer);
    line("")
}
