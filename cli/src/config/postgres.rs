use std::fmt;
use std::path::{Path, PathBuf};

use assay_core::{Document, Mistake};
use schemars::JsonSchema;
use serde::Deserialize;

/// Where a database is, that of streams or the store, and the password when it is not in the address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresConfig {
    pub(crate) url: String,
    pub(crate) password: Option<String>,
}

/// An address may have a password in it.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresConfig { … }")
    }
}

/// How to reach it: `postgres` or `store` in the file of settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostgresKeys {
    /// postgres://USER@HOST:PORT/DATABASE, with `?sslmode=verify-full` and the like; of the store also
    /// `schema=NAME`.
    url: String,
    /// The variable of the environment that has the password.
    password_env: Option<String>,
    password_file: Option<PathBuf>,
}

/// `given` is what the command line or the environment says; `at` is where the keys stand.
pub(super) fn read(
    document: Option<(&Document, &str)>,
    keys: Option<&PostgresKeys>,
    given: Option<&str>,
    folder: &Path,
) -> Result<Option<PostgresConfig>, Mistake> {
    if let Some(url) = given {
        return Ok(Some(PostgresConfig { url: url.to_owned(), password: None }));
    }
    let (Some((document, at)), Some(keys)) = (document, keys) else { return Ok(None) };
    let password = keys.password(folder).map_err(|(what, fix)| document.mistake(at, what, fix))?;
    Ok(Some(PostgresConfig { url: keys.url.clone(), password }))
}

impl PostgresKeys {
    fn password(&self, folder: &Path) -> Result<Option<String>, (String, &'static str)> {
        match (&self.password_env, &self.password_file) {
            (None, None) => Ok(None),
            (Some(name), None) => std::env::var_os(name)
                .and_then(|value| value.into_string().ok())
                .map(Some)
                .ok_or_else(|| (format!("the variable {name} is not set"), "set it")),
            (None, Some(path)) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    let what = format!("cannot read the password from {}: {error}", path.display());
                    (what, "correct `password_file`")
                })?;
                match text.trim_end_matches(['\r', '\n']) {
                    "" => Err((
                        format!("the password file {} is empty", path.display()),
                        "write the password into it, or leave `password_file` out",
                    )),
                    password => Ok(Some(password.to_owned())),
                }
            }
            (Some(_), Some(_)) => Err((
                "a password comes from one place".to_owned(),
                "write `password_env` or `password_file`",
            )),
        }
    }
}
