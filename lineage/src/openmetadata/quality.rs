//! Quality: a test case for each rule, one for the score, and a result of each for each batch.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::api::{Change, Trouble};
use super::body::{CreateTestCase, CreateTestDefinition, TestCaseResult, TestResultValue};
use super::entity::Entity;
use super::name::{clean, fits_a_link, in_path, quoted};
use super::told::{Assertion, Dataset, Told};
use super::{Known, OpenMetadata};
use crate::assertion::NOT_EVALUATED;
use crate::http::Method;

/// The definitions of our test cases: what they check is in the contract, so these say no more.
const OF_TABLE: &str = "assayRule";
const OF_COLUMN: &str = "assayColumnRule";
const SCORE: &str = "assay score";

/// One result, and the case that it is of.
struct Judged<'a> {
    case: String,
    column: Option<&'a str>,
    status: &'static str,
    text: String,
    value: (&'static str, String),
}

impl OpenMetadata {
    pub(super) async fn quality(
        &self,
        table: &Entity,
        dataset: &Dataset,
        told: &Told,
        known: &mut Known,
    ) -> Result<(), Trouble> {
        let judged: Vec<Judged<'_>> =
            dataset.assertions.iter().map(of_rule).chain(of_score(dataset)).collect();
        if judged.is_empty() || table.kind != "table" {
            return Ok(());
        }
        if !fits_a_link(&table.name) {
            // The server has no way to name such a table in a test.
            let name = &table.name;
            tracing::warn!(name, "OpenMetadata can't link a test to a table of this name");
            return Ok(());
        }
        for result in judged {
            let case = self.case(table, &result, known).await?;
            self.result(&case, &result, told.at).await?;
        }
        Ok(())
    }

    /// The full name of the test case, which is made when it is missing.
    async fn case(
        &self,
        table: &Entity,
        of: &Judged<'_>,
        known: &mut Known,
    ) -> Result<String, Trouble> {
        let column = of.column.map(clean).filter(|column| {
            fits_a_link(column) && table.columns.iter().any(|known| known.name == *column)
        });
        let (place, link, definition) = match &column {
            Some(column) => (
                format!("{}.{}", table.name, quoted(column)),
                format!("<#E::table::{}::columns::{column}>", table.name),
                OF_COLUMN,
            ),
            None => (table.name.clone(), format!("<#E::table::{}>", table.name), OF_TABLE),
        };
        let name = clean(&of.case);
        let full = format!("{place}.{}", quoted(&name));
        if let Some(case) = known.cases.get(&full) {
            return Ok(case.clone());
        }
        let found = match self.find("/dataQuality/testCases", &full).await? {
            Some(found) => found,
            None => {
                self.definition(definition, known).await?;
                let mut body = CreateTestCase {
                    name,
                    entity_link: link,
                    test_definition: definition.to_owned(),
                    test_suite: None,
                    description: None,
                    parameter_values: vec![],
                };
                if !self.api.dialect.no_suite.load(Ordering::Relaxed) {
                    body.test_suite = Some(self.suite(table, known).await?);
                }
                let path = "/dataQuality/testCases";
                match self.put(path, &full, "create", &body).await {
                    // Newer servers find the suite themselves.
                    Err(Trouble::Bad(why)) if why.contains("\"testSuite\"") => {
                        self.api.dialect.no_suite.store(true, Ordering::Relaxed);
                        body.test_suite = None;
                        self.put(path, &full, "create", &body).await?
                    }
                    put => put?,
                }
            }
        };
        let case = found["fullyQualifiedName"].as_str().unwrap_or(&full).to_owned();
        known.cases.insert(full, case.clone());
        Ok(case)
    }

    async fn definition(&self, name: &'static str, known: &mut Known) -> Result<(), Trouble> {
        if known.definitions.contains(name) {
            return Ok(());
        }
        let path = "/dataQuality/testDefinitions";
        if self.find(path, name).await?.is_none() {
            let entity_type = if name == OF_COLUMN { "COLUMN" } else { "TABLE" };
            let body = CreateTestDefinition {
                name: name.to_owned(),
                description: "A rule of a data contract or a test, with the results that lineage events tell."
                    .to_owned(),
                entity_type: entity_type.to_owned(),
                test_platforms: vec!["Other".to_owned()],
            };
            self.put(path, name, "create", &body).await?;
        }
        known.definitions.insert(name);
        Ok(())
    }

