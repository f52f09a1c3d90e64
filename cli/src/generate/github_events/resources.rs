//! The objects of the GitHub API that payloads carry: repositories, pull requests, issues, comments.

use serde_json::{Map, Value, json};

use super::payload::Scene;
use super::people::Repo;
use super::time;

const TITLES: [&str; 12] = [
    "Fix the build on Windows",
    "Bump lodash from 4.17.20 to 4.17.21",
    "Add a dark theme",
    "Sửa lỗi đăng nhập",
    "chore: release 0.10.5",
    "Crash when the file is empty",
    "Update README.md",
    "feat: retries with backoff",
    "\"Unexpected token\" in line 1",
    "文档：修正拼写错误",
    "Refactor the parser \u{1f680}",
    "Memory grows without limit",
];
const REPO_LINKS: [(&str, &str); 30] = [
    ("forks_url", "forks"),
    ("keys_url", "keys{/key_id}"),
    ("collaborators_url", "collaborators{/collaborator}"),
    ("teams_url", "teams"),
    ("hooks_url", "hooks"),
    ("issue_events_url", "issues/events{/number}"),
    ("events_url", "events"),
    ("assignees_url", "assignees{/user}"),
    ("branches_url", "branches{/branch}"),
    ("tags_url", "tags"),
    ("blobs_url", "git/blobs{/sha}"),
    ("git_refs_url", "git/refs{/sha}"),
    ("trees_url", "git/trees{/sha}"),
    ("statuses_url", "statuses/{sha}"),
    ("languages_url", "languages"),
    ("stargazers_url", "stargazers"),
    ("contributors_url", "contributors"),
    ("subscribers_url", "subscribers"),
    ("commits_url", "commits{/sha}"),
    ("comments_url", "comments{/number}"),
    ("contents_url", "contents/{+path}"),
    ("compare_url", "compare/{base}...{head}"),
    ("merges_url", "merges"),
    ("downloads_url", "downloads"),
    ("issues_url", "issues{/number}"),
    ("pulls_url", "pulls{/number}"),
    ("milestones_url", "milestones{/number}"),
    ("labels_url", "labels{/name}"),
    ("releases_url", "releases{/id}"),
    ("deployments_url", "deployments"),
];

/// A repository with all its links; a fork is one of the actor's own.
pub(super) fn repository(scene: &mut Scene<'_>, fork: bool) -> Value {
    let mut repo: Repo = scene.repo.clone();
    if fork {
        let project = repo.name.rsplit('/').next().unwrap_or_default();
        repo.name = format!("{}/{project}", scene.actor.login);
        repo.owner = scene.actor.clone();
        repo.id += 1;
    }
    let project = repo.name.rsplit('/').next().unwrap_or_default();
    let stars = scene.random.rank(8);
    let mut object = Map::new();
    extend(
        &mut object,
        json!({
            "id": repo.id,
            "node_id": format!("MDEwOlJlcG9zaXRvcnk{:x}", repo.id),
            "name": project,
            "full_name": repo.name,
            "private": false,
            "owner": repo.owner.in_payload(),
            "html_url": repo.html(),
            "description": if scene.random.one_in(3) { Value::Null } else { text(scene).into() },
            "fork": fork,
            "url": repo.api(),
        }),
    );
    for (key, path) in REPO_LINKS {
        object.insert(key.into(), format!("{}/{path}", repo.api()).into());
    }
    extend(
        &mut object,
        json!({
            "updated_at": time(scene.at),
            "clone_url": format!("{}.git", repo.html()),
            "size": scene.random.rank(12),
            "stargazers_count": stars,
            "watchers_count": stars,
            "language": repo.language,
            "has_issues": true,
            "has_wiki": false,
            "archived": false,
            "license": {"key": "mit", "name": "MIT License", "spdx_id": "MIT"},
            "default_branch": repo.default_branch,
        }),
    );
    object.into()
}

