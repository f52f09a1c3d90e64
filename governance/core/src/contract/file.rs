//! A contract file by itself, outside of any pipeline: all its schemas, whatever they are called.

use serde::Serialize;

use super::odcs::QualityKind;
use super::{Contract, DataQuality, OpenDataContract, SchemaObject, compile, published};
use crate::{DatasetName, Document, Mistakes};

/// A contract file: its text key by key, and what each of its schemas promises.
#[derive(Debug, Clone)]
pub struct ContractFile {
    pub body: OpenDataContract,
    /// One for each schema of the body, in the same order.
    pub contracts: Vec<Contract>,
}

/// Something that the file says and nobody judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unjudged {
    pub place: String,
    pub what: String,
}

impl ContractFile {
    /// Reads an ODCS file, or tells all that stands against judging by it.
    pub fn parse(file: &str, text: &str) -> Result<ContractFile, Mistakes> {
        let document = Document::parse(file, text)?;
        let (contract, mistakes) = ContractFile::read(&document);
        match contract {
            Some(contract) => mistakes.none_or(contract),
            None => Err(mistakes.sorted()),
        }
    }

    /// Reads as much of an ODCS file as can be read, and tells all that is wrong in it, also what the
    /// standard alone demands. Schemas and rules that are wrong are there as far as they are not.
    pub fn lint(file: &str, text: &str) -> (Option<ContractFile>, Mistakes) {
        let document = match Document::parse(file, text) {
            Ok(document) => document,
            Err(mistakes) => return (None, mistakes),
        };
        let mut mistakes = document.check(&published::shape()).err().unwrap_or_default();
        let (contract, more) = ContractFile::read(&document);
        mistakes.0.extend(more.0);
        (contract, mistakes.sorted())
    }

    fn read(document: &Document) -> (Option<ContractFile>, Mistakes) {
        let mut read = document.read_partly::<OpenDataContract>();
        let Some(body) = read.value.take() else { return (None, read.mistakes) };
        let mut contracts = Vec::new();
        for (place, object) in body.schema.iter().enumerate() {
            let dataset = name_of(object);
            let (contract, more) = compile::compile_on(document, &body, &dataset, (place, object));
            contracts.push(contract);
            read.found(document, more.0);
            if body.schema[..place].iter().any(|other| other.name == object.name) {
                let what = format!("the schema `{}` is there twice", object.name);
                let at = format!("/schema/{place}");
                read.mistakes.0.push(document.mistake(&at, what, "rename or remove one"));
            }
        }
        if body.schema.is_empty() {
            let fix = "list tables under `schema`, each with `name` and `properties`";
            let none = document.mistake("/schema", "the contract has no schema", fix);
            read.found(document, [none]);
        }
        (Some(ContractFile { body, contracts }), read.mistakes)
    }

    /// What each schema promises, beside the text that says so.
    pub fn schemas(&self) -> impl Iterator<Item = (&SchemaObject, &Contract)> {
        self.body.schema.iter().zip(&self.contracts)
    }

    /// The schema of that name or physical name; the only one when no name is given.
    pub fn schema(&self, name: Option<&str>) -> Option<(&SchemaObject, &Contract)> {
        match name {
            Some(name) => self.schemas().find(|(object, _)| {
                object.name == name || object.physical_name.as_deref() == Some(name)
            }),
            None => self.schemas().next().filter(|_| self.contracts.len() == 1),
        }
    }

    /// Rules and service levels that are left to people or to other tools.
    pub fn unjudged(&self) -> Vec<Unjudged> {
        let mut found = Vec::new();
        for object in &self.body.schema {
            found.extend(object.quality.iter().filter_map(|rule| left_alone(&object.name, rule)));
            for property in &object.properties {
                let place = format!("{}.{}", object.name, property.name);
                found.extend(property.quality.iter().filter_map(|rule| left_alone(&place, rule)));
            }
        }
        for level in &self.body.sla_properties {
            if !self.contracts.iter().any(|contract| contract.judges(level)) {
                let place = level.element.clone().unwrap_or_default();
                let what = format!("service level `{}`: a promise to people", level.property);
                found.push(Unjudged { place, what });
            }
        }
        found
    }
}

/// What Assay calls the schema: its physical name when that has a layer, else its own in bronze.
fn name_of(object: &SchemaObject) -> DatasetName {
    let physical = object.physical_name.as_deref();
    let named = [physical, Some(&*object.name)].into_iter().flatten();
    named.filter_map(|name| name.parse().ok()).next().unwrap_or_else(|| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = object.name.chars().map(plain).collect();
        let name = format!("bronze.{}", if name.is_empty() { "_" } else { &name });
        name.parse().expect("letters, digits, `_` and `-` make a name")
    })
}

fn left_alone(place: &str, rule: &DataQuality) -> Option<Unjudged> {
    let name = rule.id.as_deref().or(rule.name.as_deref()).unwrap_or("a rule");
    let what = match rule.kind {
        Some(QualityKind::Text) => format!("`{name}` is prose"),
        Some(QualityKind::Custom) if rule.engine.as_deref() != Some("assay") => {
            let engine = rule.engine.as_deref().unwrap_or("another tool");
            format!("`{name}` is for the engine {engine}")
        }
        _ => return None,
    };
    Some(Unjudged { place: place.to_owned(), what })
}
