//! docker-compose.yml can't be started here: what it names has to be there, at least.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::alerts::yaml;
use crate::servers::root;

/// Programs that Prometheus is told to ask and that are not in the file, as its head says.
const ELSEWHERE: [&str; 5] = ["kafka-1", "kafka-2", "kafka-3", "minio", "clickhouse"];

fn services() -> Vec<(String, Value)> {
    let file = yaml("docker-compose.yml");
    let services = file["services"].as_object().unwrap().clone();
    assert!(services.len() > 5);
    services.into_iter().collect()
}

#[test]
fn images_are_pinned_ports_are_ours_and_what_is_mounted_is_there() {
    let file = yaml("docker-compose.yml");
    for (name, service) in services() {
        let image = service["image"].as_str().unwrap();
        let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image}")).1;
        assert!(tag.starts_with(|c: char| c == 'v' || c.is_ascii_digit()), "{name}: {image}");
        for port in service["ports"].as_array().into_iter().flatten() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            let there = match from.strip_prefix("./") {
                Some(path) => root().join(path).exists(),
                None => from == "/" || file["volumes"].get(from).is_some(),
            };
            assert!(there, "{name} mounts {from}, which is not there");
        }
        for (other, how) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(how["condition"], "service_healthy", "{name}");
            assert!(file["services"][other]["healthcheck"].is_object(), "{other} has no check");
        }
    }
}

#[test]
fn what_prometheus_is_told_to_ask_is_there_or_said_not_to_be() {
    let mut known: BTreeSet<String> = services().into_iter().map(|(name, _)| name).collect();
    let file = yaml("docker-compose.yml");
    let hosts = file["services"]["prometheus"]["extra_hosts"].as_array().unwrap();
    let host = |host: &Value| host.as_str().unwrap().split(':').next().unwrap().to_owned();
    known.extend(hosts.iter().map(host));
    known.extend(ELSEWHERE.map(str::to_owned));
    let settings = yaml("alerts/prometheus.yml");
    for job in settings["scrape_configs"].as_array().unwrap() {
        for target in job["static_configs"][0]["targets"].as_array().unwrap() {
            assert!(known.contains(&host(target)), "{target} of {}", job["job_name"]);
        }
    }
}
