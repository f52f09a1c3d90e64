use serde_json::{Map, Value, json};

use super::super::random::Random;

const FIRST: [&str; 24] = [
    "ada", "Blaise", "chien", "Dorothy", "edsger", "Frances", "grace", "Haskell", "ivan", "Jean",
    "kathy", "Linh", "margaret", "Niklaus", "olga", "Phuong", "quentin", "Radia", "sophie",
    "Trung", "ursula", "Vint", "wei", "Yukihiro",
];
const LAST: [&str; 16] = [
    "dev", "codes", "lab", "works", "hacks", "io", "soft", "builds", "Data", "ops", "eng", "byte",
    "stack", "cloud", "ML", "oss",
];
const BOTS: [&str; 4] = ["github-actions", "dependabot", "renovate", "pre-commit-ci"];
const PROJECTS: [&str; 20] = [
    "website", "api", "docs", "dotfiles", "server", "client", "infra", "papers", "toolkit",
    "parser", "pipeline", "charts", "blog", "engine", "sdk", "examples", "cron", "mobile", "proxy",
    "compiler",
];
const LANGUAGES: [&str; 8] =
    ["Rust", "Python", "TypeScript", "Go", "Java", "JavaScript", "C++", "Ruby"];

/// A user, a bot or an organisation; the same rank is always the same one.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) bot: bool,
}

/// A repository; the same rank is always the same one.
#[derive(Debug, Clone)]
pub(super) struct Repo {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) owner: Actor,
    pub(super) organised: bool,
    pub(super) default_branch: &'static str,
    pub(super) language: &'static str,
}

impl Actor {
    /// The first few ranks are bots. One actor in forty has another login when it is `late`.
    pub(super) fn ranked(rank: u64, late: bool) -> Self {
        let mut random = Random::seeded(rank.wrapping_mul(2).wrapping_add(1));
        let id = 10_000 + (random.below(9_000) * 10_000) + rank % 10_000;
        if let Some(name) = BOTS.get(rank as usize) {
            return Actor { id, login: format!("{name}[bot]"), bot: true };
        }
        let (first, last) = (random.pick(&FIRST), random.pick(&LAST));
        let renamed = if late && rank % 40 == 7 { "-new" } else { "" };
        Actor { id, login: format!("{first}-{last}{rank}{renamed}"), bot: false }
    }

    /// As the field `actor` of an event has it.
    pub(super) fn in_event(&self) -> Value {
        json!({
            "id": self.id,
            "login": self.login,
            "display_login": self.login.trim_end_matches("[bot]"),
            "gravatar_id": "",
            "url": format!("https://api.github.com/users/{}", self.login),
            "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?", self.id),
        })
    }

    /// As the field `org` of an event has it.
    pub(super) fn in_organisation(&self) -> Value {
        json!({
            "id": self.id,
            "login": self.login,
            "gravatar_id": "",
            "url": format!("https://api.github.com/orgs/{}", self.login),
            "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?", self.id),
        })
    }

    /// As payloads have it, with all its links.
    pub(super) fn in_payload(&self) -> Value {
        let login = self.login.replace('[', "%5B").replace(']', "%5D");
        let api = format!("https://api.github.com/users/{login}");
        let mut user = Map::new();
        user.insert("login".into(), self.login.clone().into());
        user.insert("id".into(), self.id.into());
        user.insert("node_id".into(), format!("MDQ6VXNlcj{:x}", self.id).into());
        let avatar = format!("https://avatars.githubusercontent.com/u/{}?v=4", self.id);
        user.insert("avatar_url".into(), avatar.into());
        user.insert("gravatar_id".into(), "".into());
        user.insert("url".into(), api.clone().into());
        user.insert("html_url".into(), format!("https://github.com/{login}").into());
        for (key, path) in USER_LINKS {
            user.insert(key.into(), format!("{api}/{path}").into());
        }
        user.insert("type".into(), if self.bot { "Bot" } else { "User" }.into());
        user.insert("site_admin".into(), false.into());
        user.into()
    }
}

impl Repo {
    pub(super) fn ranked(rank: u64) -> Self {
        let mut random = Random::seeded(rank.wrapping_mul(2));
        let organised = rank.is_multiple_of(4);
        let mut owner = Actor::ranked(BOTS.len() as u64 + random.below(rank + 40), false);
        if organised {
            owner.login = format!("{}-org", owner.login);
        }
        let name = format!("{}/{}{}", owner.login, random.pick(&PROJECTS), rank % 97);
        Repo {
            id: 100_000_000 + random.below(30_000) * 10_000 + rank % 10_000,
            name,
            owner,
            organised,
            default_branch: if random.one_in(3) { "master" } else { "main" },
            language: random.pick(&LANGUAGES),
        }
    }

    /// As the field `repo` of an event has it.
    pub(super) fn in_event(&self) -> Value {
        json!({"id": self.id, "name": self.name, "url": self.api()})
    }

    pub(super) fn api(&self) -> String {
        format!("https://api.github.com/repos/{}", self.name)
    }

    pub(super) fn html(&self) -> String {
        format!("https://github.com/{}", self.name)
    }
}

const USER_LINKS: [(&str, &str); 9] = [
    ("followers_url", "followers"),
    ("following_url", "following{/other_user}"),
    ("gists_url", "gists{/gist_id}"),
    ("starred_url", "starred{/owner}{/repo}"),
    ("subscriptions_url", "subscriptions"),
    ("organizations_url", "orgs"),
    ("repos_url", "repos"),
    ("events_url", "events{/privacy}"),
    ("received_events_url", "received_events"),
];
