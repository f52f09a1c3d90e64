//! Whether address, token and version work, and how to mend what does not.

use serde::Serialize;
use serde_json::json;

use super::OpenMetadata;
use super::api::{Trouble, meaning};
use crate::http::{NoAnswer, Request};
use crate::target::Refusal;

/// What a look at a server found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Look {
    /// The address that calls go to.
    pub address: String,
    pub version: Option<String>,
    pub found: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `address`, `server`, `version` or `token`.
    pub what: &'static str,
    pub fine: bool,
    pub said: String,
    /// How to mend it.
    pub fix: Option<String>,
}

impl Look {
    pub fn fine(&self) -> bool {
        self.found.iter().all(|found| found.fine)
    }
}

fn fine(what: &'static str, said: impl Into<String>) -> Found {
    Found { what, fine: true, said: said.into(), fix: None }
}

fn wrong(what: &'static str, said: impl Into<String>, fix: impl Into<String>) -> Found {
    Found { what, fine: false, said: said.into(), fix: Some(fix.into()) }
}

impl OpenMetadata {
    /// Asks the server who it is and whether it knows us. Changes nothing.
    pub async fn look(&self) -> Look {
        let mut look = Look { address: self.api.base.clone(), version: None, found: vec![] };
        // The version is told without a token.
        let url = format!("{}/system/version", self.api.base);
        let answer = match self.api.client.send(Request::get(&url)).await {
            Ok(answer) => answer,
            Err(none) => {
                look.found.push(unanswered(&none));
                return look;
            }
        };
        match meaning(&answer) {
            // Without a VERSION file a build says `{}`.
            Ok(body) if body["version"].is_string() || body == json!({}) => {
                look.found.push(fine("address", "an OpenMetadata server answers"));
                look.version = body["version"].as_str().map(str::to_owned);
                look.found.push(version(look.version.as_deref()));
            }
            Ok(_) => {
                look.found.push(stranger());
                return look;
            }
            Err(Trouble::Other(Refusal::Unauthorized(why))) => {
                look.found.push(fine("address", format!("a server answers, {why}")));
            }
            Err(trouble) => {
                let refusal = Refusal::from(trouble);
                let why = refusal.to_string();
                look.found.push(match refusal {
                    // No other address would help.
                    Refusal::Failed(_) | Refusal::Away { .. } if !why.contains("`url`") => wrong(
                        "server",
                        why,
                        "a server answers and can't work at the moment: see its log, and whether \
                         its database and search are up; then try again",
                    ),
                    _ => wrong("address", why, ADDRESS),
                });
                return look;
            }
        }
        look.found.push(match self.api.get("/tables?limit=1").await {
            Ok(page) if page["data"].is_array() => {
                fine("token", "it may read; whether it may write shows at the first sync")
            }
            Ok(_) => stranger(),
            Err(trouble) => token(&Refusal::from(trouble).to_string()),
        });
        look
    }
}

const ADDRESS: &str = "set `openmetadata.url` to the server's address, such as \
    http://HOST:8585/api; a proxy in front of it must let /api through";

fn stranger() -> Found {
    wrong("address", "a server answers, and not as OpenMetadata does", ADDRESS)
}

fn unanswered(none: &NoAnswer) -> Found {
    let fix = match none {
        NoAnswer::Unreachable(why) if why.contains("certificate") => {
            "the server's certificate is not trusted by this system: add its authority to the \
             system's, or correct `openmetadata.url`"
        }
        NoAnswer::Secret(_) => "correct `openmetadata.token_file`, and let this user read it",
        NoAnswer::TimedOut(_) => {
            "see whether the server is up and not overloaded, or raise \
                                  `outbox.timeout_seconds`"
        }
        _ => {
            "start the server, or correct host and port in `openmetadata.url`; its API listens on \
              8585 unless told otherwise"
        }
    };
    let what = match none {
        NoAnswer::Secret(_) => "token",
        NoAnswer::TimedOut(_) => "server",
        _ => "address",
    };
    wrong(what, none.to_string(), fix)
}

fn version(version: Option<&str>) -> Found {
    let Some(version) = version else {
        return fine("version", "it does not say; its build has no VERSION file");
    };
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    match number {
        (0, _) | (1, 0 | 1) => wrong(
            "version",
            format!("{version} is older than what was checked"),
            "upgrade it to 1.2 or newer",
        ),
        (1, 2) => fine("version", format!("{version}; every call was checked against 1.2")),
        _ => fine(
            "version",
            format!(
                "{version}; calls were checked against 1.2, newer ones are found out as they answer"
            ),
        ),
    }
}

fn token(why: &str) -> Found {
    let renew = "make one under Settings > Bots > ingestion-bot > Generate New Token, and put it \
                 where `openmetadata.token_env` or `token_file` says";
    let fix = match why {
        why if why.contains("not present") => format!("no token is set: {renew}"),
        why if why.contains("Expired") => format!("it is too old: {renew}"),
        // The older one stops to work when a new one is made.
        why if why.contains("Invalid Token") => {
            format!("a newer one was made for the bot: {renew}")
        }
        why if why.contains("keyID") => format!("it is of another server: {renew}"),
        why if why.contains("user instance") => format!("its user was deleted there: {renew}"),
        why if why.contains("not allowed") => {
            "give the bot a role that may read tables, such as IngestionBotRole".to_owned()
        }
        _ => renew.to_owned(),
    };
    wrong("token", why, fix)
}
