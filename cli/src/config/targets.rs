use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use assay_core::{Clock, Document, Ids, Mistakes};
use assay_lineage::http::{Credential, NoAnswer};
use assay_lineage::openmetadata::Naming;
use assay_lineage::{Courier, OpenLineage, OpenMetadata, Persistence, Target};
use assay_store::Store;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where lineage is sent, and how persistently.
#[derive(Debug, Clone)]
pub(crate) struct Targets {
    pub(crate) openmetadata: Option<OpenMetadataTarget>,
    openlineage: Vec<OpenLineageTarget>,
    persistence: Persistence,
    /// How long one request may take.
    pub(crate) timeout: Duration,
    /// How long the end of a command may send what is left.
    pub(crate) grace: Duration,
}

#[derive(Debug, Clone)]
pub(crate) struct OpenMetadataTarget {
    pub(crate) url: String,
    pub(crate) credential: Credential,
    pub(crate) naming: Naming,
}

#[derive(Debug, Clone)]
struct OpenLineageTarget {
    name: String,
    url: String,
    credential: Credential,
    gzip: bool,
}

/// `openmetadata` in the file of settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenMetadataKeys {
    url: String,
    /// The variable of the environment that has the token of a bot.
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    /// The service of our tables, topics and pipelines.
    service: Option<String>,
    database: Option<String>,
    /// Services that are there already, by the OpenLineage namespace of what they hold.
    #[serde(default)]
    services: BTreeMap<String, String>,
}

/// One of `openlineage` in the file of settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenLineageKeys {
    name: Option<String>,
    url: String,
    api_key_env: Option<String>,
    api_key_file: Option<PathBuf>,
    #[serde(default)]
    gzip: bool,
}

/// `outbox` in the file of settings.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OutboxKeys {
    #[schemars(range(min = 1))]
    attempts: Option<u64>,
    #[schemars(range(min = 1))]
    timeout_seconds: Option<u64>,
    #[schemars(range(min = 1))]
    longest_wait_seconds: Option<u64>,
    grace_seconds: Option<u64>,
}

impl Default for Targets {
    fn default() -> Targets {
        Targets::with(None, vec![], &OutboxKeys::default())
    }
}

