use assay_core::Fault;
use assay_store::Belonging;

use crate::sample::{dataset, processed, run, store, telling};

#[tokio::test]
async fn commits_of_another_lake_are_not_taken_for_told() {
    let (home, store) = store().await;
    let lake = async |id, place| store.belongs_to(Belonging::Lake, (id, place), true).await;
    lake("first", "/data/lake").await.unwrap();
    for sequence in 1..=3 {
        assert!(store.tell(&telling(&run(1, "parse"), sequence)).await.unwrap());
    }
    lake("first", "/moved/lake").await.unwrap();
    let told = async || store.told(&dataset("silver.github_events")).await.unwrap().unwrap();
    assert_eq!(told().await.sequence, 3);

    let other = lake("second", "/other/lake").await;
    if home.is_file() {
        // The older one lay where this one lies: it is gone. What is told again counts once.
        other.unwrap();
        assert_eq!(told().await.sequence, 0);
        assert!(!store.tell(&telling(&run(1, "parse"), 1)).await.unwrap());
        assert_eq!(processed(&store).await, 27.0);
    } else {
        let error = other.unwrap_err();
        assert_eq!((error.fault(), told().await.sequence), (Fault::Permanent, 3));
        let said = error.to_string();
        assert!(said.contains("/data/lake") && said.contains("?schema="), "{said}");
    }
    // A log is another thing.
    let log = async |id, claim| store.belongs_to(Belonging::Log, (id, "/log.db"), claim).await;
    log("looked at alone", false).await.unwrap();
    log("first", true).await.unwrap();
    log("first", false).await.unwrap();
    assert_eq!(log("second", false).await.is_ok(), home.is_file());
}
