//! Files on their way into the topic.

use std::io::Write;

use assay_core::{Governed, RunStatus};
use assay_dlq::{LetterView, PayloadKind, Reason};
use assay_pipeline::IngestError;
use assay_store::RunFilter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::shop::{Shop, lines, numbers, order};

fn orders(count: usize) -> Vec<Value> {
    let sale = |number| order(&format!("o{number:04}"), "Rome", 1, "2026-03-01T08:00:00Z");
    (0..count).map(sale).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The numbers of the orders that reached bronze.
async fn landed(shop: &Shop) -> Vec<String> {
    shop.run("take", Governed::ALL).await.unwrap();
    shop.query("SELECT no FROM bronze.orders ORDER BY no").await
}

/// What is wrong with a letter, without the name of the file.
fn wrong(letter: &LetterView) -> String {
    let detail = letter.detail.as_ref().unwrap();
    let (what, place) = detail.rsplit_once(" (line ").unwrap();
    let (line, rest) = place.split_once(" of ").unwrap();
    let byte = rest.rsplit_once(", byte ").unwrap().1.trim_end_matches(')');
    format!("line {line}, byte {byte}: {}: {what}", letter.reason.unwrap())
}

async fn wrongs(shop: &Shop) -> Vec<String> {
    let line = |text: &String| text[5..text.find(',').unwrap()].parse::<u32>().unwrap();
    let mut found: Vec<String> = shop.letters().await.iter().map(wrong).collect();
    found.sort_by_key(line);
    found
}

#[tokio::test]
async fn every_line_that_is_no_order_says_why_and_where() {
    let shop = Shop::open().await;
    let good = orders(3);
    let mut text: Vec<u8> = Vec::new();
    for line in [
        good[0].to_string().as_bytes(),
        b"{\"no\": \"cut\", \"kind",
        b"not json at all",
        b"{\"no\":\"x\",\"kind\":\"a\"}{\"no\":\"y\",\"kind\":\"a\"}",
        b"{\"no\":\"x\",\"kind\":\"a\"} tail",
        b"[1, 2]",
        b"null",
        b"42",
        good[1].to_string().as_bytes(),
        b"{\"kind\":\"no number\"}",
        b"{\"no\":null,\"kind\":\"a\"}",
        b"{\"no\":7,\"kind\":\"a\"}",
        b"{\"no\":\"x\",\"kind\":\"a\",\"buyer\":{\"number\":\"seven\"}}",
        b"{\"no\":\"x\",\"kind\":\"a\",\"buyer\":[]}",
        b"{\"no\":\"x\",\"kind\":\"a\",\"buyer\":{\"number\":1.5}}",
        b"{\"no\":\"\xff\xfe\",\"kind\":\"a\"}",
        b"",
        good[2].to_string().as_bytes(),
    ] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let summary = shop.ingest(text).await.unwrap();
    assert_eq!(numbers(&summary.counts), [17, 3, 14, 0, 0]);
    assert_eq!(landed(&shop).await, ["o0000", "o0001", "o0002"]);
    insta::assert_snapshot!(wrongs(&shop).await.join("\n"));
    let letters = shop.letters().await;
    assert!(letters.iter().all(|letter| letter.payload_kind == Some(PayloadKind::Bytes)));
    assert!(letters.iter().any(|letter| letter.payload.as_deref() == Some(b"[1, 2]")));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_set_aside_whole() {
    let shop = Shop::open().await;
    let huge = order(&"x".repeat(10_000_000), "Rome", 1, "2026-03-01T08:00:00Z").to_string();
    let few = orders(2);
    let text = format!("{}\n{huge}\n{}", few[0], few[1]);
    let summary = shop.ingest(text).await.unwrap();
    assert_eq!(numbers(&summary.counts), [3, 2, 1, 0, 0]);
    let letters = shop.letters().await;
    assert_eq!(letters[0].reason, Some(Reason::TooLarge));
    assert_eq!(letters[0].payload_bytes, huge.len() as u64);
    assert!(wrong(&letters[0]).starts_with("line 2, byte "), "{}", wrong(&letters[0]));
    assert_eq!(landed(&shop).await, ["o0000", "o0001"]);
}

#[tokio::test]
async fn marks_and_line_ends_of_other_systems_do_no_harm() {
    let shop = Shop::open().await;
    let few = orders(3);
    let text = format!("\u{feff}{}\r\n\r\n{}\r\n  \n{}", few[0], few[1], few[2]);
    let summary = shop.ingest(text).await.unwrap();
    assert_eq!(numbers(&summary.counts), [3, 3, 0, 0, 0]);
    assert_eq!(landed(&shop).await, ["o0000", "o0001", "o0002"]);
}

#[tokio::test]
async fn gzip_is_unpacked_member_by_member() {
    let shop = Shop::open().await;
    let few = orders(4);
    let packed = [gzip(lines(&few[..2]).as_bytes()), gzip(lines(&few[2..]).as_bytes())].concat();
    assert_eq!(shop.ingest(packed).await.unwrap().counts.written, 4);
    assert_eq!(landed(&shop).await.len(), 4);
}

#[tokio::test]
async fn what_comes_before_a_damage_is_in_and_the_whole_file_adds_the_rest() {
    let shop = Shop::open().await;
    let whole = gzip(lines(&orders(3000)).as_bytes());
    let error = shop.ingest(&whole[..whole.len() / 2]).await.unwrap_err();
    let IngestError::Damaged(text) = &error else { panic!("{error:?}") };
    assert!(text.contains("truncated or damaged"), "{text}");
    let in_first = landed(&shop).await;
    assert!(in_first.len() > 500 && in_first.len() < 2500, "{}", in_first.len());
    assert_eq!(in_first.last().unwrap(), &format!("o{:04}", in_first.len() - 1));
    let failed = RunFilter { status: Some(RunStatus::Failed), ..RunFilter::default() };
    assert_eq!(shop.store.runs(&failed).await.unwrap().len(), 1);

    shop.ingest(&whole).await.unwrap();
    shop.run("take", Governed::ALL).await.unwrap();
    let sold = shop.run("sell", Governed::ALL).await.unwrap();
    assert_eq!(sold.counts.written, 3000);
    assert_eq!(sold.counts.duplicates, in_first.len() as u64);
}

#[tokio::test]
async fn another_encoding_is_refused_before_anything_is_taken() {
    let shop = Shop::open().await;
    let text = lines(&orders(2));
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let error = shop.ingest(wide).await.unwrap_err();
    assert!(error.to_string().contains("is UTF-16; convert it to UTF-8"), "{error}");
    assert!(shop.letters().await.is_empty());
    assert_eq!(landed(&shop).await.len(), 0);
}

#[tokio::test]
async fn an_empty_file_is_a_run_with_nothing_in_it() {
    let shop = Shop::open().await;
    for nothing in ["", "\n\n", "\u{feff}"] {
        let summary = shop.ingest(nothing).await.unwrap();
        assert_eq!((numbers(&summary.counts), summary.messages), ([0; 5], 0));
    }
    assert_eq!(shop.ingest(gzip(b"")).await.unwrap().counts.read, 0);
    assert_eq!(landed(&shop).await.len(), 0);
}

#[tokio::test]
async fn the_wrong_file_is_refused_whole() {
    let shop = Shop::open().await;
    let text: String = (0..150).map(|number| format!("name,{number},csv\n")).collect();
    let error = shop.ingest(text).await.unwrap_err();
    let IngestError::Outage { read, rejected, first, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*read, *rejected), (150, 150));
    assert!(first.contains("line 1"), "{first}");
    assert!(shop.letters().await.is_empty());
    assert_eq!(landed(&shop).await.len(), 0);
}

#[tokio::test]
async fn a_file_that_is_not_there_and_a_folder_are_clear_errors() {
    let shop = Shop::open().await;
    for path in ["nowhere.jsonl", "pipeline"] {
        let error = shop.ingest_file(shop.path(path)).await.unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn stopped_and_run_again_nothing_is_taken_twice() {
    let shop = Shop::open().await;
    let text = lines(&orders(2500));
    let path = shop.path("big.jsonl");
    std::fs::write(&path, &text).unwrap();
    let error = shop.ingest_watched(path.clone(), &|_| shop.stop.ask()).await.unwrap_err();
    assert!(matches!(error, IngestError::Interrupted { .. }), "{error}");
    let mut shop = shop;
    shop.stop = Default::default();
    assert_eq!(landed(&shop).await.len(), 2000);

    shop.ingest_file(path).await.unwrap();
    let summary = shop.run("take", Governed::ALL).await.unwrap();
    assert_eq!(numbers(&summary.counts), [2500, 500, 0, 0, 2000]);
}

#[tokio::test]
async fn stopped_before_the_first_line_nothing_is_taken() {
    let shop = Shop::open().await;
    shop.stop.ask();
    let error = shop.ingest(lines(&orders(3))).await.unwrap_err();
    assert!(matches!(error, IngestError::Interrupted { at: 0, .. }), "{error}");
    assert!(shop.log.topics().await.unwrap().iter().all(|topic| topic.name != "shop_orders"));
}

#[tokio::test]
async fn the_same_line_has_the_same_trace_and_the_same_letter_for_ever() {
    let shop = Shop::open().await;
    let text = format!("{}\nnot json\n", orders(1)[0]);
    shop.ingest(&text).await.unwrap();
    let first = shop.letters().await;
    shop.ingest(&text).await.unwrap();
    let again = shop.letters().await;
    assert_eq!(again.len(), 1, "the same place of the same file is one letter");
    assert_eq!(first[0].id, again[0].id);
}
