//! The rules of the repository that no compiler knows.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assay_core::Document;
use assay_metrics::names;
use serde::Deserialize;
use serde_json::Value;

/// The picture of the crates, from above: a crate knows only crates of the rows below its own.
const PICTURE: [&[&str]; 6] = [
    &["assay"],
    &["assay-collect"],
    &["assay-sidecar", "assay-pipeline"],
    &["assay-quality", "assay-lineage", "assay-dlq", "assay-metrics", "assay-door"],
    &["assay-store", "assay-log", "assay-trace"],
    &["assay-core"],
];

/// Those that may name DataFusion or arrow; everything else compiles in seconds without them.
const ENGINE_CRATES: [&str; 4] = ["assay", "assay-pipeline", "assay-quality", "assay-lineage"];
const ENGINES: [&str; 4] = ["datafusion", "arrow", "parquet", "iceberg"];

const NAMES_THAT_SAY_NOTHING: [&str; 10] = [
    "util", "utils", "common", "helper", "helpers", "type", "types", "manager", "managers", "misc",
];

const LONGEST_FILE: usize = 400;

#[test]
fn a_crate_knows_only_crates_of_the_rows_below_its_own() {
    let row = |name: &str| PICTURE.iter().position(|row| row.contains(&name));
    let mut wrong = vec![];
    for package in workspace().packages {
        let Some(above) = row(&package.name) else {
            wrong.push(format!("{} has no place in the picture", package.name));
            continue;
        };
        for known in package.dependencies.iter().filter(|known| known.path.is_some()) {
            if row(&known.name).is_none_or(|below| below <= above) {
                let kind = known.kind.as_deref().unwrap_or("normal");
                wrong.push(format!("{} → {} ({kind})", package.name, known.name));
            }
        }
    }
    assert_none("edges that are not in the picture of the crates", &wrong);
}

#[test]
fn only_the_crates_that_compute_name_datafusion_and_arrow() {
    let mut wrong = vec![];
    for package in workspace().packages {
        let allowed = ENGINE_CRATES.contains(&package.name.as_str());
        for known in package.dependencies.iter().filter(|_| !allowed) {
            if is_of(&known.name, &ENGINES) {
                wrong.push(format!("{} → {}", package.name, known.name));
            }
        }
    }
    assert_none("engines where they do not belong", &wrong);
}

#[test]
fn what_compiles_in_seconds_has_nothing_slow_below_it() {
    let slow = |package: &str, banned: &[&str]| -> Vec<String> {
        let below = everything_below(package);
        assert!(below.contains("serde"), "{package} has serde below it, or this sees nothing");
        let found = below.iter().filter(|name| is_of(name, banned));
        found.map(|name| format!("{package} → … → {name}")).collect()
    };
    let mut wrong = slow("assay-core", &["tokio", "sqlx", "reqwest", "hyper"]);
    for package in ["assay-core", "assay-store", "assay-log", "assay-dlq", "assay-metrics"] {
        wrong.extend(slow(package, &ENGINES));
    }
    assert_none("crates below one that is to stay quick", &wrong);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let takes = |manifest: &Path| {
        let text = read(manifest);
        text.contains("[lints]\nworkspace = true") || text.contains("lints.workspace = true")
    };
    let packages = workspace().packages.into_iter();
    let wrong: Vec<_> = packages
        .filter(|package| !takes(&package.manifest_path))
        .map(|package| package.manifest_path.display().to_string())
        .collect();
    assert_none("manifests without `lints.workspace = true`", &wrong);
}

#[test]
fn a_file_is_one_idea() {
    let mut wrong = vec![];
    for path in rust_files() {
        let lines = read(&path).lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    assert_none(&format!("files of more than {LONGEST_FILE} lines"), &wrong);
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let ours = locked(&root().join("Cargo.lock"));
    let foreign = |(name, version): &(String, String)| {
        let known = ours.iter().any(|(known, _)| known == name);
        known && !ours.contains(&(name.clone(), version.clone()))
    };
    let wrong: Vec<_> =
        locked(&root().join("fuzz/Cargo.lock")).into_iter().filter(foreign).collect();
    let wrong: Vec<_> = wrong.iter().map(|(name, version)| format!("{name} {version}")).collect();
    assert_none("versions in fuzz/Cargo.lock that are not in Cargo.lock", &wrong);
}

/// Names and versions in a lock file.
fn locked(file: &Path) -> BTreeSet<(String, String)> {
    let text = read(file);
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let package = |part: &str| {
        let mut lines = part.lines().skip(1).map(value);
        Some((lines.next()?, lines.next()?))
    };
    let packages: BTreeSet<_> = text.split("[[package]]").skip(1).filter_map(package).collect();
    assert!(packages.len() > 100, "{} has packages, or this sees nothing", file.display());
    packages
}

#[test]
fn a_module_is_named_for_what_it_does() {
    let mut wrong = vec![];
    for path in rust_files() {
        let place = path.strip_prefix(root()).expect("a file is below the root").with_extension("");
        let named = place.iter().map(|part| part.to_string_lossy().into_owned());
        let text = read(&path);
        let declared = text.lines().filter_map(declared_module).map(str::to_owned);
        for name in named.chain(declared) {
            if NAMES_THAT_SAY_NOTHING.contains(&name.as_str()) {
                wrong.push(format!("{}: {name}", shown(&path)));
            }
        }
    }
    assert_none("modules named for nothing", &wrong);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return skip("paths of one machine, because this is no git repository");
    };
    let homes = ["work", "root", "farm", "home", "Users"].map(|home| format!("/{home}/"));
    let mut wrong = vec![];
    for name in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
        // Neither a file that is being deleted nor a binary one.
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if homes.iter().any(|home| starts_path(line, home)) {
                wrong.push(format!("{name}:{}", number + 1));
            }
        }
    }
    assert_none("paths of one machine", &wrong);
}

