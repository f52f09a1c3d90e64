use std::path::Path;
use std::process::{Child, Command};

use assay_store::Store;

use crate::sample::{dataset, processed, run, telling};
use crate::version_1;

const COMMITS: u64 = 40;

#[tokio::test]
#[ignore = "the work of one process in the next test, done in the folder where it is started"]
async fn one_process_tells_all_commits() {
    let store = Store::open(Path::new("assay.db")).await.unwrap();
    for sequence in 1..=COMMITS {
        store.tell(&telling(&run(1, "parse"), sequence)).await.unwrap();
    }
}

#[tokio::test]
async fn processes_that_tell_the_same_commits_at_once_count_each_once() {
    let folder = tempfile::tempdir().unwrap();
    four_at_once(folder.path());
    let store = Store::open(&folder.path().join("assay.db")).await.unwrap();
    let told = store.told(&dataset("silver.github_events")).await.unwrap().unwrap();
    assert_eq!(told.sequence, COMMITS);
    assert_eq!(processed(&store).await, 9.0 * 40.0);
    assert_eq!(store.event_counts().await.unwrap().values().sum::<u64>(), COMMITS);
    assert_eq!(store.reports(None, 1000).await.unwrap().len(), 40);
}

#[tokio::test]
async fn of_processes_that_open_an_older_store_at_once_one_migrates_and_the_others_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("assay.db");
    version_1::make(&path).await;
    four_at_once(folder.path());

    assert_eq!(version_1::backups(&path).len(), 1);
    let store = Store::open(&path).await.unwrap();
    // The commits that the old store knew are not told again.
    let known = 9.0 * 2.0;
    assert_eq!(processed(&store).await, known + 9.0 * 38.0);
}

/// Runs the test above in four processes at the same time, in `folder`.
fn four_at_once(folder: &Path) {
    let start = |_| -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "processes::one_process_tells_all_commits"])
            .current_dir(folder)
            .spawn()
            .unwrap()
    };
    for mut process in (0..4).map(start).collect::<Vec<_>>() {
        assert!(process.wait().unwrap().success());
    }
}
