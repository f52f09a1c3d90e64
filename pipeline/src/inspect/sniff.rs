//! Which types the cells of a text column could all have.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{NaiveDate, Utc};
use serde_json::Value;

use crate::stage::UTC;

/// What was seen of one column so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Sniff {
    seen: bool,
    no_whole: bool,
    no_number: bool,
    no_boolean: bool,
    no_date: bool,
    no_time: bool,
}

impl Sniff {
    /// Takes in a cell of a file in which all is text.
    pub(super) fn text(&mut self, cell: &str) {
        self.seen = true;
        self.no_whole |= self.no_whole || !whole(cell);
        self.no_number |= self.no_number || !number(cell);
        self.no_boolean |=
            self.no_boolean || !["true", "false"].contains(&&*cell.to_ascii_lowercase());
        self.when(cell);
    }

    /// Takes in a value of JSON, which has a kind already.
    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => return,
            Value::String(text) => {
                self.when(text);
                (self.no_whole, self.no_number, self.no_boolean) = (true, true, true);
            }
            Value::Number(number) => {
                self.no_whole |= !number.is_i64();
                (self.no_boolean, self.no_date, self.no_time) = (true, true, true);
            }
            Value::Bool(_) => {
                (self.no_whole, self.no_number, self.no_date, self.no_time) =
                    (true, true, true, true);
            }
            Value::Array(_) | Value::Object(_) => {
                (self.no_whole, self.no_number, self.no_boolean) = (true, true, true);
                (self.no_date, self.no_time) = (true, true);
            }
        }
        self.seen = true;
    }

    fn when(&mut self, cell: &str) {
        self.no_date |= self.no_date || !date(cell);
        self.no_time |= self.no_time || !time(cell);
    }

    /// The narrowest type that takes every cell.
    pub(super) fn kind(&self) -> DataType {
        match self {
            Sniff { seen: false, .. } => DataType::Utf8,
            Sniff { no_whole: false, .. } => DataType::Int64,
            Sniff { no_number: false, .. } => DataType::Float64,
            Sniff { no_boolean: false, .. } => DataType::Boolean,
            Sniff { no_date: false, .. } => DataType::Date32,
            Sniff { no_time: false, .. } => {
                DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
            }
            _ => DataType::Utf8,
        }
    }
}

/// A number with leading zeros is a code.
fn whole(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain && (digits == "0" || !digits.starts_with('0')) && cell.parse::<i64>().is_ok()
}

/// A whole number that is too large for a bigint is a code too: as a double it would be another.
fn number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let lead =
        digits.strip_prefix('0').is_none_or(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
    let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let code = digits.bytes().all(|byte| byte.is_ascii_digit()) && cell.parse::<i64>().is_err();
    plain && lead && !code && cell.parse::<f64>().is_ok_and(f64::is_finite)
}

pub(super) fn date(cell: &str) -> bool {
    cell.len() == 10 && NaiveDate::parse_from_str(cell, "%Y-%m-%d").is_ok()
}

pub(super) fn time(cell: &str) -> bool {
    (16..=40).contains(&cell.len()) && string_to_datetime(&Utc, cell).is_ok()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use serde_json::json;

    use super::Sniff;

    fn texts(cells: &[&str]) -> String {
        let mut sniff = Sniff::default();
        cells.iter().for_each(|cell| sniff.text(cell));
        sniff.kind().to_string()
    }

    #[test]
    fn a_column_has_the_narrowest_type_that_takes_all_its_cells() {
        assert_eq!(texts(&["1", "-20", "0"]), "Int64");
        assert_eq!(texts(&["1", "2.5", "1e3"]), "Float64");
        assert_eq!(texts(&["true", "False"]), "Boolean");
        assert_eq!(texts(&["2026-01-31"]), "Date32");
        assert!(texts(&["2026-01-31T10:00:00Z", "2026-01-31 10:00:00"]).starts_with("Timestamp"));
        for text in [
            &["007"][..],
            &["1", "x"],
            &["nan"],
            &["2026-02-31"],
            &["99999999999999999999", "1"],
            &["00.5"],
            &["-"],
        ] {
            assert_eq!(texts(text), "Utf8", "{text:?}");
        }
        assert_eq!(Sniff::default().kind(), DataType::Utf8);
    }

    #[test]
    fn values_of_json_have_their_kind_already() {
        let kind = |values: serde_json::Value| {
            let mut sniff = Sniff::default();
            values.as_array().unwrap().iter().for_each(|value| sniff.value(value));
            sniff.kind()
        };
        assert_eq!(kind(json!([1, null, 2])), DataType::Int64);
        assert_eq!(kind(json!([1, 2.5])), DataType::Float64);
        assert_eq!(kind(json!(["1", "2"])), DataType::Utf8);
        assert_eq!(kind(json!([1, "2"])), DataType::Utf8);
        assert_eq!(kind(json!([true, false])), DataType::Boolean);
        assert_eq!(kind(json!(["2026-01-31", "2026-02-01"])), DataType::Date32);
        assert_eq!(kind(json!([{"a": 1}])), DataType::Utf8);
    }
}
