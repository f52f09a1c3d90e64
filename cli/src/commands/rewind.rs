use anyhow::Result;
use assay_core::DraftId;
use assay_pipeline::{Pipeline, Rewinding, plan_rewind, rewind as move_back};
use assay_store::{Action, AuditEntry};
use serde_json::json;

use crate::app::App;
use crate::args::RewindArgs;
use crate::commands::stage_named;
use crate::output::{Grid, json as print_json, line, number};

pub(crate) async fn rewind(
    app: &App,
    pipeline: &Pipeline,
    what: &RewindArgs,
    as_json: bool,
) -> Result<()> {
    let stage = stage_named(pipeline, &what.stage)?;
    let plan = plan_rewind(&app.places, app.log.as_ref(), stage, &what.to).await?;
    if what.yes {
        let id = DraftId(app.ids.next());
        move_back(&app.places, stage, &plan, id, &what.reason).await?;
        let entry = AuditEntry {
            at: app.clock.now(),
            who: app.config.who.clone(),
            action: Action::Rewind,
            subject: plan.stage.clone(),
            reason: what.reason.clone(),
            details: json!({"slices": plan.slices}),
        };
        app.store.record(&entry).await?;
    }
    match as_json {
        true => print_json(&json!({"moved": what.yes, "plan": plan})),
        false => show(&plan, what.yes),
    }
}

fn show(plan: &Rewinding, moved: bool) -> Result<()> {
    let mut grid = Grid::new(&["slice", "stands at#", "goes to#", "read again#", "gone#"]);
    for back in &plan.slices {
        grid.row([
            back.slice.clone(),
            back.from.to_string(),
            back.to.to_string(),
            format!("{} {}", number(back.again), back.unit),
            number(back.gone),
        ]);
    }
    grid.print()?;
    line(match (plan.replaces, plan.known_by.as_slice()) {
        (true, _) => "The days touched are made anew, so nothing will be there twice.".to_owned(),
        (false, []) => {
            "The stage does not deduplicate: rows that it has written already will be there twice."
                .to_owned()
        }
        (false, known_by) => format!(
            "Rows that are there already are known by {}, and not written again.",
            known_by.join(", ")
        ),
    })?;
    line(match moved {
        true => format!("{} was moved; the next run reads on from there.", plan.stage),
        false => "Nothing was moved. Add --yes to do it.".to_owned(),
    })
}
