//! Values of a contract as values of a column.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use serde_json::Value;

/// `value` as a value of a column of type `kind`; why not, where it would not be the same.
pub(crate) fn literal(value: &Value, kind: &DataType) -> Result<ScalarValue, String> {
    let kind = match kind {
        DataType::Dictionary(_, values) => values.as_ref(),
        plain => plain,
    };
    let unfit = |is: &str| format!("`{}` {is}, and the column has the type {kind}", plain(value));
    let source = match value {
        Value::Bool(flag) if *kind == DataType::Boolean => ScalarValue::Boolean(Some(*flag)),
        Value::Number(number) if kind.is_numeric() => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ScalarValue::Int64(Some(number)),
            (None, Some(number)) => ScalarValue::UInt64(Some(number)),
            (None, None) => ScalarValue::Float64(number.as_f64()),
        },
        Value::String(text) if *kind != DataType::Boolean => ScalarValue::Utf8(Some(text.clone())),
        Value::Bool(_) => return Err(unfit("is true or false")),
        Value::Number(_) => return Err(unfit("is a number")),
        Value::String(_) => return Err(unfit("is a text")),
        Value::Null => return Err(unfit("is empty")),
        Value::Array(_) | Value::Object(_) => return Err(unfit("is no single value")),
    };
    let literal = source.cast_to(kind).ok().filter(|literal| !literal.is_null());
    let literal = literal.ok_or_else(|| unfit("does not convert"))?;
    match kind.is_numeric() && !exact(value, &source, &literal) {
        true => Err(unfit("would be rounded")),
        false => Ok(literal),
    }
}

/// Whether a number is still the same after it was cast.
fn exact(value: &Value, source: &ScalarValue, literal: &ScalarValue) -> bool {
    // Between whole numbers a cast fails rather than rounds.
    if literal.data_type().is_integer() && source.data_type().is_integer() {
        return true;
    }
    // Of floats the nearest is what people mean by 0.1.
    if literal.data_type().is_floating() {
        return true;
    }
    let wanted = match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    };
    let found = literal.cast_to(&DataType::Float64).ok();
    matches!(
        (wanted, found),
        (Some(wanted), Some(ScalarValue::Float64(Some(found)))) if wanted == found
    )
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
