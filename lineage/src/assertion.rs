//! What an assertion of an event says of itself.

use serde_json::Value;

/// How an assertion begins to say that nothing was looked at.
pub(crate) const NOT_EVALUATED: &str = "not evaluated";

/// What was found, as far as the assertion says. The standard has no word for one that was skipped:
/// the newer ones of dbt, which tell what was found otherwise, leave it out then.
pub(crate) fn actual(assertion: &Value) -> Option<String> {
    let said = |key: &str| assertion.get(key).is_some_and(|value| !value.is_null());
    let text = assertion["actual"].as_str().map(str::to_owned);
    let skipped = !said("actual") && said("params") && said("severity") && !said("expected");
    text.or_else(|| {
        (skipped && assertion["success"] == false).then(|| format!("{NOT_EVALUATED}: skipped"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_test_that_dbt_skipped_is_told_from_one_that_failed() {
        let of = |more: Value| {
            let mut one = json!({"assertion": "unique", "success": false});
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            actual(&one)
        };
        let skipped = json!({"params": {}, "severity": "error"});
        assert_eq!(of(skipped).as_deref(), Some("not evaluated: skipped"));
        let failed = json!({"params": {}, "severity": "error", "actual": "1", "expected": "0"});
        assert_eq!(of(failed).as_deref(), Some("1"));
        assert_eq!(of(json!({})), None);
        assert_eq!(of(json!({"params": {}, "severity": "error", "success": true})), None);
    }
}
