use std::sync::Arc;

use assay_core::{Clock, RunId, StageId};
use assay_dlq::{
    DeadLetter, DeadLetterQueue, LetterId, Letters, LogQueue, Origin, PayloadKind, Reason, Source,
};
use assay_door::KeyHash;
use assay_log::{NewRecord, TopicSpec};
use assay_store::{AuditFilter, KeyRecord, ReplayState, Role};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Answer, Desk, Open};

const LETTERS: &str = "/api/v1/dlq/letters";
const JOBS: &str = "/api/v1/dlq/jobs";

fn letter(number: u32, stage: &str) -> DeadLetter {
    let stage = StageId { pipeline: "shop".into(), stage: stage.into() };
    let origin = Origin(format!("orders/{number}"));
    let failed_at = format!("2026-11-21T12:00:0{number}Z").parse().unwrap();
    let payload = json!({"order": number, "email": format!("anna{number}@example.org")});
    DeadLetter {
        id: LetterId::of(&stage, &origin),
        attempt: 1,
        stage,
        dataset: "silver.sales".parse().unwrap(),
        source: Some(Source { topic: "orders".into(), partition: 0, offset: number.into() }),
        origin,
        run: RunId(Uuid::from_u128(1)),
        reason: Reason::RuleBroken,
        rules: vec!["amount.range".into()],
        detail: "broke amount.range of silver.sales".into(),
        contract: Some("1.0.0".into()),
        payload: payload.to_string().into(),
        payload_kind: PayloadKind::Json,
        key: None,
        failed_at,
        first_failed_at: failed_at,
        count: 1,
        sensitive: vec!["email".into()],
    }
}

/// Five letters of one stage and one of another, and a key for each role.
async fn office() -> (Desk, Open) {
    let desk = Desk::new();
    let queue = LogQueue::new(desk.log().await);
    let mut letters = Letters::new(desk.folder.path());
    for number in 0..5 {
        letters.push(letter(number, "sell")).unwrap();
    }
    letters.push(letter(9, "bill")).unwrap();
    queue.put(&mut letters, None).await.unwrap();
    let store = desk.store().await;
    for role in Role::ALL {
        let key = KeyRecord {
            name: format!("the {role}"),
            role,
            sha256: KeyHash::of(role.name()).to_string(),
            made_at: assay_core::SystemClock.now(),
            made_by: "me".to_owned(),
            revoked_at: None,
            revoked_by: None,
        };
        assert!(store.add_key(&key).await.unwrap());
    }
    let mut open = desk.open().await;
    open.key = Some("viewer".into());
    (desk, open)
}

async fn as_operator(open: &mut Open, path: &str, body: Value) -> Answer {
    open.key = Some("operator".into());
    let answer = open.post(path, &body).await;
    open.key = Some("viewer".into());
    answer
}

