use anyhow::{Result, anyhow};
use assay_core::{Clock, SystemClock};
use assay_door::KeyHash;
use assay_store::{KeyRecord, Role, Store};

use crate::app::open_store;
use crate::args::KeysCommand;
use crate::config::Config;
use crate::exit::Usage;
use crate::output::{Grid, json, line, time};

/// Random bytes of a key.
const BYTES: usize = 32;

pub(crate) async fn keys(config: &Config, command: KeysCommand, as_json: bool) -> Result<()> {
    let store = open_store(config).await?;
    match command {
        KeysCommand::Create { name, role } => create(config, &store, name, role, as_json).await,
        KeysCommand::List => list(&store, as_json).await,
        KeysCommand::Revoke { name } => revoke(config, &store, &name, as_json).await,
    }
}

/// Makes a key and shows it once. The store has its hash before anybody has the key.
async fn create(
    config: &Config,
    store: &Store,
    name: String,
    role: Role,
    as_json: bool,
) -> Result<()> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(Usage("a key needs the name of its owner".to_owned()).into());
    }
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("cannot make a key: {error}"))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("assay_{digits}");
    let made = KeyRecord {
        name,
        role,
        sha256: KeyHash::of(&key).to_string(),
        made_at: SystemClock.now(),
        made_by: config.who.clone(),
        revoked_at: None,
        revoked_by: None,
    };
    let KeyRecord { name, sha256, .. } = &made;
    let first = !any_valid(store).await?;
    if !store.add_key(&made).await? {
        let taken = format!("{name} has a key: revoke it first with `assay keys revoke {name}`");
        return Err(Usage(taken).into());
    }
    if as_json {
        return json(&serde_json::json!({
            "name": name, "role": role, "key": key, "sha256": sha256,
        }));
    }
    line(format!("key for {name} ({role}), shown only now: {key}\n"))?;
    if first {
        line(
            "It is the only one: sidecars and collectors of this store that listen on this machine \
             were open to anybody here, and ask for a key from now on.\n",
        )?;
    }
    if role == Role::Viewer {
        return Ok(());
    }
    line("Collectors and sidecars of this store know it. For a collector elsewhere:\n")?;
    line("Add this to assay.yaml:")?;
    let name = serde_json::to_string(name)?;
    line(format!("collector:\n  keys:\n    - name: {name}\n      sha256: {sha256}"))
}

async fn list(store: &Store, as_json: bool) -> Result<()> {
    let keys = store.keys().await?;
    if as_json {
        return json(&keys);
    }
    let mut grid = Grid::new(&["name", "role", "made", "by", "state"]);
    for key in keys {
        let state = key.revoked_at.map_or_else(
            || "valid".to_owned(),
            |at| format!("revoked {} by {}", time(at), key.revoked_by.unwrap_or_default()),
        );
        grid.row([key.name, key.role.to_string(), time(key.made_at), key.made_by, state]);
    }
    grid.print()
}

async fn revoke(config: &Config, store: &Store, name: &str, as_json: bool) -> Result<()> {
    if !store.revoke_key(name, SystemClock.now(), &config.who).await? {
        let none = format!("{name} has no key that is valid: see `assay keys list`");
        return Err(Usage(none).into());
    }
    if as_json {
        return json(&serde_json::json!({ "name": name, "revoked": true }));
    }
    line(format!("the key of {name} opens nothing any more, within a second"))?;
    if any_valid(store).await? {
        return Ok(());
    }
    line("it was the last: sidecars that listen on this machine only are open to anybody here now")
}

async fn any_valid(store: &Store) -> Result<bool> {
    Ok(store.keys().await?.iter().any(|key| key.revoked_at.is_none()))
}
