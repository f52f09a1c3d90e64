//! Makes the table of a contract, or brings an older one up to it.

use std::collections::HashMap;

use assay_core::contract::ContractColumn;
use assay_core::{DatasetName, Mistake, Mistakes};
use iceberg::spec::{PrimitiveType, Type};
use iceberg::table::Table;
use iceberg::transaction::{AddColumn, ApplyTransactionAction, Transaction};
use iceberg::{Catalog, NamespaceIdent, TableCreation};

use super::amend::Amendment;
use super::compact::FILE_BYTES;
use super::schema::{column_type, partitions, schema};
use super::{BLOOM_FILTER, FORMAT, FORMAT_PROPERTY, Lake};
use crate::definition::TableSpec;
use crate::target::TargetError;

impl Lake {
    /// The table of `spec`: made when it is not there, with new columns of the contract added,
    /// refused when the contract takes something away.
    pub async fn ensure(&self, spec: &TableSpec) -> Result<Table, TargetError> {
        match self.table(&spec.dataset).await? {
            Some(table) => self.evolve(spec, table).await,
            None => self.create(spec).await,
        }
    }

    async fn create(&self, spec: &TableSpec) -> Result<Table, TargetError> {
        let dataset = &spec.dataset;
        let wrong = |source| TargetError::iceberg(format!("create the table {dataset}"), source);
        let space = NamespaceIdent::new(dataset.layer().name().to_owned());
        if !self.catalog.namespace_exists(&space).await.map_err(wrong)? {
            // Another process may have been faster; what counts is that it is there.
            let made = self.catalog.create_namespace(&space, Default::default()).await;
            if let Err(error) = made
                && !self.catalog.namespace_exists(&space).await.map_err(wrong)?
            {
                return Err(wrong(error));
            }
        }
        let columns = schema(&spec.contract).map_err(wrong)?;
        let creation = TableCreation::builder()
            .name(dataset.name().to_owned())
            .location(format!("file://{}", self.location(dataset).display()))
            .partition_spec(partitions(&columns, &spec.partition_by).map_err(wrong)?)
            .schema(columns)
            .properties(properties(spec))
            .build();
        match self.catalog.create_table(&space, creation).await {
            Ok(table) => Ok(table),
            Err(error) => match self.table(dataset).await? {
                Some(table) => self.evolve(spec, table).await,
                None => Err(wrong(error)),
            },
        }
    }

    /// Where the table's files are.
    pub fn location(&self, dataset: &DatasetName) -> std::path::PathBuf {
        self.root.join(dataset.layer().name()).join(dataset.name())
    }

    async fn evolve(&self, spec: &TableSpec, table: Table) -> Result<Table, TargetError> {
        let added = compare(spec, &table).map_err(TargetError::Narrowed)?;
        if added.is_empty() {
            return self.sized(spec, table).await;
        }
        let dataset = &spec.dataset;
        let wrong = |source| TargetError::iceberg(format!("add columns to {dataset}"), source);
        let transaction = Transaction::new(&table);
        let mut update = transaction.update_schema();
        for column in &added {
            let column = AddColumn::optional(&column.name, column_type(column.kind));
            update = update.add_column(column);
        }
        let transaction = update.apply(transaction).map_err(wrong)?;
        transaction.commit(&self.catalog).await.map_err(wrong)?;
        // The catalog may say "done" of a commit that failed, so look.
        let table = self.table(dataset).await?;
        match table {
            Some(table) if compare(spec, &table).is_ok_and(|missing| missing.is_empty()) => {
                self.sized(spec, table).await
            }
            _ => Err(TargetError::Moved { dataset: dataset.clone() }),
        }
    }

    /// The table with the file size of the pipeline among its properties, where compaction finds
    /// it. Another writer may be faster: the next start of a stage sets it then.
    async fn sized(&self, spec: &TableSpec, table: Table) -> Result<Table, TargetError> {
        let size = spec.target_file_size.to_string();
        if table.metadata().properties().get(FILE_BYTES) == Some(&size) {
            return Ok(table);
        }
        let properties = HashMap::from([(FILE_BYTES.to_owned(), size)]);
        let amendment = Amendment { properties, ..Amendment::default() };
        let sized = self.amend(&spec.dataset, &table, &amendment).await?;
        Ok(sized.unwrap_or(table))
    }
}

/// What a new table says of itself.
fn properties(spec: &TableSpec) -> HashMap<String, String> {
    let filters = spec.keys.iter().map(|key| (format!("{BLOOM_FILTER}{key}"), "true".to_owned()));
    let own = [
        (FORMAT_PROPERTY.to_owned(), FORMAT.to_string()),
        (FILE_BYTES.to_owned(), spec.target_file_size.to_string()),
    ];
    filters.chain(own).collect()
}

/// The columns that the contract has and the table lacks; or all the ways in which the contract
/// promises less than the table holds.
fn compare<'a>(spec: &'a TableSpec, table: &Table) -> Result<Vec<&'a ContractColumn>, Mistakes> {
    let metadata = table.metadata();
    let there = metadata.current_schema();
    let contract = &spec.contract;
    let mut mistakes = Vec::new();
    let mut complain = |line: Option<u32>, what: String, fix: &str| {
        let (file, fix) = (contract.file.clone(), Some(fix.to_owned()));
        mistakes.push(Mistake { file, line, what, fix });
    };
    let mut added = Vec::new();
    for column in &contract.columns {
        match there.field_by_name(&column.name) {
            None => added.push(column),
            Some(field) if *field.field_type == column_type(column.kind) => {}
            Some(field) => complain(
                Some(column.line),
                format!(
                    "`{}` is {} in the contract and {} in the table {}",
                    column.name,
                    column.kind.name(),
                    type_name(&field.field_type),
                    spec.dataset
                ),
                "keep the type, or add a column of another name with the new one",
            ),
        }
    }
    for field in there.as_struct().fields() {
        if contract.column(&field.name).is_none() {
            complain(
                None,
                format!(
                    "the table {} has a column `{}`, the contract has not",
                    spec.dataset, field.name
                ),
                "keep it in the contract (a model may select NULL for it), or write to a new table",
            );
        }
    }
    let parts: Vec<&str> = metadata
        .default_partition_spec()
        .fields()
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    if parts != spec.partition_by {
        let what = format!("{} is partitioned by {}", spec.dataset, parts.join(", "));
        complain(None, what, "keep `partition_by` as it is, or write to a new table");
    }
    Mistakes(mistakes).none_or(added)
}

fn type_name(kind: &Type) -> String {
    match kind {
        Type::Primitive(PrimitiveType::Long) => "bigint".to_owned(),
        other => other.to_string(),
    }
}
