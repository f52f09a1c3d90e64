//! The double is held against what a real server answered: every recorded call that it knows is
//! asked of it in the same order, and has to be answered alike.

use std::path::Path;

use assay_lineage::openmetadata::{Exchange, parse_recording};
use serde_json::Value;

use crate::calls::Catalog;
use crate::double::Asked;

/// Calls of which the double knows nothing, since we never ask them.
const OTHERS: [&str; 17] = [
    "/api/v1/system/config",
    "/api/v1/users",
    "/api/v1/bots",
    "/api/v1/services/storageServices",
    "/api/v1/containers",
    "/api/v1/search",
    "/ping",
    "/healthcheck",
    "/prometheus",
    "/health-check",
    "/api/v1/tables?limit=2",
    "/api/v1/dataQuality/testDefinitions?limit",
    "/api/v1/system/version",
    "/api/v1/dataQuality/testDefinitions/name",
    "/api/v1/tables/name/lake.warehouse.silver.orders?include",
    "/api/v1/services/databaseServices/name/lake",
    "/api/v1/dataQuality/testCases/lake.warehouse.silver.orders.row_count/testCaseResult?",
];

/// What is about headers or bodies that a recording does not show.
fn shown(exchange: &Exchange) -> bool {
    let told_apart = ["gzip body", "Accept: text/html", "no Content-Type", "versions"];
    let cut = exchange.sent.contains('…') || exchange.sent.starts_with('(');
    let known = OTHERS.iter().all(|other| !exchange.path.starts_with(other));
    known
        && !cut
        && !told_apart.contains(&exchange.title.as_str())
        && !exchange.title.starts_with("testSuite, 2.x")
}

/// Whose token a call was made with; the recording says so in words.
fn token(title: &str) -> &'static str {
    match title {
        "expired token (really signed by the server's key)" => "Bearer expired",
        "signed, unknown kid" => "Bearer foreign",
        "old bot token after the new one" => "Bearer old",
        "garbage token" | "token with a broken signature" => "Bearer x",
        "no token" | "PUT without token" => "",
        "Basic instead of Bearer" => "",
        title if title.starts_with("signed, user that does not exist") => "Bearer ghost",
        title if title.starts_with("plain user PUT") => "Bearer ann",
        title if title.starts_with("admin") => "Bearer admin",
        _ => "Bearer bot",
    }
}

/// The value of the first `key` in a text that may be cut off.
fn first<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let after = text.split_once(&format!("\"{key}\": \""))?.1;
    after.split('"').next()
}

#[test]
fn the_double_answers_every_recorded_call_as_the_real_one_did() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/openmetadata/openmetadata_1.2_calls.md");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("skipped: there is no recording at {}", file.display());
        return;
    };
    let mut catalog = Catalog::default();
    let mut ids: Vec<(String, String)> = vec![];
    let (mut asked, mut wrong) = (0, vec![]);
    for exchange in parse_recording(&text).iter().filter(|exchange| shown(exchange)) {
        let (path, sent) = (swap(&ids, &exchange.path), swap(&ids, &exchange.sent));
        let body = serde_json::from_str(&sent).unwrap_or(Value::Null);
        let (method, kind) = (exchange.method.clone(), "application/json".to_owned());
        let call = Asked { method, path, body, kind };
        let (status, kind, said) = catalog.answer(&call, &sent, token(&exchange.title));
        asked += 1;
        let title = &exchange.title;
        let mut differs = |what: &str, theirs: String, ours: String| {
            if theirs != ours {
                wrong.push(format!("{title}: {what} was {theirs}, is {ours}"));
            }
        };
        differs("status", exchange.status.to_string(), status.to_string());
        let kind = kind.split(';').next().unwrap();
        differs("type", exchange.kind.clone(), kind.to_owned());
        if let (Some(theirs), Some(ours)) = (first(&exchange.answered, "id"), first_of(&said, "id"))
            && exchange.answered.starts_with("{\"id\"")
        {
            ids.push((theirs.to_owned(), ours));
        }
        if exchange.answered.starts_with("{\"id\"") {
            let theirs = first(&exchange.answered, "fullyQualifiedName").unwrap_or_default();
            let value: Value = serde_json::from_str(&said).unwrap_or(Value::Null);
            let ours = value["fullyQualifiedName"].as_str().unwrap_or_default().replace('"', "\\");
            differs(
                "name",
                theirs.to_owned(),
                ours.split('\\').next().unwrap().to_owned()
                    + if ours.contains('\\') { "\\" } else { "" },
            );
            if let Ok(whole) = serde_json::from_str::<Value>(&exchange.answered)
                && call.path.starts_with("/api/v1/tables")
            {
                for key in ["version", "description"] {
                    differs(key, whole[key].to_string(), value[key].to_string());
                }
            }
        }
        for key in ["message", "responseMessage"] {
            let theirs = swap(&ids, first(&exchange.answered, key).unwrap_or_default());
            let ours = first_of(&said, key).unwrap_or_default();
            // What follows is how its language prints where in the text it was.
            let until = |text: &str| {
                let cut = text.split(['\\', '(', '`']).next().unwrap();
                cut.trim_end().to_owned()
            };
            differs(key, until(&theirs), until(&ours));
        }
    }
    assert!(asked > 90, "only {asked} calls were asked");
    assert!(wrong.is_empty(), "of {asked} calls:\n{}", wrong.join("\n"));
    println!("{asked} recorded calls are answered alike");
}

fn first_of(said: &str, key: &str) -> Option<String> {
    let value: Value = serde_json::from_str(said).ok()?;
    // As a recording writes it, where a quotation mark ends what is compared.
    value[key].as_str().map(|text| text.replace('"', "\\"))
}

/// A text with our ids in the place of theirs.
fn swap(ids: &[(String, String)], text: &str) -> String {
    ids.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}
