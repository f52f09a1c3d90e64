//! The server of the tests, asked by its own client.

use std::process::Command;

pub(crate) const SERVER: &str = "postgres://postgres@127.0.0.1:19150";

/// Whether there is one. Where one is required, it has to be.
pub(crate) fn is_there() -> bool {
    let there = std::net::TcpStream::connect(("127.0.0.1", 19150)).is_ok()
        && Command::new("psql").arg("--version").output().is_ok();
    let required = std::env::var_os("ASSAY_REQUIRE").unwrap_or_default();
    assert!(there || !required.to_string_lossy().contains("postgres"), "postgres is required");
    there
}

pub(crate) fn psql(database: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", &format!("{SERVER}/{database}"), "-c", sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
