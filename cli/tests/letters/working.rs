//! Jobs that are made through the sidecar, and workers that carry them out.

use serde_json::{Value, json};

use crate::office::Office;

const WORK: [&str; 4] = ["dlq", "work", "--pipeline", "own"];

fn made(answer: (u16, Value)) -> String {
    let (status, told) = answer;
    assert_eq!(status, 202, "{told}");
    told["job"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn through_the_sidecar_a_job_is_made_and_a_worker_brings_the_rows_home() {
    let office = Office::with_a_wrong_contract(400);
    let letters = office.letters();
    let many = letters.len();
    let sidecar = office.sidecar();
    let group = sidecar.get("groups")["groups"][0].clone();
    assert_eq!(group["letters"], many, "{group}");
    let group = group["fingerprint"].as_str().unwrap();

    // Nothing has changed yet, so a dry run says that all would die again.
    let dry = json!({"which": {"group": group}, "dry_run": true});
    let dry = format!("jobs/{}", made(sidecar.post("jobs", &dry)));
    assert_eq!(sidecar.get(&dry)["job"]["state"], "waiting");
    let told = office.fine(&[&WORK[..], &["--once"]].concat());
    assert!(told.contains("dry run") && told.contains("died again"), "{told}");
    let found = sidecar.get(&dry);
    assert_eq!(found["job"]["state"], "complete", "{found}");
    assert_eq!(found["job"]["result"]["died_of"]["event_type.one_of"], many, "{found}");
    assert_eq!(office.letters(), letters);

    office.mend();
    let replay = json!({"which": {"group": group}, "reason": "the contract is mended"});
    let job = made(sidecar.post("jobs", &replay));
    // A worker that does not know the pipeline leaves it alone; the command that lists it says so.
    let shown = office.fine(&["dlq", "jobs", &job]);
    assert!(shown.contains("waits for  `assay dlq work`"), "{shown}");
    office.fine(&[&WORK[..], &["--once"]].concat());
    let found = sidecar.get(&format!("jobs/{job}"));
    assert_eq!(found["outcome"], json!({"landed": many}), "{found}");
    let trace = sidecar.get(&format!("letters/{}/trace", letters[0]));
    let steps = trace["steps"].as_array().unwrap();
    assert!(
        steps.iter().any(|step| step.to_string().contains("the contract is mended")),
        "{trace}"
    );
    assert!(steps.last().unwrap()["landing"]["snapshot"].is_i64(), "{trace}");
    let proofs = sidecar.get(&format!("jobs/{job}/letters?limit=1000"));
    assert_eq!(proofs["letters"].as_array().unwrap().len(), many);
    assert_eq!(office.astray(), (0, 0));
    let audit = office.json(&["audit", "--action", "replay"]);
    assert_eq!(
        (&audit[0]["who"], &audit[0]["details"]["letters"]),
        (&json!("console"), &json!(many))
    );
}

#[test]
fn a_job_is_given_up_by_its_worker_and_that_of_a_killed_one_is_taken_over() {
    let office = Office::with_a_wrong_contract(800);
    let many = office.letters().len() as u64;
    office.mend();
    let sidecar = office.sidecar();
    let slow = json!({
        "which": {}, "reason": "mended", "options": {"rate": 5, "batch": 5},
    });
    let landed = |told: &Value| told["outcome"]["landed"].as_u64().unwrap_or(0);
    let first = made(sidecar.post("jobs", &slow));
    let first = format!("jobs/{first}");
    let mut worker = office.started(&WORK);
    sidecar.wait(&first, |told| landed(told) > 0);
    let (status, asked) = sidecar.post(&format!("{first}/cancel"), &json!({"reason": "too slow"}));
    assert_eq!(status, 202, "{asked}");
    let given_up = sidecar.wait(&first, |told| told["job"]["state"] == "cancelled");
    assert!(landed(&given_up) < many, "{given_up}");
    assert_eq!(office.letters().len() as u64, many - landed(&given_up));

    // The same worker takes the next job, and dies in it.
    let second = made(sidecar.post("jobs", &slow));
    let second = format!("jobs/{second}");
    sidecar.wait(&second, |told| landed(told) > 0);
    worker.0.kill().unwrap();
    worker.0.wait().unwrap();
    let left = sidecar.get(&second);
    assert_eq!(left["job"]["state"], "running", "{left}");
    let hasty = [&WORK[..], &["--takeover-after", "1"]].concat();
    assert!(office.refused(&hasty).contains("is 15 or more"));
    let other = [&WORK[..], &["--takeover-after", "15"]].concat();
    let _other = office.started(&other);
    let done = sidecar.wait(&second, |told| told["job"]["state"] != "running");
    assert_eq!(done["job"]["state"], "complete", "{done}");
    assert_eq!(landed(&done), many - landed(&given_up));
    assert_eq!(office.astray(), (0, 0));
    assert!(office.letters().is_empty());
}
