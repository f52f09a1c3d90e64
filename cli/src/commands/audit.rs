use anyhow::Result;
use assay_store::AuditFilter;

use crate::app::App;
use crate::args::AuditArgs;
use crate::output::{Grid, json, line, short, time};

pub(crate) async fn audit(app: &App, what: &AuditArgs, as_json: bool) -> Result<()> {
    let filter =
        AuditFilter { action: what.action, subject: what.subject.clone(), limit: what.limit };
    let entries = app.store.audit(&filter).await?;
    if as_json {
        return json(&entries);
    }
    if entries.is_empty() {
        return line("no entries");
    }
    let mut grid = Grid::new(&["at", "who", "action", "subject", "reason"]);
    for entry in &entries {
        grid.row([
            time(entry.at),
            short(&entry.who, 24),
            entry.action.to_string(),
            short(&entry.subject, 60),
            short(&entry.reason, 80),
        ]);
    }
    grid.print()
}