#[test]
fn every_contract_is_valid_by_the_standards_own_schema() {
    let schemas = root().join("../shared/reference/odcs");
    if !schemas.is_dir() {
        return skip("contracts against the schema of ODCS, because it is not at hand");
    }
    let contracts = files_below(&root().join("pipelines"), ".odcs.yaml");
    assert!(!contracts.is_empty(), "there are contracts");
    let mut wrong = vec![];
    for path in contracts {
        let document = Document::parse(&shown(&path), &read(&path))
            .unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let version = document.value()["apiVersion"].as_str().unwrap_or("(none)");
        let schema = read(&schemas.join(format!("odcs-json-schema-{version}.json")));
        let schema: Value = serde_json::from_str(&schema).unwrap();
        for error in jsonschema::validator_for(&schema).unwrap().iter_errors(document.value()) {
            let place = error.instance_path().to_string();
            let line = document.line(&place).unwrap_or_default();
            wrong.push(format!("{}:{line}: {place}: {error}", shown(&path)));
        }
    }
    assert_none("places where a contract is not as the standard says", &wrong);
}

#[test]
fn only_the_list_of_metrics_knows_their_names() {
    let lists = ["", "/collector", "/following", "/labels", "/outbox", "/replays", "/sidecar"]
        .map(|name| root().join(format!("metrics/src/names{name}.rs")));
    let outside = |path: &PathBuf| !lists.contains(path) && !is_test(path);
    let mut wrong = vec![];
    for path in rust_files().into_iter().filter(outside) {
        let text = read(&path);
        let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        for metric in names::all().filter(|metric| starts_word(code, metric.name)) {
            wrong.push(format!("{}: {}", shown(&path), metric.name));
        }
    }
    assert_none("names of metrics outside of metrics/src/names.rs", &wrong);
}

fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate is below the root").to_owned()
}

/// The crates of the workspace and what they name in their manifests.
/// What `cargo metadata` says of the workspace. Read by hand: the crate that reads it asks for a
/// feature of serde_json that would make tests another build than the binary.
fn workspace() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// Where it is, when it is in the workspace.
    path: Option<PathBuf>,
    kind: Option<String>,
}

/// The names of all crates that are built for `package` alone, however far below it they are.
fn everything_below(package: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--frozen", "--package", package, "--edges", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(tree.status.success(), "cargo tree tells what is below {package}");
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Whether a crate is one of the families, `arrow` or `arrow-array` of `arrow`.
fn is_of(name: &str, families: &[&str]) -> bool {
    families.iter().any(|family| {
        name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

fn rust_files() -> Vec<PathBuf> {
    let files = files_below(&root(), ".rs");
    assert!(files.iter().any(|file| file.ends_with(file!())), "this file is among them");
    files
}

/// Files by the end of their name, without what builds made and what is hidden.
fn files_below(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let made = ["target", "node_modules"].contains(&&*name) || name.starts_with('.');
        if path.is_dir() && !made && !path.join("CACHEDIR.TAG").exists() {
            found.extend(files_below(&path, end));
        } else if path.is_file() && name.ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The name in `pub mod name;` or `mod name {`.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let visible = line
        .strip_prefix("pub")
        .map_or(line, |rest| rest.split_once(' ').map_or(rest, |(_, declared)| declared));
    visible.strip_prefix("mod ")?.split([';', ' ', '{']).next()
}

/// Whether `line` has `home` where a path starts, not in the middle of one or of an address.
fn starts_path(line: &str, home: &str) -> bool {
    let inside =
        |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c));
    line.match_indices(home).any(|(place, _)| !inside(&line[..place]))
}

fn starts_word(text: &str, word: &str) -> bool {
    let inside = |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(place, _)| !inside(&text[..place]))
}

fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.iter().any(|part| part == "tests")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn assert_none(what: &str, wrong: &[impl ToString]) {
    let list: Vec<_> = wrong.iter().map(|one| format!("\n  {}", one.to_string())).collect();
    assert!(wrong.is_empty(), "{what}:{}", list.concat());
}

/// Says so where a test's own output is kept back.
fn skip(what: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
