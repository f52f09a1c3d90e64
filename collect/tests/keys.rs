//! Who may send, and over what.

use std::process::Command;

use assay_collect::{CollectorError, Key, KeyHash, Listen, Tls};

use crate::desk::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_a_key_may_send_when_there_are_keys() {
    let mut desk = Desk::new().await;
    desk.settings.keys = vec![Key { name: "shop".to_owned(), sha256: KeyHash::of("secret") }];
    let open = desk.open().await;
    let body = br#"{"id":"1","type":"PushEvent"}"#;
    for (headers, status) in [
        (&[][..], 401),
        (&[("Authorization", "Bearer wrong")], 401),
        (&[("Authorization", "Basic secret")], 401),
        (&[("authorization", "bearer secret")], 202),
        (&[("X-API-Key", "secret")], 202),
    ] {
        assert_eq!(open.send("POST /collect", headers, body).await.status, status, "{headers:?}");
    }
    assert_eq!(open.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_wants_keys() {
    let mut desk = Desk::new().await;
    desk.settings.listen = Listen("0.0.0.0:0".parse().unwrap());
    let refused = desk.try_open().await.err().unwrap();
    assert!(matches!(refused, CollectorError::Settings(_)), "{refused}");
    assert!(refused.to_string().contains("assay keys create"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_trusts_the_certificate_sends_over_tls() {
    let mut desk = Desk::new().await;
    let (certificate, key) =
        (desk.folder.path().join("certificate.pem"), desk.folder.path().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    let curl = Command::new("curl").arg("--version").output();
    if !made.is_ok_and(|made| made.status.success()) || curl.is_err() {
        println!("skipped: TLS, because there is no openssl or no curl");
        return;
    }
    desk.settings.tls = Some(Tls { certificate: certificate.clone(), key: key.clone() });
    let open = desk.open().await;
    let url = format!("https://localhost:{}/collect", open.address.port());
    let sent = tokio::task::spawn_blocking(move || {
        Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--cacert"])
            .arg(&certificate)
            .args(["-H", "Content-Type: application/json"])
            .args(["-d", r#"{"id":"1","type":"PushEvent"}"#, &url])
            .output()
            .unwrap()
    });
    let sent = sent.await.unwrap();
    let told = String::from_utf8_lossy(&sent.stdout);
    assert!(told.contains("\"accepted\""), "{told} {}", String::from_utf8_lossy(&sent.stderr));
    assert_eq!(desk.wait_for(1).await, ["1"]);
    open.close().await;

    desk.settings.tls = Some(Tls { certificate: key.clone(), key });
    let refused = desk.try_open().await.err().unwrap();
    assert!(matches!(refused, CollectorError::Door(_)), "{refused}");
}
