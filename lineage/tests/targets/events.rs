//! An OpenLineage endpoint gets every event, once in the store's order, whatever it answers.

use std::time::Duration;

use serde_json::json;

use crate::double::{Double, Fault};
use crate::sample::World;

#[tokio::test]
async fn events_arrive_in_order_plain_and_packed_and_are_gone_from_the_outbox() {
    for gzip in [false, true] {
        let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
        world.happens(1, &["p.a", "p.b", "p.a", "p.b", "p.a"]).await;
        let courier = world.courier(world.endpoint(&server.url, gzip));
        let passed = courier.pass().await.unwrap();
        assert_eq!((passed.delivered, passed.failed), (5, 0));
        let events = server.with(|inner| inner.events.clone());
        for job in ["p.a", "p.b"] {
            let of_job = events.iter().filter(|event| event["job"]["name"] == job);
            let numbers: Vec<_> = of_job.map(|event| event["number"].as_u64().unwrap()).collect();
            assert!(numbers.is_sorted(), "{job}: {numbers:?}");
        }
        assert!(world.left().await.is_empty());
        assert_eq!(courier.pass().await.unwrap().delivered, 0);
    }
}

#[tokio::test]
async fn what_the_endpoint_will_never_take_is_parked_with_its_reason_and_the_rest_goes_on() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    world.tells(1, json!({"job": {"namespace": "assay", "name": "p.a"}})).await;
    world.happens(2, &["p.a"]).await;
    let courier = world.marquez(&server);
    let passed = courier.pass().await.unwrap();
    assert_eq!((passed.delivered, passed.parked), (1, 1));
    let parked = world.left().await.remove(0);
    let reason = parked.reason.unwrap();
    assert!(reason.contains("422") && reason.contains("producer must not be null"), "{reason}");
    assert_eq!(server.numbers(), [2]);
}

#[tokio::test]
async fn ten_thousand_that_wait_are_sent_page_by_page_and_what_is_left_is_left() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    let jobs: Vec<String> = (0..10_000).map(|number| format!("p.{}", number % 10)).collect();
    world.happens_at_once(&jobs).await;
    // Far fewer rows are in memory than wait.
    let now = assay_core::Clock::now(&*world.clock);
    let page = world.store.deliverable("marquez", now, 64).await.unwrap();
    assert_eq!(page.len(), 64);
    let courier = world.marquez(&server);
    courier.run(tokio::time::sleep(Duration::from_secs(1))).await;
    let (came, left) = (server.numbers().len(), world.left().await.len());
    assert!(came > 64, "only {came} came");
    // One of each of four jobs may have come without being noted.
    assert!((10_000..=10_004).contains(&(came + left)), "{came} and {left}");
}

#[tokio::test]
async fn what_is_on_its_way_when_a_command_ends_gets_its_answer_and_comes_once() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    world.happens(1, &["p.a", "p.b", "p.c", "p.a", "p.b", "p.c"]).await;
    server.always(Some(Fault::Slow(Duration::from_millis(300))));
    let courier = world.marquez(&server);
    // Ended in the middle of the first requests; what is left is sent in the end.
    courier.run(tokio::time::sleep(Duration::from_millis(100))).await;
    courier.finish(Duration::from_secs(10)).await;
    assert!(world.left().await.is_empty());
    assert_eq!(server.with(|inner| inner.events.len()), 6);
}
