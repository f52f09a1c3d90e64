//! What each type of event has of its own.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::random::Random;
use super::people::{Actor, Repo};
use super::resources::{Stage, comment, issue, pull_request, repository, text};
use super::time;

/// Who does something where and when.
pub(super) struct Scene<'a> {
    pub(super) random: &'a mut Random,
    pub(super) actor: &'a Actor,
    pub(super) repo: &'a Repo,
    pub(super) at: DateTime<Utc>,
}

/// A type of event.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// How often it is met, as in a real hour.
    pub(super) weight: u64,
    pub(super) payload: fn(&mut Scene<'_>) -> Value,
}

/// All types that GitHub has; the push is the first.
pub(super) const KINDS: [Kind; 15] = [
    Kind { name: "PushEvent", weight: 522, payload: push },
    Kind { name: "CreateEvent", weight: 132, payload: create },
    Kind { name: "WatchEvent", weight: 78, payload: watch },
    Kind { name: "PullRequestEvent", weight: 75, payload: pull },
    Kind { name: "IssueCommentEvent", weight: 50, payload: issue_comment },
    Kind { name: "DeleteEvent", weight: 35, payload: delete },
    Kind { name: "PullRequestReviewEvent", weight: 32, payload: review },
    Kind { name: "ForkEvent", weight: 22, payload: fork },
    Kind { name: "IssuesEvent", weight: 22, payload: issues },
    Kind { name: "PullRequestReviewCommentEvent", weight: 15, payload: review_comment },
    Kind { name: "PublicEvent", weight: 5, payload: public },
    Kind { name: "ReleaseEvent", weight: 4, payload: release },
    Kind { name: "CommitCommentEvent", weight: 3, payload: commit_comment },
    Kind { name: "GollumEvent", weight: 3, payload: gollum },
    Kind { name: "MemberEvent", weight: 2, payload: member },
];

fn push(scene: &mut Scene<'_>) -> Value {
    let size = match scene.random.below(100) {
        0..=2 => 0,
        3..=84 => 1,
        85..=97 => scene.random.between(2, 20),
        _ => scene.random.between(20, 700),
    };
    let head = scene.random.hex(40);
    // GitHub lists 20 commits at most, whatever the size.
    let commits: Vec<Value> = (0..size.min(20)).map(|_| commit(scene)).collect();
    json!({
        "push_id": scene.random.between(7_000_000_000, 9_000_000_000),
        "size": size,
        "distinct_size": size - scene.random.below(size + 1) / 4,
        "ref": format!("refs/heads/{}", branch(scene)),
        "head": head,
        "before": scene.random.hex(40),
        "commits": commits,
    })
}

fn commit(scene: &mut Scene<'_>) -> Value {
    let sha = scene.random.hex(40);
    json!({
        "sha": sha,
        "author": {"name": scene.actor.login, "email": format!("{}@example.org", scene.actor.id)},
        "message": text(scene),
        "distinct": true,
        "url": format!("{}/commits/{sha}", scene.repo.api()),
    })
}

fn branch(scene: &mut Scene<'_>) -> String {
    match scene.random.below(10) {
        0..=5 => scene.repo.default_branch.to_owned(),
        6..=7 => "develop".to_owned(),
        8 => "gh-pages".to_owned(),
        _ => format!("feature/{}", scene.random.hex(6)),
    }
}

fn create(scene: &mut Scene<'_>) -> Value {
    let (name, kind) = match scene.random.below(10) {
        0..=2 => (None, "repository"),
        3..=4 => (Some(version(scene)), "tag"),
        _ => (Some(branch(scene)), "branch"),
    };
    let described = scene.random.one_in(2);
    json!({
        "ref": name,
        "ref_type": kind,
        "master_branch": scene.repo.default_branch,
        "description": described.then(|| text(scene)),
        "pusher_type": "user",
    })
}

fn delete(scene: &mut Scene<'_>) -> Value {
    let (name, kind) = match scene.random.one_in(8) {
        true => (version(scene), "tag"),
        false => (branch(scene), "branch"),
    };
    json!({"ref": name, "ref_type": kind, "pusher_type": "user"})
}

fn version(scene: &mut Scene<'_>) -> String {
    format!("v{}.{}.{}", scene.random.below(4), scene.random.below(20), scene.random.below(9))
}

fn watch(_: &mut Scene<'_>) -> Value {
    json!({"action": "started"})
}

fn public(_: &mut Scene<'_>) -> Value {
    json!({})
}

fn fork(scene: &mut Scene<'_>) -> Value {
    json!({"forkee": repository(scene, true)})
}

fn pull(scene: &mut Scene<'_>) -> Value {
    let (action, stage) = match scene.random.below(20) {
        0..=10 => ("opened", Stage::Open),
        11 => ("reopened", Stage::Open),
        12..=13 => ("closed", Stage::Closed),
        _ => ("closed", Stage::Merged),
    };
    let pull_request = pull_request(scene, stage, true);
    json!({
        "action": action,
        "number": pull_request["number"],
        "pull_request": pull_request,
    })
}

fn review(scene: &mut Scene<'_>) -> Value {
    let state = scene.random.pick(&["commented", "approved", "changes_requested"]);
    json!({
        "action": "created",
        "review": {
            "id": scene.random.between(100_000_000, 900_000_000),
            "user": scene.actor.in_payload(),
            "body": null,
            "commit_id": scene.random.hex(40),
            "submitted_at": time(scene.at),
            "state": state,
        },
        "pull_request": pull_request(scene, Stage::Open, false),
    })
}

fn review_comment(scene: &mut Scene<'_>) -> Value {
    let stage = if scene.random.one_in(6) { Stage::Merged } else { Stage::Open };
    json!({
        "action": "created",
        "comment": comment(scene),
        "pull_request": pull_request(scene, stage, false),
    })
}

fn issues(scene: &mut Scene<'_>) -> Value {
    let open = !scene.random.one_in(3);
    let action = if open { "opened" } else { "closed" };
    json!({"action": action, "issue": issue(scene, open)})
}

fn issue_comment(scene: &mut Scene<'_>) -> Value {
    let open = !scene.random.one_in(5);
    json!({"action": "created", "issue": issue(scene, open), "comment": comment(scene)})
}

fn commit_comment(scene: &mut Scene<'_>) -> Value {
    json!({"comment": comment(scene)})
}

fn release(scene: &mut Scene<'_>) -> Value {
    let tag = version(scene);
    json!({
        "action": "published",
        "release": {
            "html_url": format!("{}/releases/tag/{tag}", scene.repo.html()),
            "id": scene.random.between(1_000_000, 90_000_000),
            "author": scene.actor.in_payload(),
            "tag_name": tag,
            "target_commitish": scene.repo.default_branch,
            "name": tag,
            "draft": false,
            "prerelease": scene.random.one_in(4),
            "created_at": time(scene.at),
            "published_at": time(scene.at),
            "assets": [],
            "body": text(scene),
        },
    })
}

fn gollum(scene: &mut Scene<'_>) -> Value {
    json!({
        "pages": [{
            "page_name": "Home",
            "title": "Home",
            "summary": null,
            "action": "edited",
            "sha": scene.random.hex(40),
            "html_url": format!("{}/wiki/Home", scene.repo.html()),
        }],
    })
}

fn member(scene: &mut Scene<'_>) -> Value {
    let member = Actor::ranked(scene.random.rank(8), false);
    json!({"member": member.in_payload(), "action": "added"})
}
