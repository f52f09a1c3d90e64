use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

/// The name that a job of ours has in Prometheus.
const JOB: &str = "assay";

/// What a group of pushed metrics is known by. Never by the process or machine: such groups would
/// stay for ever, with numbers that nobody tells any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey(Vec<(&'static str, String)>);

impl GroupKey {
    pub fn of_pipeline(environment: &str, pipeline: &str) -> GroupKey {
        let mut key = GroupKey::of_all(environment);
        key.0.push(("pipeline", pipeline.to_owned()));
        key
    }

    /// The group of what is of no pipeline.
    pub fn of_all(environment: &str) -> GroupKey {
        GroupKey(vec![("job", JOB.to_owned()), ("env", environment.to_owned())])
    }

    /// The path of the group at a gateway.
    pub fn path(&self) -> String {
        let part = |(name, value): &(&str, String)| match plain(value) {
            true => format!("/{name}/{value}"),
            // Slashes and empty values have no other form in a path.
            false => format!("/{name}@base64/{}", URL_SAFE.encode(value)),
        };
        format!("/metrics{}", self.0.iter().map(part).collect::<String>())
    }
}

/// Whether a value can stand in a path as it is.
fn plain(value: &str) -> bool {
    let all = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    all && !value.is_empty() && value != "." && value != ".."
}

#[cfg(test)]
mod tests {
    use super::GroupKey;

    #[test]
    fn values_that_a_path_can_not_hold_are_encoded() {
        let path = |pipeline| GroupKey::of_pipeline("prod", pipeline).path();
        assert_eq!(path("github_events"), "/metrics/job/assay/env/prod/pipeline/github_events");
        for (pipeline, encoded) in [("a/b", "YS9i"), ("", ""), ("..", "Li4="), ("ü?", "w7w_")] {
            let wanted = format!("/metrics/job/assay/env/prod/pipeline@base64/{encoded}");
            assert_eq!(path(pipeline), wanted);
        }
    }
}
