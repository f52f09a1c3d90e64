use assay_core::{Column, DatasetName};

use crate::columns::ColumnLineage;
use crate::facet;

/// What a dataset is kept as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetKind {
    Table,
    Topic,
    File,
}

impl DatasetKind {
    pub fn name(self) -> &'static str {
        match self {
            DatasetKind::Table => "TABLE",
            DatasetKind::Topic => "TOPIC",
            DatasetKind::File => "FILE",
        }
    }
}

/// Another name of a dataset, in a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symlink {
    pub namespace: String,
    pub name: String,
}

/// A dataset as OpenLineage names it: by the place where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRef {
    pub namespace: String,
    /// The path, the topic.
    pub name: String,
    pub kind: DatasetKind,
    /// Our own name of it; absent for what is not ours, such as an ingested file.
    pub dataset: Option<DatasetName>,
    pub columns: Vec<Column>,
    pub symlinks: Vec<Symlink>,
    /// From which columns its own are made, where that is known.
    pub column_lineage: Option<facet::ColumnLineage>,
}

impl DatasetRef {
    /// A table of the lake: named by its location, and also by its name in `catalog`.
    pub fn table(dataset: &DatasetName, location: &str, catalog: &str) -> DatasetRef {
        let (namespace, name) = place(location);
        let link = Symlink { namespace: catalog.to_owned(), name: dataset.to_string() };
        DatasetRef {
            namespace,
            name,
            kind: DatasetKind::Table,
            dataset: Some(dataset.clone()),
            columns: vec![],
            symlinks: vec![link],
            column_lineage: None,
        }
    }

    /// A table of a database: its address, and its own name there.
    pub fn in_database(dataset: &DatasetName, namespace: &str, name: &str) -> DatasetRef {
        DatasetRef {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            kind: DatasetKind::Table,
            dataset: Some(dataset.clone()),
            columns: vec![],
            symlinks: vec![],
            column_lineage: None,
        }
    }

    /// A topic of the log that has `namespace`.
    pub fn topic(dataset: &DatasetName, namespace: &str) -> DatasetRef {
        DatasetRef {
            namespace: namespace.to_owned(),
            name: dataset.name().to_owned(),
            kind: DatasetKind::Topic,
            dataset: Some(dataset.clone()),
            columns: vec![],
            symlinks: vec![],
            column_lineage: None,
        }
    }

    /// A file that rows come from, by its absolute path or its URL.
    pub fn file(location: &str) -> DatasetRef {
        let (namespace, name) = place(location);
        DatasetRef {
            namespace,
            name,
            kind: DatasetKind::File,
            dataset: None,
            columns: vec![],
            symlinks: vec![],
            column_lineage: None,
        }
    }

    pub fn with_columns(self, columns: Vec<Column>) -> DatasetRef {
        DatasetRef { columns, ..self }
    }

    /// With the lineage of its columns, whose inputs are among `inputs` or this dataset itself.
    pub fn made_as(self, lineage: &ColumnLineage, inputs: &[DatasetRef]) -> DatasetRef {
        let mut known = inputs.to_vec();
        known.push(self.clone());
        let column_lineage = Some(facet::ColumnLineage::new(lineage, &known));
        DatasetRef { column_lineage, ..self }
    }

    /// The name that the graph knows it by: `layer.name`, or namespace and name of what is not
    /// ours.
    pub fn label(&self) -> String {
        match &self.dataset {
            Some(dataset) => dataset.to_string(),
            None => format!("{} {}", self.namespace, self.name),
        }
    }
}

/// Namespace and name of a location, by the naming rules of OpenLineage.
fn place(location: &str) -> (String, String) {
    let location = location.trim_end_matches('/');
    let on_disk = |path: &str| ("file".to_owned(), path.to_owned());
    let Some((scheme, rest)) = location.split_once("://") else {
        return on_disk(location.strip_prefix("file:").unwrap_or(location));
    };
    if scheme == "file" {
        return on_disk(rest);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, "/"));
    (format!("{scheme}://{authority}"), path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_named_as_the_standard_says() {
        for (location, namespace, name) in [
            ("/lake/silver/events", "file", "/lake/silver/events"),
            ("file:///lake/silver/events/", "file", "/lake/silver/events"),
            ("file:/lake/silver", "file", "/lake/silver"),
            ("s3://lake/silver/events", "s3://lake", "silver/events"),
            ("s3://lake", "s3://lake", "/"),
        ] {
            assert_eq!(place(location), (namespace.to_owned(), name.to_owned()), "{location}");
        }
    }

    #[test]
    fn a_dataset_of_ours_is_labelled_by_its_name_and_a_file_by_its_place() {
        let silver: DatasetName = "silver.events".parse().unwrap();
        assert_eq!(DatasetRef::table(&silver, "/lake/x", "lake").label(), "silver.events");
        assert_eq!(DatasetRef::file("/in/a.json.gz").label(), "file /in/a.json.gz");
    }
}
