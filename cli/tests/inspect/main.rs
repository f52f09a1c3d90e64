//! Files and tables without a pipeline: `quality run`, `contract infer`, and what they write.
#![allow(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod away;
mod drifting;
mod history;
mod importing;
mod inferring;
mod judging;
mod reports;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const ORDERS: &str = "apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    description: What was ordered
    properties:
      - {name: id, logicalType: integer, required: true, unique: true}
      - {name: customer, logicalType: string, classification: confidential}
      - name: amount
        logicalType: number
        physicalType: decimal(15,2)
        required: true
        logicalTypeOptions: {minimum: 0}
      - name: status
        logicalType: string
        enum: [{value: new}, {value: paid}]
        customProperties: [{vendor: assay, property: severity, value: warning}]
      - {name: at, logicalType: timestamp}
";

/// Ten rows: one amount below nothing, one that is none, one status that nobody knows, one id twice.
const ROWS: &str = "id,customer,amount,status,at
1,ann,10.50,new,2026-01-01T00:00:00Z
2,bob,-3,new,2026-01-01T00:00:00Z
3,cid,7,lost,2026-01-01T00:00:00Z
4,dan,many,paid,2026-01-01T00:00:00Z
5,eve,1,paid,2026-01-01T00:00:00Z
5,fay,1,paid,2026-01-01T00:00:00Z
6,gus,2,,2026-01-01T00:00:00Z
7,hal,2,new,2026-01-01 00:00:00
8,ida,2,new,
9,joe,2,new,2026-01-01T00:00:00Z
";

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().unwrap() };
        desk.write("orders.odcs.yaml", ORDERS);
        desk.write("orders.csv", ROWS);
        desk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.current_dir(self.path()).env_remove("ASSAY_DATA_DIR").env_remove("ASSAY_CONFIG");
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// The code, what was printed, and the error.
    fn done(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn fine(&self, arguments: &[&str]) -> String {
        let (code, text, error) = self.done(arguments);
        assert_eq!(code, 0, "{arguments:?}: {text}{error}");
        text
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, text, error) = self.done(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|wrong| panic!("{code} {wrong}: {text}{error}"))
    }

    fn judged(&self, what: &str, more: &[&str]) -> Value {
        let judge = ["quality", "run", what, "--contract", "orders.odcs.yaml"];
        self.json(&[&judge[..], more].concat())
    }

    /// What a command makes of bytes on its standard input.
    fn fed(&self, arguments: &[&str], input: &[u8]) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}

/// How a rule of a report fared: broken rows, and what was made of them.
fn rule<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rules = report["quality"]["rules"].as_array().unwrap();
    let found = rules.iter().find(|rule| rule["rule"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {report}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file beside the clone; none when it is not at hand.
fn shared(path: &str) -> Option<PathBuf> {
    let file = root().join("../shared").join(path);
    if !file.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: {path} is not at hand");
        return None;
    }
    Some(file)
}
