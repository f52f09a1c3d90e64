//! How large payloads are: as they are made, cut to what is small, or with all that makes real
//! ones large.

use serde_json::{Map, Value, json};

use super::payload::Scene;
use super::people::Actor;
use super::resources::text;

/// How large the payloads of events are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Payloads {
    /// Only short values: some 700 bytes an event
    Small,
    /// What a reader of events looks at: some 2,600 bytes an event
    #[default]
    Usual,
    /// As large as GitHub's own: some 3,600 bytes an event, half of them below 1,000, up to 35,000
    Real,
}

impl Payloads {
    pub(super) fn shape(self, payload: Value, scene: &mut Scene<'_>) -> Value {
        match self {
            Payloads::Small => slim(payload),
            Payloads::Usual => payload,
            Payloads::Real => full(payload, scene),
        }
    }
}

/// Keeps of the maps in a payload what is short and no address, and nothing of lists.
fn slim(payload: Value) -> Value {
    let Value::Object(members) = payload else { return payload };
    let short = |(key, value): (String, Value)| {
        let value = match value {
            Value::Object(inner) => Value::Object(inner.into_iter().filter(plain).collect()),
            Value::Array(_) => json!([]),
            other => other,
        };
        (key, value)
    };
    Value::Object(members.into_iter().map(short).collect())
}

fn plain((key, value): &(String, Value)) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => false,
        Value::String(text) => key != "body" && !text.starts_with("https://"),
        _ => true,
    }
}

/// Adds what makes real payloads large: people, links and long texts.
fn full(mut payload: Value, scene: &mut Scene<'_>) -> Value {
    if let Some(Value::Object(pull)) = payload.get_mut("pull_request") {
        pull_request(pull, scene);
    }
    for (key, longest) in [("issue", 10), ("comment", 9), ("review", 9), ("release", 9)] {
        if let Some(Value::Object(object)) = payload.get_mut(key) {
            object.insert("body".into(), long(scene, longest).into());
            object.insert("reactions".into(), reactions(scene));
            object.insert("performed_via_github_app".into(), Value::Null);
        }
    }
    if let Some(Value::Object(issue)) = payload.get_mut("issue") {
        people(issue, "assignees", scene, 3);
    }
    payload
}

fn pull_request(pull: &mut Map<String, Value>, scene: &mut Scene<'_>) {
    pull.insert("body".into(), long(scene, 10).into());
    people(pull, "assignees", scene, 2);
    people(pull, "requested_reviewers", scene, 4);
    let api = pull.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut links = Map::new();
    for link in ["self", "html", "issue", "comments", "review_comments", "commits", "statuses"] {
        let href = json!({"href": format!("{api}/{link}")});
        links.insert(link.into(), href);
        pull.insert(format!("{link}_url"), format!("{api}/{link}").into());
    }
    pull.insert("_links".into(), links.into());
    for side in ["head", "base"] {
        if let Some(Value::Object(side)) = pull.get_mut(side) {
            side.insert("user".into(), scene.actor.in_payload());
            if let Some(Value::Object(repo)) = side.get_mut("repo") {
                repository(repo, scene);
            }
        }
    }
}

/// The addresses and switches of a repository that are seldom looked at.
fn repository(repo: &mut Map<String, Value>, scene: &mut Scene<'_>) {
    let api = scene.repo.api();
    for link in [
        "archive",
        "assignees",
        "compare",
        "contents",
        "git_commits",
        "git_tags",
        "issue_comment",
        "merges",
        "mirror",
        "notifications",
        "ssh",
        "subscription",
        "svn",
    ] {
        repo.insert(format!("{link}_url"), format!("{api}/{link}{{/sha}}{{/path}}").into());
    }
    for switch in [
        "has_projects",
        "has_downloads",
        "has_pages",
        "has_discussions",
        "disabled",
        "allow_forking",
        "is_template",
        "web_commit_signoff_required",
    ] {
        repo.insert(switch.into(), scene.random.one_in(2).into());
    }
    repo.insert("topics".into(), json!(["data", "pipeline", "quality"]));
}

fn people(object: &mut Map<String, Value>, key: &str, scene: &mut Scene<'_>, most: u64) {
    let count = scene.random.below(most);
    let person = |_| Actor::ranked(scene.random.rank(12), false).in_payload();
    object.insert(key.into(), (0..count).map(person).collect());
}

fn reactions(scene: &mut Scene<'_>) -> Value {
    let mut reactions = Map::new();
    reactions.insert("url".into(), format!("{}/reactions", scene.repo.api()).into());
    for kind in ["+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes"] {
        reactions.insert(kind.into(), scene.random.below(3).into());
    }
    reactions.into()
}

/// A text of which the length is as likely in each octave, up to 8 · 2^`octaves` bytes.
fn long(scene: &mut Scene<'_>, octaves: u64) -> String {
    let length = scene.random.rank(octaves) as usize;
    let mut whole = String::with_capacity(length + 200);
    while whole.len() < length {
        whole.push_str(&text(scene));
        whole.push_str(&scene.random.hex(12));
    }
    whole
}