fn ids(answer: &Answer) -> Vec<String> {
    let letters = answer.json()["letters"].as_array().unwrap().clone();
    letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

/// What was done of one kind; that keys were made is in the audit, too.
fn of(action: &str) -> AuditFilter {
    AuditFilter { action: Some(action.parse().unwrap()), ..AuditFilter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_by_every_filter_page_by_page() {
    let (_desk, open) = office().await;
    insta::assert_json_snapshot!("topics", open.get("/api/v1/dlq/topics").await.json());
    insta::assert_json_snapshot!("groups", open.get("/api/v1/dlq/groups").await.json());
    insta::assert_json_snapshot!("letters", open.get(&format!("{LETTERS}?limit=1")).await.json());

    let all = ids(&open.get(LETTERS).await);
    assert_eq!(all.len(), 6);
    for filters in ["", "&text=example.org&where=$.order%20!=%2099"] {
        let mut seen = vec![];
        let mut cursor = String::new();
        loop {
            let page = open.get(&format!("{LETTERS}?limit=2{filters}{cursor}")).await;
            seen.extend(ids(&page));
            let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
            cursor = format!("&cursor={next}");
        }
        // The text stands in the masked field alone.
        assert_eq!(seen, if filters.is_empty() { all.clone() } else { vec![] }, "{filters}");
    }
    for (filter, count) in [
        ("stage=shop/sell", 5),
        ("dataset=silver.sales&reason=rule-broken&rule=amount.range&attempt=1", 6),
        ("since=2026-11-21T12:00:02Z&until=2026-11-21T12:00:04Z", 2),
        ("where=$.order%20=%203", 1),
        ("run=00000000-0000-0000-0000-000000000001", 6),
        ("topic=dlq_failed_messages", 0),
    ] {
        let found = open.get(&format!("{LETTERS}?{filter}")).await;
        assert_eq!(ids(&found).len(), count, "{filter}: {found:?}");
    }
    let none = open.get(&format!("{LETTERS}?stage=shop/sale&rule=amount.rnge")).await.json();
    insta::assert_json_snapshot!("unknown", none);
    for wrong in ["stage=sell", "reason=bad", "since=yesterday", "cursor=5", "limt=1"] {
        let refused = open.get(&format!("{LETTERS}?{wrong}")).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (400, &json!("question")),
            "{wrong}"
        );
    }
    let id = &all[0];
    insta::assert_json_snapshot!("letter", open.get(&format!("{LETTERS}/{id}")).await.json());
    let trace = open.get(&format!("{LETTERS}/{id}/trace")).await.json();
    assert_eq!((&trace["open"], trace["steps"].as_array().unwrap().len()), (&json!(true), 1));
    for nowhere in [Uuid::nil().to_string(), format!("{}/trace", Uuid::nil())] {
        assert_eq!(open.get(&format!("{LETTERS}/{nowhere}")).await.status, 404);
    }
    assert_eq!(open.get(&format!("{LETTERS}/5")).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contracts_show_to_few_is_for_operators_and_that_they_saw_it_is_kept() {
    let (desk, mut open) = office().await;
    let id = ids(&open.get(LETTERS).await)[0].clone();
    let places = [LETTERS.to_owned(), format!("{LETTERS}/{id}"), "/api/v1/dlq/export".to_owned()];
    for place in &places {
        let answer = open.get(place).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!answer.text.contains("example.org"), "{place}: {}", answer.text);
        assert!(answer.text.contains("•••"), "{place}: {}", answer.text);
        assert_eq!(open.get(&format!("{place}?reveal=true")).await.status, 403, "{place}");
    }
    // Asking for a value is seeing it.
    let guess = format!("{LETTERS}?where=$.email%20=%20anna3@example.org");
    assert!(ids(&open.get(&guess).await).is_empty());
    open.key = Some("operator".into());
    assert_eq!(ids(&open.get(&format!("{guess}&reveal=true")).await).len(), 1);
    for place in &places {
        let answer = open.get(&format!("{place}?reveal=true")).await;
        assert!(answer.text.contains("example.org"), "{place}: {}", answer.text);
    }
    let lines = open.get("/api/v1/dlq/export?stage=shop/sell&reveal=true").await;
    assert!(lines.head.contains("application/x-ndjson"), "{}", lines.head);
    // The body comes in chunks, each behind its length.
    let lines: Vec<Value> =
        lines.text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let orders = lines.iter().filter_map(|letter| letter["payload"]["order"].as_u64());
    assert_eq!(orders.collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
    let filter = of("reveal");
    let audit = desk.store().await.audit(&filter).await.unwrap();
    assert_eq!(audit.len(), 5);
    assert!(audit.iter().all(|entry| entry.who == "the operator"), "{audit:?}");
    open.key = Some("writer".into());
    assert_eq!(open.get(LETTERS).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_other_systems_are_taken_in_by_operators_and_their_payloads_are_not_shown() {
    let (desk, mut open) = office().await;
    let log = desk.log().await;
    let spec = TopicSpec { name: "orders-dlt".into(), partitions: 1, retention: None };
    log.create(&spec).await.unwrap();
    let value = Some(Bytes::from_static(b"{\"id\": \"a secret\"}"));
    let class = ("kafka_dlt-exception-fqcn".to_owned(), Bytes::from_static(b"com.shop.NoSuch"));
    let record = NewRecord { value, headers: vec![class], ..NewRecord::default() };
    log.append("orders-dlt", vec![record]).await.unwrap();
    let list = format!("{LETTERS}?topic=orders-dlt");
    assert_eq!(open.get(&list).await.status, 404, "a viewer takes no topic in");
    open.key = Some("operator".into());
    assert_eq!(open.get(&format!("{LETTERS}?topic=nowhere")).await.status, 404);
    assert_eq!(open.get(&list).await.json()["letters"][0]["class"], "com.shop.NoSuch");
    open.key = Some("viewer".into());
    let seen = open.get(&list).await;
    assert_eq!(ids(&seen).len(), 1);
    assert!(!seen.text.contains("a secret"), "{}", seen.text);
    open.key = Some("operator".into());
    let seen = open.get(&format!("{list}&reveal=true")).await;
    assert!(seen.text.contains("a secret"), "{}", seen.text);
    let body = json!({"which": {"topic": "orders-dlt"}, "reason": "mended"});
    let refused = open.post(JOBS, &body).await;
    assert!(refused.text.contains("no stage of ours"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_given_up_by_operators_who_say_why() {
    const DISCARD: &str = "/api/v1/dlq/discard";
    let (desk, mut open) = office().await;
    let all = ids(&open.get(LETTERS).await);
    let body = json!({"ids": [all[0]], "reason": "a test"});
    assert_eq!(open.post(DISCARD, &body).await.status, 403);
    open.key = Some("operator".into());
    let page = [("Content-Type", "application/json"), ("Origin", "https://elsewhere")];
    let sent = open.send(&format!("POST {DISCARD}"), &page, body.to_string().as_bytes()).await;
    assert_eq!((sent.status, &sent.json()["error"]), (403, &json!("origin")));
    open.key = Some("viewer".into());
    let nobody = Uuid::nil().to_string();
    for (wrong, told) in [
        (json!({"ids": [all[0]]}), "missing field `reason`"),
        (json!({"ids": [all[0]], "reason": " "}), "`reason` says why"),
        (json!({"reason": "all"}), "name letters by `ids`"),
        (json!({"which": {"rle": "x"}, "reason": "all"}), "`rle` is no condition"),
        (json!({"ids": [all[0], nobody], "reason": "a test"}), nobody.as_str()),
        (json!({"ids": [all[0]], "resaon": "a test"}), "unknown field"),
    ] {
        let refused = as_operator(&mut open, DISCARD, wrong).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text.contains(told), "{told}: {}", refused.text);
    }
    assert_eq!(ids(&open.get(LETTERS).await), all, "nothing was given up");

    let which = json!({"which": {"stage": "shop/sell"}, "reason": "a test", "dry_run": true});
    let dry = as_operator(&mut open, DISCARD, which.clone()).await.json();
    assert_eq!(dry, json!({"letters": 5, "discarded": false}));
    let mut done = which;
    done["dry_run"] = json!(false);
    let done = as_operator(&mut open, DISCARD, done).await.json();
    assert_eq!(done, json!({"letters": 5, "discarded": true}));
    let left = ids(&open.get(LETTERS).await);
    assert_eq!(left.len(), 1);
    let closed = all.iter().find(|id| **id != left[0]).unwrap();
    let again = as_operator(&mut open, DISCARD, json!({"ids": [closed], "reason": "a test"})).await;
    assert!(
        again.status == 400 && again.text.contains("not open any more: discarded"),
        "{again:?}"
    );
    assert_eq!(ids(&open.get(&format!("{LETTERS}?all=true")).await).len(), 6);
    let audit = desk.store().await.audit(&of("discard")).await.unwrap();
    let [entry] = &audit[..] else { panic!("{audit:?}") };
    assert_eq!((&*entry.who, &*entry.reason), ("the operator", "a test"));
    assert_eq!(entry.details["letters"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_worker_and_is_given_up_or_gone_on_with() {
    let (desk, mut open) = office().await;
    let body = json!({"which": {"stage": "shop/sell"}, "reason": "mended", "options": {"rate": 5}});
    assert_eq!(open.post(JOBS, &body).await.status, 403);
    for (wrong, told) in [
        (json!({"which": {}, "reason": "mended"}), "letters of several stages"),
        (json!({"which": {"stage": "shop/sell"}}), "`reason` says why"),
        (json!({"which": {}, "reason": "x", "options": {"rat": 1}}), "`rat` is none of rate"),
        (json!({"which": {}, "reason": "x", "options": {"batch": 0}}), "1 or more"),
        (json!({"which": {}, "reason": "x", "options": {"batch": u32::MAX}}), "one commit"),
        (json!({"which": {}, "reason": "x", "options": {"stop_percent": -5}}), "0 and 100"),
        (json!({"which": {}, "reason": "x", "options": {"transform": "{\"a\": "}}), "no JSON"),
        (json!({"which": {}, "reason": "x", "limit": 0}), "`limit` is 1 or more"),
    ] {
        let refused = as_operator(&mut open, JOBS, wrong).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.text.contains(told), "{told}: {}", refused.text);
    }
    let none = json!({"which": {"stage": "shop/none"}, "reason": "mended"});
    let none = as_operator(&mut open, JOBS, none).await;
    assert_eq!((none.status, &none.json()["letters"]), (200, &json!(0)));

    let made = as_operator(&mut open, JOBS, body.clone()).await;
    assert_eq!(made.status, 202, "{made:?}");
    let mut told = made.json();
    let id = told["job"]["id"].as_str().unwrap().to_owned();
    assert!(made.head.contains(&format!("location: {JOBS}/{id}")), "{}", made.head);
    told["job"]["id"] = json!("…");
    told["job"]["created_at"] = json!("…");
    assert_eq!(told["job"]["options"]["rate"], 5);
    told["job"]["options"] = json!("…");
    insta::assert_json_snapshot!("job", told);
    // Its letters are in flight: no other job has them, and nobody gives them up.
    let none = as_operator(&mut open, JOBS, body.clone()).await;
    assert_eq!((none.status, none.json()), (200, json!({"letters": 0, "skipped": 5})));
    let discard = json!({"which": {"stage": "shop/sell"}, "reason": "a test"});
    let refused = as_operator(&mut open, "/api/v1/dlq/discard", discard).await;
    assert!(refused.status == 409 && refused.text.contains("5 letters are in"), "{refused:?}");
    let discard = json!({"which": {}, "reason": "a test", "dry_run": true});
    let discard = as_operator(&mut open, "/api/v1/dlq/discard", discard).await.json();
    assert_eq!(discard, json!({"letters": 1, "discarded": false, "in_flight": 5}));
    let dry = json!({"which": {"stage": "shop/bill"}, "dry_run": true});
    let dry = as_operator(&mut open, JOBS, dry).await.json();
    assert_eq!(dry["job"]["options"]["stop_percent"], 100.0);
    let bill = json!({"which": {"stage": "shop/bill"}, "reason": "mended"});
    let other = as_operator(&mut open, JOBS, bill).await.json();
    assert_eq!((&other["job"]["letters"], &other["job"]["skipped"]), (&json!(1), &json!(0)));
    let listed = open.get(JOBS).await.json();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 2);
    let page = open.get(&format!("{JOBS}?limit=1")).await.json();
    let next = page["next"].as_str().unwrap();
    let last = open.get(&format!("{JOBS}?limit=1&cursor={next}")).await.json();
    assert_eq!((&last["jobs"][0]["job"]["id"], &last["next"]), (&json!(id), &Value::Null));
    let listed = open.get(&format!("{JOBS}?dry=true&state=waiting")).await.json();
    assert_eq!(listed["jobs"][0]["job"]["id"], dry["job"]["id"]);
    let letters = open.get(&format!("{JOBS}/{id}/letters?limit=3")).await.json();
    assert_eq!((letters["letters"].as_array().unwrap().len(), &letters["next"]), (3, &json!("3")));

    // A worker that has it gives it up; one that nobody has begun is given up at once.
    let store = Arc::new(desk.store().await);
    let (job, worker) = (id.parse().unwrap(), Uuid::from_u128(7));
    let now = assay_core::SystemClock.now();
    assert!(store.claim_replay(job, worker, (now, now)).await.unwrap());
    let (cancel, resume) = (format!("{JOBS}/{id}/cancel"), format!("{JOBS}/{id}/resume"));
    let because = json!({"reason": "the wrong ones"});
    let busy = as_operator(&mut open, &resume, because.clone()).await;
    assert!(busy.status == 409 && busy.text.contains("carried out already"), "{busy:?}");
    assert!(store.leave_replay(job, worker, (ReplayState::Stopped, now), None).await.unwrap());
    let resumed = as_operator(&mut open, &resume, because.clone()).await;
    assert_eq!((resumed.status, &resumed.json()["job"]["state"]), (202, &json!("waiting")));
    let asked = as_operator(&mut open, &cancel, because.clone()).await;
    assert_eq!((asked.status, &asked.json()["job"]["wish"]["who"]), (202, &json!("the operator")));
    let again = as_operator(&mut open, &cancel, because.clone()).await;
    assert!(again.status == 409 && again.text.contains("is being given up"), "{again:?}");
    let other = other["job"]["id"].as_str().unwrap();
    let done = as_operator(&mut open, &format!("{JOBS}/{other}/cancel"), because.clone()).await;
    assert_eq!((done.status, &done.json()["job"]["state"]), (200, &json!("cancelled")));
    let over = as_operator(&mut open, &format!("{JOBS}/{other}/resume"), because.clone()).await;
    assert!(over.status == 409 && over.text.contains("nothing more comes of it"), "{over:?}");
    assert_eq!(open.get(&format!("{JOBS}/{}", Uuid::nil())).await.status, 404);
    let audit = store.audit(&of("replay")).await.unwrap();
    assert_eq!(audit.len(), 5, "two jobs, a resumption and two that were given up: {audit:?}");
    assert!(audit.iter().all(|entry| entry.who == "the operator" && !entry.reason.is_empty()));
}
