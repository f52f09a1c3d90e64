use super::Desk;

#[test]
fn junit_has_a_test_for_every_rule_and_is_well_formed() {
    let desk = Desk::new();
    desk.fine(&[
        "quality",
        "run",
        "orders.csv",
        "--contract",
        "orders.odcs.yaml",
        "--junit",
        "r.xml",
    ]);
    let xml = desk.read("r.xml");
    let report = desk.judged("orders.csv", &[]);
    let rules = report["quality"]["rules"].as_array().unwrap().len();
    assert_eq!(xml.matches("<testcase ").count(), rules + 1, "{xml}");
    assert_eq!(xml.matches("<failure ").count(), 3, "{xml}");
    assert!(xml.contains(&format!("tests=\"{}\" failures=\"3\" errors=\"0\"", rules + 1)), "{xml}");
    // A rule that only warns fails no build.
    assert!(xml.contains("<system-out>warning: 1 rows broke it"), "{xml}");
    well_formed(&xml);
}

/// Every element that is opened is closed in order.
fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in xml.split('<').skip(1) {
        let inner = tag.split('>').next().unwrap();
        let name = inner.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap();
        match inner {
            _ if inner.starts_with(['?', '!']) => {}
            _ if inner.starts_with('/') => assert_eq!(open.pop(), Some(name), "{inner}"),
            _ if inner.ends_with('/') || ["meta", "br"].contains(&name) => {}
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_beside_itself_and_shows_no_secret() {
    let desk = Desk::new();
    let hostile = super::ROWS.replace("1,ann,10.50,new", "1,ann,10.50,<script>alert(1)</script>");
    desk.write("orders.csv", hostile);
    desk.fine(&[
        "quality",
        "run",
        "orders.csv",
        "--contract",
        "orders.odcs.yaml",
        "--html",
        "r.html",
    ]);
    let page = desk.read("r.html");
    for part in
        ["What cost the points", "amount.range", "verdict is warn", "-3.00", "What was ordered"]
    {
        assert!(page.contains(part), "{part} is not in the page");
    }
    for part in ["<script", "http:", "https:", "src=", "@import", "url(", "bob", "ann"] {
        assert!(!page.contains(part), "{part} is in the page");
    }
    assert!(page.contains("&lt;script&gt;"), "a value is shown as it is");
    well_formed(
        &page
            .split("<style>")
            .next()
            .unwrap()
            .replace("<!doctype html>", "")
            .replace("<html lang=\"en\">", "")
            .replace("<head>", ""),
    );
    well_formed(page.split("</style>\n</head>\n").nth(1).unwrap().trim_end_matches("</html>\n"));
}

#[test]
fn contracts_become_one_page() {
    let desk = Desk::new();
    desk.fine(&["contract", "docs", "orders.odcs.yaml", "--to", "c.html"]);
    let page = desk.read("c.html");
    for part in
        ["What was ordered", "decimal(15,2)", "one of new, paid", "confidential", "required"]
    {
        assert!(page.contains(part), "{part} is not in the page");
    }
    let all = desk.fine(&["contract", "docs", "github_events"]);
    for part in ["silver.github_events", "gold.user_activity", "Service levels", "href=\"#s0-"] {
        assert!(all.contains(part), "{part} is not in the page");
    }
    for page in [page, all] {
        assert!(!page.contains("<script") && !page.contains("src="), "it needs nothing else");
        well_formed(
            page.split("</style>\n</head>\n")
                .nth(1)
                .unwrap()
                .trim_end_matches("</html>\n")
                .trim_end(),
        );
    }
}
