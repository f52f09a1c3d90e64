//! Edges. A second PUT of one replaces all that the first said, so what is there is merged in.

use serde_json::Value;

use super::api::{Change, Trouble};
use super::body::{AddLineage, ColumnLineage, Details, Edge};
use super::entity::Entity;
use super::name::{clean, in_path, quoted};
use super::told::{Dataset, Told};
use super::{Known, OpenMetadata};
use crate::http::Method;

/// How the server knows that an edge is of a pipeline.
const SOURCE: &str = "PipelineLineage";

impl OpenMetadata {
    pub(super) async fn edge(
        &self,
        from: &Entity,
        to: &Entity,
        dataset: &Dataset,
        told: &Told,
        pipeline: &Entity,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let details = Details {
            source: Some(SOURCE.to_owned()),
            sql_query: told.sql.clone(),
            columns_lineage: columns(from, to, dataset),
            pipeline: Some(pipeline.reference()),
            description: None,
        };
        self.connect(from, to, details, known).await
    }

    /// Makes an edge say what `details` say, and what else it said.
    pub(super) async fn connect(
        &self,
        from: &Entity,
        to: &Entity,
        details: Details,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let ids = (from.id.clone(), to.id.clone());
        let wanted = serde_json::to_value(&details).unwrap_or(Value::Null);
        // An event of the same job says the same, mostly.
        if known.edges.get(&ids) == Some(&wanted) && !from.id.is_empty() {
            return Ok(());
        }
        let there = match from.id.is_empty() || to.id.is_empty() {
            // In a dry run an end may be missing yet.
            true => None,
            false => self.details(from, to).await?,
        };
        let merged = merge(there.as_ref(), details);
        if there.as_ref() != Some(&merged) {
            let edge = Edge {
                from_entity: from.reference(),
                to_entity: to.reference(),
                lineage_details: merged,
            };
            let change = Change {
                what: "connect",
                kind: "edge".to_owned(),
                name: format!("{} → {}", from.name, to.name),
            };
            self.api.change(Method::PUT, "/lineage", &AddLineage { edge }, change).await?;
        }
        known.edges.insert(ids, wanted);
        Ok(())
    }

    /// What the server says of an edge; none when there is no edge.
    async fn details(&self, from: &Entity, to: &Entity) -> Result<Option<Details>, Trouble> {
        let path = format!(
            "/lineage/{}/name/{}?upstreamDepth=1&downstreamDepth=0",
            to.kind,
            in_path(&to.name)
        );
        let graph = self.api.get(&path).await?;
        let edges = graph["upstreamEdges"].as_array();
        let edge = edges.into_iter().flatten().find(|edge| {
            edge["fromEntity"] == from.id.as_str() && edge["toEntity"] == to.id.as_str()
        });
        let details = edge.map(|edge| edge["lineageDetails"].clone());
        Ok(details.and_then(|details| serde_json::from_value(details).ok()))
    }
}

/// Columns that both ends have: the server refuses an edge that names any other.
fn columns(from: &Entity, to: &Entity, dataset: &Dataset) -> Vec<ColumnLineage> {
    let has = |entity: &Entity, name: &str| {
        let name = clean(name);
        entity
            .columns
            .iter()
            .any(|column| column.name == name)
            .then(|| format!("{}.{}", entity.name, quoted(&name)))
    };
    let mut all = vec![];
    for derivation in &dataset.derivations {
        let Some(to_column) = has(to, &derivation.to) else { continue };
        let of_this = derivation.from.iter().filter(|(place, _)| place.full_name() == from.name);
        let mut from_columns: Vec<String> =
            of_this.filter_map(|(_, field)| has(from, field)).collect();
        from_columns.sort();
        if !from_columns.is_empty() {
            all.push(ColumnLineage { from_columns, to_column, function: derivation.how.clone() });
        }
    }
    all.sort_by(|a, b| a.to_column.cmp(&b.to_column));
    all
}

/// What we say, and what is there and that we say nothing of.
fn merge(there: Option<&Details>, mut ours: Details) -> Details {
    let Some(there) = there else { return ours };
    for column in &there.columns_lineage {
        if ours.columns_lineage.iter().all(|known| known.to_column != column.to_column) {
            ours.columns_lineage.push(column.clone());
        }
    }
    ours.columns_lineage.sort_by(|a, b| a.to_column.cmp(&b.to_column));
    ours.sql_query = ours.sql_query.or_else(|| there.sql_query.clone());
    ours.description = ours.description.or_else(|| there.description.clone());
    // Two jobs may go the same way; the first one stays.
    ours.pipeline = there.pipeline.clone().or(ours.pipeline);
    // The order in which the server has them is no difference.
    let mut theirs = there.clone();
    theirs.columns_lineage.sort_by(|a, b| a.to_column.cmp(&b.to_column));
    if theirs == ours { there.clone() } else { ours }
}
