//! Whatever a target does, no event is lost, and none is sent past one that waits.

use std::time::{Duration, Instant};

use assay_lineage::{Courier, Target};
use assay_store::DeliveryState;

use crate::double::{Double, Fault};
use crate::sample::{TIMEOUT, World, client};

/// Passes, with a quarter of an hour between, until nothing is left to do.
async fn days_later(world: &World, courier: &Courier) {
    for _ in 0..12 {
        world.clock.goes(900);
        courier.pass().await.unwrap();
    }
}

#[tokio::test]
async fn after_every_single_fault_all_events_arrive_in_order() {
    for fault in [
        Fault::Status(500, ""),
        Fault::Status(502, "<html>bad gateway</html>"),
        Fault::Status(503, ""),
        Fault::Status(401, "{}"),
        Fault::Status(404, "{}"),
        Fault::Status(302, ""),
        Fault::RetryAfter(429, "120"),
        Fault::Page,
        Fault::Hang,
        Fault::CloseMidBody,
        Fault::LosesAnswer,
        Fault::Slow(Duration::from_millis(100)),
    ] {
        let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
        world.happens(1, &["p.a", "p.a", "p.a"]).await;
        let courier = world.marquez(&server);
        server.fails([fault.clone()]);
        courier.pass().await.unwrap();
        days_later(&world, &courier).await;
        assert_eq!(server.numbers(), [1, 2, 3], "{fault:?}");
        assert!(world.left().await.is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_target_that_is_away_for_days_costs_no_event_its_attempts() {
    for fault in [Fault::Status(503, ""), Fault::Status(401, ""), Fault::Page] {
        let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
        world.happens(1, &["p.a", "p.b", "p.a"]).await;
        let courier = world.marquez(&server);
        server.always(Some(fault.clone()));
        days_later(&world, &courier).await;
        days_later(&world, &courier).await;
        let left = world.left().await;
        assert_eq!(left.len(), 3);
        assert!(left.iter().all(|row| row.attempts == 0 && row.state == DeliveryState::Waiting));
        let asked = server.with(|inner| inner.asked.len());
        assert_eq!(asked, 0, "what misbehaves was not reached");
        let health = world.store.targets().await.unwrap().remove(0);
        assert!(health.reason.is_some() && health.failures >= 20, "{health:?}");
        server.always(None);
        days_later(&world, &courier).await;
        assert_eq!(server.numbers().len(), 3, "{fault:?}");
    }
}

#[tokio::test]
async fn every_attempt_that_failed_is_counted_once_also_of_several_side_by_side() {
    for fault in [Fault::Status(500, ""), Fault::Status(503, ""), Fault::Status(401, "{}")] {
        let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
        world.happens(1, &["p.a", "p.b", "p.c", "p.d", "p.e", "p.f", "p.g", "p.h"]).await;
        let courier = world.marquez(&server);
        server.always(Some(fault.clone()));
        let passed = courier.pass().await.unwrap();
        let health = world.store.targets().await.unwrap().remove(0);
        assert!(health.failures > 0 && health.held_until.is_some(), "{fault:?}");
        assert_eq!(health.failures, passed.failed, "{fault:?}");
    }
}

#[tokio::test]
async fn an_event_that_fails_again_and_again_is_parked_and_the_others_go_on() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    world.happens(1, &["p.a"]).await;
    let courier = world.marquez(&server);
    for attempt in 1..=4 {
        server.fails([Fault::Status(500, r#"{"code":500,"message":"it has been logged"}"#)]);
        courier.pass().await.unwrap();
        let row = world.left().await.remove(0);
        assert_eq!(row.attempts, attempt);
        assert_eq!(row.state == DeliveryState::Parked, attempt == 4);
        world.clock.goes(900);
    }
    let reason = world.left().await.remove(0).reason.unwrap();
    assert!(reason.contains("it has been logged") && reason.contains("attempt 4"), "{reason}");
    world.happens(2, &["p.a"]).await;
    courier.pass().await.unwrap();
    assert_eq!(server.numbers(), [2]);
}

#[tokio::test]
async fn retry_after_is_kept_and_waits_grow() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    world.happens(1, &["p.a"]).await;
    let courier = world.marquez(&server);
    server.fails([Fault::RetryAfter(429, "300")]);
    courier.pass().await.unwrap();
    world.clock.goes(299);
    assert_eq!(courier.pass().await.unwrap().delivered, 0);
    world.clock.goes(2);
    assert_eq!(courier.pass().await.unwrap().delivered, 1);

    world.happens(2, &["p.a"]).await;
    server.always(Some(Fault::Status(503, "")));
    let mut waits = vec![];
    for _ in 0..14 {
        let now = assay_core::Clock::now(&*world.clock);
        courier.pass().await.unwrap();
        let until = world.store.targets().await.unwrap().remove(0).held_until.unwrap();
        waits.push((until - now).num_milliseconds());
        world.clock.goes((until - now).num_seconds() + 1);
    }
    assert!(waits[0] <= 1000 && waits[5] >= 16_000, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 600_000), "{waits:?}");
}

#[tokio::test]
async fn of_two_couriers_on_one_store_one_sends_and_no_event_comes_twice() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    let jobs: Vec<String> = (0..60).map(|job| format!("p.{}", job % 7)).collect();
    world.happens(1, &jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (one, two) = (world.marquez(&server), {
        // Its ids are its own.
        let target = world.endpoint(&server.url, false);
        let clock = std::sync::Arc::clone(&world.clock) as _;
        let ids = std::sync::Arc::new(assay_core::RandomIds);
        let store = std::sync::Arc::clone(&world.store);
        Courier::new(store, vec![target], clock, ids, assay_lineage::Persistence::default())
    });
    let (first, second) = tokio::join!(one.pass(), two.pass());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.delivered + second.delivered, 60);
    assert_eq!(server.with(|inner| inner.events.len()), 60, "none twice");
}

#[tokio::test]
async fn the_end_of_a_command_does_not_wait_for_a_target_that_does_not_answer() {
    let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
    world.happens(1, &["p.a"]).await;
    server.always(Some(Fault::Hang));
    let courier = world.marquez(&server);
    // It hung during the whole command already.
    courier.run(tokio::time::sleep(TIMEOUT / 2)).await;
    let begun = Instant::now();
    courier.finish(Duration::from_secs(10)).await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    assert_eq!(world.left().await.len(), 1);
    // And what was not tried yet is tried for a short while only.
    let fresh = world.marquez(&server);
    fresh.finish(Duration::from_secs(10)).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_catalog_on_its_bad_days_gets_everything_too() {
    for fault in [
        Fault::Status(500, r#"{"responseMessage":"An exception with message [x] was thrown"}"#),
        Fault::RetryAfter(429, "5"),
        Fault::Page,
        Fault::Hang,
        Fault::CloseMidBody,
        Fault::LosesAnswer,
        Fault::Status(409, r#"{"code":409,"message":"Entity already exists"}"#),
    ] {
        for step in [0, 1, 4, 9, 14] {
            let (server, world) =
                (Double::openmetadata().await, World::sending_to("openmetadata").await);
            world.tells(1, crate::sample::batch(uuid::Uuid::from_u64_pair(3, 1), 5)).await;
            let target = Target::OpenMetadata(Box::new(client(&server, "bot", &world.clock)));
            let courier = world.courier(target);
            // It goes wrong at one of the calls that the event needs.
            let fine = (0..step).map(|_| Fault::Slow(Duration::ZERO));
            server.fails(fine.chain([fault.clone()]));
            courier.pass().await.unwrap();
            days_later(&world, &courier).await;
            assert!(world.left().await.is_empty(), "{fault:?} at {step}: {:?}", world.left().await);
            let edges = server.with(|inner| inner.catalog.as_ref().unwrap().edges.len());
            assert_eq!(edges, 1, "{fault:?} at {step}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_valid_stops_sending_and_says_what_to_do() {
    for (token, said) in [
        ("expired", "Expired token!"),
        ("old", "Invalid Token"),
        ("garbage", "Invalid token"),
        ("ghost", "user instance for ghost not found"),
        ("foreign", "keyID"),
        ("ann", "not allowed"),
    ] {
        let (server, world) =
            (Double::openmetadata().await, World::sending_to("openmetadata").await);
        for number in 1..=3 {
            let run = uuid::Uuid::from_u64_pair(3, number);
            world.tells(number, crate::sample::batch(run, 5)).await;
        }
        let target = Target::OpenMetadata(Box::new(client(&server, token, &world.clock)));
        let courier = world.courier(target);
        courier.pass().await.unwrap();
        let left = world.left().await;
        assert!(left.iter().all(|row| row.attempts == 0), "{token}: no row is burned");
        let health = world.store.targets().await.unwrap().remove(0);
        let reason = health.reason.unwrap();
        assert!(reason.contains(said) && reason.contains("assay outbox deliver"), "{reason}");
        // With a good token all goes through.
        let target = Target::OpenMetadata(Box::new(client(&server, "bot", &world.clock)));
        days_later(&world, &world.courier(target)).await;
        assert!(world.left().await.is_empty(), "{token}");
    }
}

/// However many fail at once, and whoever is to blame: the counter says how many attempts failed.
#[tokio::test]
async fn every_attempt_that_fails_is_counted_once() {
    for fault in [Fault::Status(500, ""), Fault::Status(503, ""), Fault::Status(401, "{}")] {
        let (server, world) = (Double::marquez().await, World::sending_to("marquez").await);
        world.happens(1, &["p.a", "p.b", "p.c", "p.d", "p.e", "p.f"]).await;
        let courier = world.marquez(&server);
        server.always(Some(fault.clone()));
        let mut failed = 0;
        for _ in 0..5 {
            failed += courier.pass().await.unwrap().failed;
            world.clock.goes(900);
        }
        let health = world.store.targets().await.unwrap().remove(0);
        assert!(failed >= 5, "{fault:?}: {failed}");
        assert_eq!(health.failures, failed, "{fault:?}");
    }
}
