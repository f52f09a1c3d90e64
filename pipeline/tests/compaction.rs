//! Small files are merged: no row changes, and nobody reads one again.

use assay_core::ReaderId;
use assay_pipeline::{Compact, Target, TargetError};
use chrono::TimeDelta;

use crate::commits::{Writer, replace_from, sale};
use crate::maintenance::{GOLD, SALES, SMALL, compact, compacted, shop, silver};
use crate::shop::order;

#[tokio::test]
async fn compaction_changes_files_and_no_row_and_nobody_reads_a_row_again() {
    let shop = shop(SMALL).await;
    for number in 0..12 {
        let placed = format!("2026-03-{:02}T08:00:00Z", 1 + number % 2);
        shop.take(&[order(&format!("{number:02}"), "Rome", number, &placed)]).await;
        shop.run_all().await;
        shop.clock.advance(TimeDelta::seconds(20));
    }
    let unordered = "SELECT order_no FROM silver.sales WHERE sold_on = DATE '2026-03-01'";
    let (rows, gold) = (shop.query(SALES).await, shop.query(GOLD).await);
    let commits = shop.target("sell").commits(None).await.unwrap();
    let positions = shop.target("sell").position(&shop.stage("sell").reader()).await.unwrap();
    let metadata = shop.lake.existing(&silver()).await.unwrap();

    // The last mark that gold left lags, but where it is can be seen.
    let planned = shop.lake.compact_plan(&silver(), &compact()).await.unwrap();
    assert_eq!(planned.partitions.iter().map(|one| one.files).collect::<Vec<_>>(), [6, 6]);
    assert_eq!(planned.partitions[0].partition, "sold_on=2026-03-01");
    assert_eq!(planned.target_bytes, 1_048_576, "the pipeline's");
    let untouched = shop.lake.existing(&silver()).await.unwrap();
    assert_eq!(untouched.metadata_location(), metadata.metadata_location());

    let only = Compact { partition: vec![("sold_on".into(), "2026-03-02".into())], ..compact() };
    let done = shop.lake.compact(&silver(), &only, shop.ids.as_ref()).await.unwrap();
    assert_eq!((done.partitions.len(), done.partitions[0].into_files), (1, 1));
    assert_eq!(compacted(&shop).await, 6);
    assert_eq!(compacted(&shop).await, 0, "nothing is left to do");
    let info = shop.lake.info(&silver()).await.unwrap();
    assert_eq!((info.rows, info.files), (12, 2));
    assert_eq!(info.snapshots[0].operation, "replace");
    assert_eq!(info.snapshots[0].summary["assay.maintenance"], "compaction");

    assert_eq!(shop.query(SALES).await, rows);
    assert_eq!(shop.query(unordered).await, ["00", "02", "04", "06", "08", "10"], "as they came");
    assert_eq!(shop.target("sell").commits(None).await.unwrap(), commits);
    let now = shop.target("sell").position(&shop.stage("sell").reader()).await.unwrap();
    assert_eq!(now, positions);
    assert_eq!(shop.run_all().await, [[0; 5]; 3], "nothing is new to anybody");
    assert_eq!(shop.query(GOLD).await, gold);
    shop.take(&[order("new", "Rome", 1, "2026-03-01T08:00:00Z")]).await;
    assert_eq!(shop.run_all().await, [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [13, 13, 0, 0, 0]]);
}

#[tokio::test]
async fn what_a_reader_has_not_read_waits() {
    let shop = shop(SMALL).await;
    let writer = Writer::sales(&shop, "shop/sell").await;
    let mut last = 0;
    for number in 0..4 {
        last = writer.append(&[sale(&number.to_string(), "2026-03-01")]).await.unwrap().sequence;
    }
    let reader = ReaderId("shop/total".to_owned());
    shop.lake.leave_mark(&silver(), &reader, last - 2).await.unwrap();
    let planned = shop.lake.compact_plan(&silver(), &compact()).await.unwrap();
    assert_eq!((planned.partitions[0].files, planned.waiting), (2, 2));
    assert_eq!(compacted(&shop).await, 2);
    shop.clock.advance(TimeDelta::days(8));
    assert_eq!(compacted(&shop).await, 3, "of a reader that was gone for a week");
    assert_eq!(shop.query(SALES).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_and_writers_do_not_harm_each_other() {
    let shop = shop(SMALL).await;
    let (one, other) =
        (Writer::sales(&shop, "shop/one").await, Writer::sales(&shop, "shop/other").await);
    let appends = async {
        for number in 0..25 {
            let row = [sale(&format!("a{number:02}"), "2026-03-01")];
            while let Err(error) = one.append(&row).await {
                assert!(matches!(error, TargetError::Moved { .. }), "{error:?}");
            }
        }
    };
    let replaces = async {
        for number in 0..25 {
            let row = [sale(&format!("r{number:02}"), "2026-03-02")];
            while let Err(error) = other.write(&row, replace_from("2026-03-02")).await {
                assert!(matches!(error, TargetError::Moved { .. }), "{error:?}");
            }
            other.append(&row).await.unwrap();
        }
    };
    let compacts = async {
        let mut merged = 0;
        for _ in 0..25 {
            match shop.lake.compact(&silver(), &compact(), shop.ids.as_ref()).await {
                Ok(done) => merged += done.partitions.iter().filter(|one| !one.given_up).count(),
                Err(error) => assert!(matches!(error, TargetError::Moved { .. }), "{error:?}"),
            }
            tokio::task::yield_now().await;
        }
        merged
    };
    let (_, _, merged) = tokio::join!(appends, replaces, compacts);
    assert!(merged > 0);
    let mut expected: Vec<String> =
        (0..25).map(|number| format!("a{number:02} 2026-03-01")).collect();
    expected.extend(["r24 2026-03-02".to_owned(), "r24 2026-03-02".to_owned()]);
    assert_eq!(shop.query(SALES).await, expected);
}

#[tokio::test]
async fn what_can_t_be_compacted_is_said() {
    let shop = shop(SMALL).await;
    let error = shop.lake.compact_plan(&silver(), &compact()).await.unwrap_err();
    assert!(matches!(error, TargetError::Missing { .. }), "{error:?}");
    let writer = Writer::sales(&shop, "shop/sell").await;
    assert_eq!(compacted(&shop).await, 0, "an empty table");
    writer.append(&[sale("a", "2026-03-01")]).await.unwrap();
    let wrong = Compact { partition: vec![("city".into(), "Rome".into())], ..compact() };
    let error = shop.lake.compact_plan(&silver(), &wrong).await.unwrap_err().to_string();
    assert!(error.contains("its partitions have no `city`, but sold_on"), "{error}");
}