/// How far a pull request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Closed,
    Merged,
}

/// A pull request; only the event about itself says whether it is `merged`.
pub(super) fn pull_request(scene: &mut Scene<'_>, stage: Stage, complete: bool) -> Value {
    let number = scene.random.rank(8) + 1;
    let api = format!("{}/pulls/{number}", scene.repo.api());
    let html = format!("{}/pull/{number}", scene.repo.html());
    let now = time(scene.at);
    let merged_at = (stage == Stage::Merged).then(|| now.clone());
    let closed_at = (stage != Stage::Open).then(|| now.clone());
    let mut object = Map::new();
    extend(
        &mut object,
        json!({
            "url": api,
            "id": scene.random.between(100_000_000, 3_000_000_000),
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "number": number,
            "state": if stage == Stage::Open { "open" } else { "closed" },
            "locked": false,
            "title": scene.random.pick(&TITLES),
            "user": scene.actor.in_payload(),
            "body": text(scene),
            "created_at": now,
            "updated_at": now,
            "closed_at": closed_at,
            "merged_at": merged_at,
            "assignees": [],
            "labels": [],
        }),
    );
    let base = scene.repo.default_branch;
    for (key, branch) in [("head", "feature/retry"), ("base", base)] {
        let sha = scene.random.hex(40);
        let repo = repository(scene, key == "head");
        let side = json!({"label": branch, "ref": branch, "sha": sha, "repo": repo});
        object.insert(key.into(), side);
    }
    object.insert("author_association".into(), "CONTRIBUTOR".into());
    if complete {
        let counts = json!({
            "merged": stage == Stage::Merged,
            "mergeable": null,
            "comments": scene.random.below(20),
            "commits": scene.random.between(1, 9),
            "additions": scene.random.rank(8),
            "deletions": scene.random.rank(6),
            "changed_files": scene.random.between(1, 30),
        });
        extend(&mut object, counts);
    }
    object.into()
}

pub(super) fn issue(scene: &mut Scene<'_>, open: bool) -> Value {
    let number = scene.random.rank(8) + 1;
    let now = time(scene.at);
    let closed_at = (!open).then(|| now.clone());
    json!({
        "url": format!("{}/issues/{number}", scene.repo.api()),
        "html_url": format!("{}/issues/{number}", scene.repo.html()),
        "id": scene.random.between(100_000_000, 3_000_000_000),
        "number": number,
        "title": scene.random.pick(&TITLES),
        "user": scene.actor.in_payload(),
        "labels": [{"id": 3_184_575_526_u64, "name": "bug", "color": "ededed", "default": false}],
        "state": if open { "open" } else { "closed" },
        "locked": false,
        "comments": scene.random.below(12),
        "created_at": now,
        "closed_at": closed_at,
        "body": text(scene),
    })
}

/// What someone wrote below an issue, a commit or a line of a pull request.
pub(super) fn comment(scene: &mut Scene<'_>) -> Value {
    let id = scene.random.between(100_000_000, 3_000_000_000);
    json!({
        "url": format!("{}/comments/{id}", scene.repo.api()),
        "id": id,
        "user": scene.actor.in_payload(),
        "commit_id": scene.random.hex(40),
        "created_at": time(scene.at),
        "updated_at": time(scene.at),
        "author_association": "NONE",
        "body": text(scene),
    })
}

/// A few sentences, with what breaks careless readers: quotes, line ends, other alphabets.
pub(super) fn text(scene: &mut Scene<'_>) -> String {
    let mut text = String::new();
    for _ in 0..scene.random.between(1, 5) {
        text.push_str(scene.random.pick(&TITLES));
        text.push_str(if scene.random.one_in(3) { ".\r\n" } else { ". " });
    }
    text
}

fn extend(object: &mut Map<String, Value>, with: Value) {
    if let Value::Object(more) = with {
        object.extend(more);
    }
}
