//! The store follows the database, also when that is another one than it was.

use crate::office::{Office, RUN, office};

async fn letters(office: &Office) -> usize {
    let list = office.json(&["dlq", "list", "--limit", "0"]);
    list.as_array().map_or(0, Vec::len)
}

async fn reports(office: &Office) -> usize {
    let store = office.store().await;
    let count = store.reports(None, 100_000).await.unwrap().len();
    store.close().await;
    count
}

#[tokio::test]
async fn letters_of_a_new_database_are_seen_by_an_old_store() {
    let Some(office) = office("restored") else { return };
    for seed in ["1", "2", "3"] {
        office.generates(&["--count", "200", "--defects", "10%", "--seed", seed]);
        office.done(&RUN);
    }
    let (before, told) = (letters(&office).await, reports(&office).await);
    office.anew();
    let rewind = office.json(&RUN);
    assert_eq!(rewind[0]["counts"]["read"], 600, "the new database knows no position");
    assert_eq!(reports(&office).await, told + 1);
    assert_eq!(letters(&office).await, before, "the same rows are the same letters");

    // As many commits as before and more, so that the numbers meet.
    for seed in ["4", "5", "6", "7"] {
        office.generates(&["--count", "200", "--defects", "10%", "--seed", seed]);
        office.done(&RUN);
    }
    assert_eq!(reports(&office).await, told + 5);
    assert!(letters(&office).await > before + 40);
}

#[tokio::test]
async fn a_database_that_came_as_far_as_another_one_is_not_taken_for_it() {
    let Some(office) = office("as_far") else { return };
    office.generates(&["--count", "200", "--defects", "10%"]);
    office.done(&RUN);
    office.anew();
    // Someone else has read there, and told it to a store of his own.
    let moved = |from: &str, to: &str| {
        for end in ["", "-wal", "-shm"] {
            let (from, to) =
                (office.path(&format!("{from}{end}")), office.path(&format!("{to}{end}")));
            let _ = std::fs::remove_file(&to);
            let _ = std::fs::rename(from, to);
        }
    };
    moved("data/store.db", "aside.db");
    office.done(&RUN);
    moved("aside.db", "data/store.db");
    office.generates(&["--count", "50", "--seed", "2"]);
    office.done(&RUN);
    // One of the old database, and both of the new one.
    assert_eq!(reports(&office).await, 3);
}

#[tokio::test]
async fn a_new_store_begins_with_the_newest_commits() {
    let Some(office) = office("newest") else { return };
    office.generates(&["--count", "30"]);
    office.done(&RUN);
    office.sql(
        "INSERT INTO assay.commits (dataset, number, draft, report) \
         SELECT dataset, n, id, replace(report, draft, id) FROM assay.commits, \
           (SELECT n, gen_random_uuid()::text AS id FROM generate_series(2, 300) AS n) AS more",
    );
    office.sql("UPDATE assay.commit_numbers SET last = 300");
    // It goes on page by page from where it was.
    office.done(&RUN);
    assert_eq!(reports(&office).await, 300);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(office.path(&format!("data/store.db{end}")));
    }
    office.done(&RUN);
    assert_eq!(reports(&office).await, 256);
}
