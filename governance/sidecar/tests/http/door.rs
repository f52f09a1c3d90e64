//! Who comes in over TLS, and by which name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use assay_core::Clock;
use assay_door::{KeyHash, Tls};
use assay_sidecar::SidecarError;
use assay_store::{KeyRecord, Role};

use crate::desk::{Desk, event};

/// A certificate of this machine that signs itself; false when there is no openssl.
fn certificate(folder: &Path, name: &str) -> bool {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.pem")))
        .output();
    made.is_ok_and(|made| made.status.success())
}

async fn curl(authority: &Path, more: &[&str], url: &str) -> Output {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--cacert"])
        .arg(authority)
        .args(more)
        .arg(url);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What a client gets that does not know of TLS, until the connection is closed.
fn plain(address: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = vec![];
    // Closed or reset, it is not answered.
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_only_who_trusts_the_certificate_comes_in_and_nobody_without() {
    let mut desk = Desk::new();
    let folder = desk.folder.path().to_owned();
    let curls = Command::new("curl").arg("--version").output().is_ok();
    if !curls || !certificate(&folder, "ours") || !certificate(&folder, "other") {
        println!("skipped: TLS, because there is no openssl or no curl");
        return;
    }
    let (ours, other) = (folder.join("ours.pem"), folder.join("other.pem"));
    desk.settings.tls = Some(Tls { certificate: ours.clone(), key: folder.join("ours.key") });
    let open = desk.open().await;
    let base = format!("https://localhost:{}", open.address.port());
    let sent = event("COMPLETE", "10:00:00", "r", "a", "b").to_string();
    let post = ["-H", "Content-Type: application/json", "-d", &sent];
    let url = format!("{base}/api/v1/lineage");
    let kept = curl(&ours, &post, &url).await;
    assert_eq!(String::from_utf8_lossy(&kept.stdout), r#"{"accepted":1}"#);
    let graph = format!("{base}/api/v1/lineage/graph?dataset=b");
    let shown = curl(&ours, &["--tlsv1.2", "--tls-max", "1.2"], &graph).await;
    assert!(String::from_utf8_lossy(&shown.stdout).contains("\"links\":[{"), "{shown:?}");

    // 60: the certificate is signed by nobody that the client trusts.
    let wary = curl(&other, &post, &url).await;
    assert_eq!((wary.status.code(), wary.stdout.len()), (Some(60), 0), "{wary:?}");
    let address = open.address;
    let answer = tokio::task::spawn_blocking(move || plain(address)).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(!text.contains("HTTP/1.1") && !text.contains("ready"), "{text}");
    // Who came wrongly did the others no harm.
    let again = curl(&ours, &[], &format!("{base}/readyz")).await;
    assert!(again.status.success(), "{again:?}");
    open.close().await;

    desk.settings.tls = Some(Tls { certificate: ours, key: folder.join("other.key") });
    let refused = desk.try_open().await.err().unwrap();
    assert!(matches!(refused, SidecarError::Door(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_door_is_not_reached_by_the_name_of_a_page() {
    let desk = Desk::new();
    let open = desk.open().await;
    // A page whose name was made to lead to this machine asks by that name.
    for (host, status) in
        [("evil.example:8484", 403), ("localhost:8484", 200), ("127.0.0.1", 200), ("[::1]:1", 200)]
    {
        let answer = open.send("GET /api/v1/lineage/stats", &[("Host", host)], b"").await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text);
        if status == 403 {
            assert_eq!(answer.json()["error"], "host");
        }
    }
    // Where there are keys a page has none.
    let key = KeyRecord {
        name: "grafana".to_owned(),
        role: Role::Viewer,
        sha256: KeyHash::of("secret").to_string(),
        made_at: assay_core::SystemClock.now(),
        made_by: "me".to_owned(),
        revoked_at: None,
        revoked_by: None,
    };
    open.close().await;
    assert!(desk.store().await.add_key(&key).await.unwrap());
    let mut open = desk.open().await;
    let host = [("Host", "sidecar.internal:8484")];
    assert_eq!(open.send("GET /api/v1/lineage/stats", &host, b"").await.status, 401);
    open.key = Some("secret".to_owned());
    assert_eq!(open.send("GET /api/v1/lineage/stats", &host, b"").await.status, 200);
}