    /// The suite of a table. Older servers call what it is of executable, newer ones basic.
    async fn suite(&self, table: &Entity, known: &mut Known) -> Result<String, Trouble> {
        let name = suite_name(&table.name);
        if let Some(suite) = known.cases.get(&name) {
            return Ok(suite.clone());
        }
        let found = match self.find("/dataQuality/testSuites", &name).await? {
            Some(found) => found,
            None => self.make_suite(&name, table).await?,
        };
        let suite = found["fullyQualifiedName"].as_str().unwrap_or(&name).to_owned();
        known.cases.insert(name, suite.clone());
        Ok(suite)
    }

    async fn make_suite(&self, name: &str, table: &Entity) -> Result<serde_json::Value, Trouble> {
        let path = "/dataQuality/testSuites";
        let change =
            || Change { what: "create", kind: "testSuite".to_owned(), name: name.to_owned() };
        let older = json!({"name": name, "executableEntityReference": table.name});
        let executable = format!("{path}/executable");
        match self.api.change(Method::POST, &executable, &older, change()).await {
            Err(Trouble::NoSuchCall(_)) => {}
            Err(Trouble::Bad(why)) if why.contains("executableEntityReference") => {}
            Err(Trouble::Exists(_)) => {
                let there = self.find(path, name).await?;
                return Ok(there.unwrap_or_else(|| json!({"fullyQualifiedName": name})));
            }
            made => return made,
        }
        let newer = json!({"name": name, "basicEntityReference": table.name});
        self.api.change(Method::POST, &format!("{path}/basic"), &newer, change()).await
    }

    /// A result that is there already is refused by its time, and that is well.
    async fn result(&self, case: &str, of: &Judged<'_>, at: i64) -> Result<(), Trouble> {
        let (name, value) = &of.value;
        let body = TestCaseResult {
            timestamp: at,
            test_case_status: of.status.to_owned(),
            result: of.text.clone(),
            test_result_value: vec![TestResultValue {
                name: (*name).to_owned(),
                value: value.clone(),
            }],
        };
        let change = || Change {
            what: "result",
            kind: "testCase".to_owned(),
            name: format!("{case} {}", of.status),
        };
        let path = "/dataQuality/testCases";
        let older = format!("{path}/{}/testCaseResult", in_path(case));
        let newer = format!("{path}/testCaseResults/{}", in_path(case));
        let posts = &self.api.dialect.posts_results;
        let first = match posts.load(Ordering::Relaxed) {
            false => self.api.change(Method::PUT, &older, &body, change()).await,
            true => self.api.change(Method::POST, &newer, &body, change()).await,
        };
        let done = match first {
            Err(Trouble::NoSuchCall(_)) => {
                let now = !posts.fetch_xor(true, Ordering::Relaxed);
                match now {
                    true => self.api.change(Method::POST, &newer, &body, change()).await,
                    false => self.api.change(Method::PUT, &older, &body, change()).await,
                }
            }
            done => done,
        };
        match done {
            Err(Trouble::Exists(_)) => Ok(()),
            done => done.map(|_| ()),
        }
    }
}

/// The server's own name for it, as long as that is not too long for it.
fn suite_name(table: &str) -> String {
    let name = format!("{table}.testSuite");
    match name.encode_utf16().count() > 256 {
        true => clean(&name),
        false => name,
    }
}

fn of_rule(assertion: &Assertion) -> Judged<'_> {
    let actual = assertion.actual.clone().unwrap_or_default();
    let status = match (assertion.success, actual.starts_with(NOT_EVALUATED)) {
        (true, _) => "Success",
        (false, true) => "Aborted",
        (false, false) => "Failed",
    };
    let text = match &assertion.expected {
        Some(expected) => format!("{actual}; expected: {expected}"),
        None => actual.clone(),
    };
    Judged {
        case: assertion.name.clone(),
        column: assertion.column.as_deref(),
        status,
        text,
        value: ("observed", actual),
    }
}

fn of_score(dataset: &Dataset) -> Option<Judged<'_>> {
    let score = dataset.score.as_ref()?;
    let points = score.score?;
    let status = if score.verdict == "halt" { "Failed" } else { "Success" };
    let text = format!("{points:.2} of 100, verdict {}", score.verdict);
    let value = ("score", format!("{points:.2}"));
    Some(Judged { case: SCORE.to_owned(), column: None, status, text, value })
}
