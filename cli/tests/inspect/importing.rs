use super::{Desk, shared};

#[test]
fn what_other_tools_found_is_taken_in_once_and_shown_as_theirs() {
    let desk = Desk::new();
    let Some(folder) = shared("data/quality") else { return };
    let file = |name: &str| folder.join(name).display().to_string();
    let gx = file("gx_result.json");
    let told = desk.json(&["quality", "import", &gx]);
    assert_eq!(
        (&told[0]["dataset"], &told[0]["new"]),
        (&"lab.orders".into(), &true.into()),
        "{told}"
    );
    assert_eq!((&told[0]["passed"], &told[0]["failed"]), (&1.into(), &6.into()));
    assert_eq!(desk.json(&["quality", "import", &gx])[0]["new"], false);

    // The manifest beside it is found.
    let dbt = desk.json(&["quality", "import", &file("dbt/run_results.json")]);
    assert_eq!(dbt.as_array().unwrap().len(), 2, "{dbt}");
    for name in ["soda_result.json", "soda4_result.json"] {
        desk.fine(&["quality", "import", &file(name)]);
    }
    let text = desk.fine(&["quality", "show", "lab.orders"]);
    for part in
        ["imported from soda of", "Imported before:", "great-expectations 1.24.1 of", "FAILED"]
    {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
    let shown = desk.json(&["quality", "show", "main.stg_orders"]);
    assert_eq!(shown["imported"][0]["tool"], "dbt", "{shown}");

    // Under the name that it has here.
    desk.fine(&["quality", "import", &gx, "--dataset", "silver.orders"]);
    let text = desk.fine(&["quality", "show", "silver.orders"]);
    assert!(text.contains("silver.orders imported from great-expectations 1.24.1"), "{text}");
    let (code, _, error) = desk.done(&["quality", "show", "gold.orders"]);
    assert_eq!(code, 2);
    assert!(error.contains("lab.orders, main.orders_by_status"), "{error}");
}

#[test]
fn what_is_no_result_is_refused_and_nothing_is_taken_in() {
    let desk = Desk::new();
    desk.write("cut.json", "{\"success\": tru");
    desk.write("other.json", "{\"a\": 1}");
    desk.write("manifest.json", "{}");
    let dbt = "{\"metadata\": {\"dbt_schema_version\": \"https://x/dbt/run-results/v6.json\"}, \"results\": []}";
    std::fs::create_dir(desk.path().join("alone")).unwrap();
    desk.write("alone/run_results.json", dbt);
    desk.write("run_results.json", dbt);
    for (file, says) in [
        ("cut.json", "is no JSON"),
        ("other.json", "no result that is known here"),
        ("alone/run_results.json", "needs the manifest.json"),
        ("run_results.json", "`nodes` is missing"),
        ("manifest.json", "a manifest has no results"),
        ("nowhere.json", "cannot read nowhere.json"),
    ] {
        let (code, _, error) = desk.done(&["quality", "import", file]);
        assert_eq!(code, 2, "{file}: {error}");
        assert!(error.contains(says), "{file}: {error}");
    }
    assert!(!desk.path().join("assay-data").exists(), "a refusal made a data folder");
}
