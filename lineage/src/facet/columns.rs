//! The lineage of columns, in the facet that consumers know and in the newer one, which also says
//! of what kind an input is. A column of which not everything is known is in neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Described;
use crate::columns::{self, InputColumn};
use crate::dataset::DatasetRef;

impl Described for ColumnLineage {
    const SCHEMA_URL: &'static str = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet";
}

impl Described for Lineage {
    const SCHEMA_URL: &'static str =
        "https://openlineage.io/spec/facets/1-0-0/LineageFacet.json#/$defs/LineageDatasetFacet";
}

/// `columnLineage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnLineage {
    /// By the column of the output; one that has no input is there, with none.
    pub fields: BTreeMap<String, MadeFrom>,
    /// What decides about rows, and so about every column.
    pub dataset: Vec<InputField>,
    /// Why columns or inputs were left out.
    #[serde(rename = "assay_unknown", default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeFrom {
    pub input_fields: Vec<InputField>,
}

/// `lineage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    pub inputs: Vec<InputField>,
    pub fields: BTreeMap<String, Inputs>,
    #[serde(rename = "assay_unknown", default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    pub inputs: Vec<InputField>,
}

/// A column of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputField {
    pub namespace: String,
    pub name: String,
    /// DATASET in `lineage`, absent in `columnLineage`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub field: String,
    pub transformations: Vec<Transformation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transformation {
    /// DIRECT or INDIRECT.
    #[serde(rename = "type")]
    pub kind: String,
    pub subtype: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub masking: bool,
}

impl ColumnLineage {
    /// As the names of `datasets` are. An input that is not among them is left out, and said.
    pub fn new(lineage: &columns::ColumnLineage, datasets: &[DatasetRef]) -> ColumnLineage {
        let mut facet =
            ColumnLineage { unknown: lineage.unknown.clone(), ..ColumnLineage::default() };
        for column in lineage.columns.iter().filter(|column| column.known) {
            let described = column.expression.as_deref();
            let input_fields = facet.named(&column.inputs, described, datasets);
            facet.fields.insert(column.column.clone(), MadeFrom { input_fields });
        }
        facet.dataset = facet.named(&lineage.rows, None, datasets);
        facet
    }

    fn named(
        &mut self,
        inputs: &[InputColumn],
        described: Option<&str>,
        datasets: &[DatasetRef],
    ) -> Vec<InputField> {
        let mut fields = vec![];
        for input in inputs {
            let place =
                datasets.iter().find(|known| known.dataset.as_ref() == Some(&input.dataset));
            match place {
                Some(place) => fields.push(InputField {
                    namespace: place.namespace.clone(),
                    name: place.name.clone(),
                    kind: None,
                    field: input.column.clone(),
                    transformations: transformations(input, described),
                }),
                None => self.unknown.push(format!("where {} is kept is not known", input.dataset)),
            }
        }
        fields
    }

    /// The same in the newer facet.
    pub fn explicit(&self) -> Lineage {
        let of_dataset =
            |input: &InputField| InputField { kind: Some("DATASET".to_owned()), ..input.clone() };
        let inputs = |inputs: &[InputField]| inputs.iter().map(of_dataset).collect();
        let field = |(name, made): (&String, &MadeFrom)| {
            (name.clone(), Inputs { inputs: inputs(&made.input_fields) })
        };
        Lineage {
            inputs: inputs(&self.dataset),
            fields: self.fields.iter().map(field).collect(),
            unknown: self.unknown.clone(),
        }
    }
}

fn transformations(input: &InputColumn, described: Option<&str>) -> Vec<Transformation> {
    let direct = input.direct.map(|kind| Transformation {
        kind: "DIRECT".to_owned(),
        subtype: kind.name().to_owned(),
        description: described.map(str::to_owned),
        masking: input.masked,
    });
    let indirect = input.indirect.iter().map(|kind| Transformation {
        kind: "INDIRECT".to_owned(),
        subtype: kind.name().to_owned(),
        description: None,
        masking: false,
    });
    direct.into_iter().chain(indirect).collect()
}
