//! A server that is reached over TLS, and users who may not do all.

use super::server::Server;
use super::shop::{RUN, Shop, shop_at};

/// What a run says that reaches the database in this way; None when it is done.
fn trouble(shop: &Shop, address: &str) -> Option<String> {
    let output = shop.output(&[&RUN[..], &["--postgres", address]].concat());
    // A sentence may be broken over lines.
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    (!output.status.success()).then_some(said)
}

#[test]
fn tls_is_demanded_and_the_server_is_the_one_that_was_meant() {
    let Some(server) = Server::start() else { return };
    let Some(shop) = shop_at("tls", None, &server.place()) else { return };
    shop.generates(&["--count", "100"]);
    // From now on nobody gets in without TLS.
    shop.sql(
        "CREATE TABLE rules (line text); INSERT INTO rules VALUES ('hostssl all all all trust'); \
         DO $$ BEGIN EXECUTE format('COPY rules TO %L', current_setting('hba_file')); END $$; \
         DROP TABLE rules; SELECT pg_reload_conf()",
    );
    let at =
        |place: &str, more: &str| format!("postgres://postgres@{place}{}?{more}", shop.database());
    let (ip, name) = (server.place(), server.by_name());
    let trusted = format!("sslrootcert={}", server.authority("ca.pem"));
    let stranger = format!("sslrootcert={}", server.authority("stranger.pem"));
    let refused = "no encryption";
    let cases = [
        (at(&ip, "sslmode=disable"), Some(refused)),
        (at(&ip, "sslmode=verify-full"), Some("check `sslmode` and `sslrootcert`")),
        (at(&ip, &format!("sslmode=verify-full&{stranger}")), Some("invalid peer certificate")),
        (
            at(&ip, "sslmode=verify-full&sslrootcert=/gone.pem"),
            Some("a certificate (`sslrootcert`"),
        ),
        (
            at(&server.elsewhere(), &format!("sslmode=verify-full&{trusted}")),
            Some("not valid for name"),
        ),
        (
            at(&server.elsewhere(), &format!("sslmode=verify-ca&{trusted}")),
            Some("not valid for name"),
        ),
        (at(&name, &format!("sslmode=verify-full&{trusted}")), None),
        (at(&ip, &format!("sslmode=verify-full&{trusted}")), None),
        (at(&ip, "sslmode=require"), None),
        (at(&ip, "sslmode=prefer"), None),
    ];
    for (address, told) in cases {
        match (trouble(&shop, &address), told) {
            (None, None) => {}
            (Some(said), Some(told)) => assert!(said.contains(told), "{address}: {said}"),
            (said, told) => panic!("{address}: {said:?}, not {told:?}"),
        }
    }
    shop.verified();
}

#[test]
fn a_user_may_do_what_a_stream_needs_and_hears_what_is_missing() {
    let Some(server) = Server::start() else { return };
    let Some(mut shop) = shop_at("rights", None, &server.place()) else { return };
    shop.has_clerk("clerk");
    shop.generates(&["--count", "100"]);
    let temporary = format!("TEMPORARY ON DATABASE {}", shop.database());
    let (revoke, grant) =
        (format!("REVOKE {temporary} FROM PUBLIC"), format!("GRANT {temporary} TO PUBLIC"));
    let cases: [(&str, &str, &str); 6] = [
        (
            "REVOKE INSERT ON kpi_1m FROM clerk",
            "GRANT INSERT ON kpi_1m TO clerk",
            "permission denied for table kpi_1m (42501); GRANT it",
        ),
        (
            "REVOKE INSERT ON assay.positions FROM clerk",
            "GRANT INSERT ON assay.positions TO clerk",
            "permission denied for table positions",
        ),
        (
            "REVOKE USAGE ON SCHEMA assay FROM clerk",
            "GRANT USAGE ON SCHEMA assay TO clerk",
            "permission denied for schema assay (42501); GRANT it",
        ),
        (&revoke, &grant, "permission denied to create temporary tables"),
        (
            "ALTER ROLE clerk CONNECTION LIMIT 0",
            "ALTER ROLE clerk CONNECTION LIMIT -1",
            "no connection can be had: is the server up, and does it take more connections?",
        ),
        ("ALTER ROLE clerk NOLOGIN", "ALTER ROLE clerk LOGIN", "check user and password"),
    ];
    let before = shop.sql("SELECT count(*) FROM assay.commits");
    for (spoil, mend, told) in cases {
        shop.sql(spoil);
        let said = trouble(&shop, &shop.address()).unwrap_or_default();
        assert!(said.contains(told), "{spoil}: {said}");
        shop.sql(mend);
    }
    assert_eq!(shop.sql("SELECT count(*) FROM assay.commits"), before);
    assert_eq!(trouble(&shop, &shop.address()), None);
    shop.verified();
}
