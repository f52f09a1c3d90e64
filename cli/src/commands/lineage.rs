use anyhow::Result;
use assay_core::DatasetName;
use assay_lineage::Graph;

use crate::app::App;
use crate::exit::Usage;
use crate::output::{json, line};

pub(crate) async fn show(
    app: &App,
    dataset: &DatasetName,
    downstream: bool,
    as_json: bool,
) -> Result<()> {
    let graph = Graph::new(&app.store.edges().await?);
    let name = dataset.to_string();
    if !graph.datasets().contains(name.as_str()) {
        let known: Vec<&str> = graph.datasets().into_iter().collect();
        let known = if known.is_empty() { "nothing yet".to_owned() } else { known.join(", ") };
        return Err(Usage(format!(
            "no lineage of {dataset} is known (runs need --enable-lineage-tracking); there is: {known}"
        ))
        .into());
    }
    let tree = if downstream { graph.downstream(&name) } else { graph.upstream(&name) };
    if as_json { json(&tree) } else { line(tree.to_string()) }
}
