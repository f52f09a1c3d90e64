//! What a job that is over leaves in the tables, and that it goes.

use std::collections::{BTreeMap, HashSet};

use assay_core::Governed;
use assay_store::ReplayOptions;
use uuid::Uuid;

use super::{MENDED, SALES, outcome, with_four_letters};
use crate::shop::{Shop, order};

impl Shop {
    /// The properties of `silver.sales` that say how far its readers are.
    async fn marks(&self) -> BTreeMap<String, String> {
        let sales = self.lake.existing(&"silver.sales".parse().unwrap()).await.unwrap();
        let properties = sales.metadata().properties().iter();
        let marks = properties.filter(|(key, _)| key.starts_with("assay.position."));
        marks.map(|(key, mark)| (key.clone(), mark.clone())).collect()
    }
}

#[tokio::test]
async fn marks_of_jobs_that_are_over_are_forgotten_and_nothing_else() {
    let mut shop = with_four_letters().await;
    shop.change(&[MENDED]);
    let stage_alone = shop.marks().await;
    let job = shop.job("sell", ReplayOptions { batch: 3, ..ReplayOptions::default() }, false).await;
    shop.carry_out(&job).await.unwrap();
    let with_job = shop.marks().await;
    assert_eq!(with_job.len(), stage_alone.len() + 1, "{with_job:?}");

    let (snapshots, one) = (shop.snapshots().await, [("silver.sales".to_owned(), 1)]);
    let forget = async |over: &HashSet<Uuid>, dry| {
        let forgotten = shop.lake.forget_jobs(over, dry).await.unwrap();
        forgotten.into_iter().map(|(table, marks)| (table.to_string(), marks)).collect::<Vec<_>>()
    };
    let over = HashSet::from([job.id]);
    assert_eq!(forget(&HashSet::from([Uuid::new_v4()]), false).await, []);
    assert_eq!(forget(&over, true).await, one);
    assert_eq!(shop.marks().await, with_job, "a dry run changes nothing");
    assert_eq!(forget(&over, false).await, one);
    assert_eq!(shop.marks().await, stage_alone);
    assert_eq!(forget(&over, false).await, []);
    assert_eq!(shop.snapshots().await, snapshots, "no row and no history goes");

    // The stage goes on from where it was, and so does the next job.
    assert_eq!(shop.run("sell", Governed::ALL).await.unwrap().counts.read, 0);
    shop.take(&[order("late", "Rome", -2000, "2026-03-01T08:00:00Z")]).await;
    shop.run("take", Governed::ALL).await.unwrap();
    shop.run("sell", Governed::ALL).await.unwrap();
    let transform = Some(r#"details = '{"price":{"amount":5},"parts":1}'"#.to_owned());
    let options = ReplayOptions { transform, ..ReplayOptions::default() };
    let carried = shop.replay("sell", options).await.unwrap();
    assert_eq!(carried.outcome, outcome(&[("landed", 1)]));
    assert_eq!(shop.query(SALES).await.len(), 13);
}