impl Targets {
    fn with(
        openmetadata: Option<OpenMetadataTarget>,
        openlineage: Vec<OpenLineageTarget>,
        keys: &OutboxKeys,
    ) -> Targets {
        let default = Persistence::default();
        let seconds =
            |given: Option<u64>, default: u64| Duration::from_secs(given.unwrap_or(default));
        let longest = default.longest_wait.as_secs();
        Targets {
            openmetadata,
            openlineage,
            persistence: Persistence {
                attempts: keys.attempts.unwrap_or(default.attempts).max(1),
                longest_wait: seconds(keys.longest_wait_seconds, longest).max(default.first_wait),
                ..default
            },
            timeout: seconds(keys.timeout_seconds, 60).max(Duration::from_secs(1)),
            grace: seconds(keys.grace_seconds, 10),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let catalog = self.openmetadata.iter().map(|_| OpenMetadata::NAME.to_owned());
        catalog.chain(self.openlineage.iter().map(|target| target.name.clone())).collect()
    }

    /// Sends what is in the outbox of `store` to all of them.
    pub(crate) fn courier(
        &self,
        store: Arc<Store>,
        clock: &Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Courier, NoAnswer> {
        let targets = self.build(clock)?;
        Ok(Courier::new(store, targets, Arc::clone(clock), ids, self.persistence))
    }

    fn build(&self, clock: &Arc<dyn Clock>) -> Result<Vec<Target>, NoAnswer> {
        let mut targets = vec![];
        if let Some(target) = &self.openmetadata {
            let server = target.build(self.timeout, clock)?;
            targets.push(Target::OpenMetadata(Box::new(server)));
        }
        for target in &self.openlineage {
            let OpenLineageTarget { name, url, credential, gzip } = target.clone();
            let clock = Arc::clone(clock);
            let endpoint = OpenLineage::new(name, &url, credential, gzip, self.timeout, clock)?;
            targets.push(Target::OpenLineage(endpoint));
        }
        Ok(targets)
    }
}

impl OpenMetadataTarget {
    pub(crate) fn build(
        &self,
        timeout: Duration,
        clock: &Arc<dyn Clock>,
    ) -> Result<OpenMetadata, NoAnswer> {
        let (credential, naming) = (self.credential.clone(), self.naming.clone());
        OpenMetadata::new(&self.url, credential, naming, timeout, Arc::clone(clock))
    }
}

/// The targets that the file names. Paths are relative to `folder`.
pub(super) fn read(
    document: &Document,
    openmetadata: Option<&OpenMetadataKeys>,
    openlineage: &[OpenLineageKeys],
    outbox: &OutboxKeys,
    folder: &Path,
) -> Result<Targets, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut keep = |pointer: &str, what: String, fix: &str| {
        mistakes.0.push(document.mistake(pointer, what, fix));
    };
    let catalog = openmetadata.map(|keys| {
        check_url(&keys.url, "/openmetadata/url", &mut keep);
        let names = ("token_env", "token_file");
        let secret = secret(keys.token_env.as_ref(), keys.token_file.as_ref(), names, folder);
        let credential = secret.unwrap_or_else(|(what, fix)| {
            keep("/openmetadata", what, &fix);
            Credential::None
        });
        let default = Naming::default();
        let naming = Naming {
            service: keys.service.clone().unwrap_or(default.service),
            database: keys.database.clone().unwrap_or(default.database),
            services: keys.services.clone(),
        };
        OpenMetadataTarget { url: keys.url.clone(), credential, naming }
    });
    let (mut others, mut names) = (vec![], BTreeSet::from([OpenMetadata::NAME.to_owned()]));
    for (index, keys) in openlineage.iter().enumerate() {
        let at = format!("/openlineage/{index}");
        check_url(&keys.url, &format!("{at}/url"), &mut keep);
        let authority = keys.url.split_once("://").map_or(keys.url.as_str(), |(_, rest)| rest);
        let authority = authority.split('/').next().unwrap_or_default();
        let name = keys.name.clone().unwrap_or_else(|| authority.to_owned());
        if !names.insert(name.clone()) {
            let fix = "give each target a `name` of its own";
            keep(&at, format!("`{name}` is the name of another target"), fix);
        }
        let keys_of = ("api_key_env", "api_key_file");
        let secret = secret(keys.api_key_env.as_ref(), keys.api_key_file.as_ref(), keys_of, folder);
        let credential = secret.unwrap_or_else(|(what, fix)| {
            keep(&at, what, &fix);
            Credential::None
        });
        let (url, gzip) = (keys.url.clone(), keys.gzip);
        others.push(OpenLineageTarget { name, url, credential, gzip });
    }
    match mistakes.0.is_empty() {
        true => Ok(Targets::with(catalog, others, outbox)),
        false => Err(mistakes),
    }
}

fn check_url(url: &str, at: &str, keep: &mut impl FnMut(&str, String, &str)) {
    let fix = "write http://HOST:PORT or https://HOST; a secret has keys of its own";
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest.map(|rest| rest.split('/').next().unwrap_or_default()) {
        // What is wrong may hold a password, so it is not repeated.
        Some(authority) if authority.contains('@') => {
            keep(at, "a user or password has no place in an address".to_owned(), fix);
        }
        None | Some("") => keep(at, "this is no address".to_owned(), fix),
        Some(_) => {}
    }
}

/// A secret from the environment, or from a file, which is read again whenever it is used.
fn secret(
    variable: Option<&String>,
    file: Option<&PathBuf>,
    names: (&str, &str),
    folder: &Path,
) -> Result<Credential, (String, String)> {
    match (variable, file) {
        (None, None) => Ok(Credential::None),
        (Some(name), None) => {
            let value = std::env::var_os(name).and_then(|value| value.into_string().ok());
            let value =
                value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            let unset = || (format!("the variable {name} is not set"), "set it".to_owned());
            value.map(Credential::Text).ok_or_else(unset)
        }
        (None, Some(path)) => Ok(Credential::File(folder.join(path))),
        (Some(_), Some(_)) => {
            let (first, second) = names;
            let what = "a secret comes from one place".to_owned();
            Err((what, format!("write `{first}` or `{second}`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Given};

    use super::*;

    fn load(text: &str) -> Result<Targets, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assay.yaml");
        std::fs::write(&file, text).unwrap();
        let loaded = Config::load(Some(&file), Given::default(), "default", "me");
        loaded.map(|config| config.targets).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_target_there_is_none_and_each_has_a_name() {
        assert!(load("memory_mb: 100\n").unwrap().names().is_empty());
        let text = "openmetadata: {url: 'http://om:8585/api', token_file: token}\n\
                    openlineage:\n  - url: http://marquez:5000\n  - {name: other, url: https://h/x}\n\
                    outbox: {attempts: 3}\n";
        let targets = load(text).unwrap();
        assert_eq!(targets.names(), ["openmetadata", "marquez:5000", "other"]);
        assert_eq!(targets.persistence.attempts, 3);
        let Credential::File(path) = targets.openmetadata.unwrap().credential else { panic!() };
        assert!(path.is_absolute() && path.ends_with("token"));
    }

    #[test]
    fn all_mistakes_come_at_once_with_their_lines_and_no_secret_is_repeated() {
        let text = "openmetadata:\n  url: http://me:hunter2@om\n  token_env: NO_SUCH_VARIABLE\n\
                    openlineage:\n  - url: marquez\n  - {name: a, url: http://a}\n  - {name: a, url: http://b}\n";
        let error = load(text).unwrap_err();
        for part in [
            "yaml:2: a user or password has no place",
            "yaml:1: the variable NO_SUCH_VARIABLE is not set",
            "yaml:5: this is no address",
            "yaml:7: `a` is the name of another target",
        ] {
            assert!(error.contains(part), "{part} is not in:\n{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
        let error = load("openmetadata: {token_env: X}\n").unwrap_err();
        assert!(error.contains("url"), "{error}");
    }
}
