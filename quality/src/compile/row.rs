//! The checks of single columns, each as an expression that is true where a row breaks it. On NULL
//! it is NULL, which breaks nothing.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, ScalarValue};
use datafusion::functions::core::expr_fn::greatest;
use datafusion::functions::math::expr_fn::{abs, round};
use datafusion::functions::unicode::expr_fn::character_length;
use datafusion::logical_expr::{Expr, cast, lit};
use jsonschema::Validator;
use regex::Regex;
use serde_json::Value;

use assay_core::{Bound, Check};

use super::Compiler;
use crate::expression::Problem;
use crate::literal::literal;
use crate::range::Range;
use crate::suite::Test;
use crate::text::{FEW, Few, Pattern, TextTest};

impl Compiler<'_> {
    pub(super) fn broken(&self, check: &Check) -> Result<Expr, Problem> {
        match check {
            Check::NotMissing { column, missing } => {
                let (_, field) = self.column(column)?;
                let missing = literals(field, missing)?;
                Ok(named(column).is_null().or(value(field).in_list(missing, false)))
            }
            Check::OneOf { column, values } => {
                let (_, field) = self.column(column)?;
                let values = literals(field, values)?;
                if values.is_empty() {
                    return Err(Problem::new("no value is allowed", "list the values"));
                }
                Ok(value(field).in_list(values, true))
            }
            Check::Length { column, min, max } => {
                let length = || Ok(character_length(value(self.text(column)?)));
                let bound = |count: &u64| lit(i64::try_from(*count).unwrap_or(i64::MAX));
                let short = min.as_ref().map(|min| Ok(length()?.lt(bound(min)))).transpose()?;
                let long = max.as_ref().map(|max| Ok(length()?.gt(bound(max)))).transpose()?;
                Ok(either(short, long))
            }
            Check::MultipleOf { column, of } => {
                let (_, field) = self.column(column)?;
                multiple(field, of)
            }
            _ => unreachable!("the others are no expressions over one column"),
        }
    }

    /// A check that is made of each text by itself.
    pub(super) fn text_test(&self, check: &Check) -> Result<Test, Problem> {
        let (column, test) = match check {
            Check::Format { column, format } => (column, TextTest::Format(*format)),
            Check::Conforms { column, schema } => (column, TextTest::Json(json_schema(schema)?)),
            Check::Matches { column, pattern } => {
                self.text(column)?;
                pattern_of(pattern)?;
                let compiled = Pattern::new(pattern).ok_or_else(|| {
                    Problem::new(format!("`{pattern}` is too large"), "write a shorter pattern")
                })?;
                (column, TextTest::Pattern(compiled))
            }
            _ => unreachable!("the others are not about the letters of a text"),
        };
        self.text(column)?;
        Ok(Test::Text { column: self.column(column)?.0, test })
    }

    /// One of a few texts, unless there are many or the column is none of plain texts.
    pub(super) fn few_texts(
        &self,
        column: &str,
        values: &[Value],
    ) -> Result<Option<Test>, Problem> {
        let (place, field) = self.column(column)?;
        let known = literals(field, values)?.len();
        if !field.data_type().is_string() || !(1..=FEW).contains(&known) {
            return Ok(None);
        }
        let few = Few::new(values.iter().filter_map(Value::as_str));
        Ok(Some(Test::Text { column: place, test: TextTest::OneOf(few) }))
    }

    /// The values that a pattern takes: no other text is one of them and matches.
    pub(super) fn valid(
        &self,
        column: &str,
        values: &[Value],
        pattern: &str,
    ) -> Result<Vec<Value>, Problem> {
        let (field, pattern) = (self.text(column)?, pattern_of(pattern)?);
        literals(field, values)?;
        let matches = |value: &&Value| value.as_str().is_some_and(|it| pattern.is_match(it));
        let valid: Vec<Value> = values.iter().filter(matches).cloned().collect();
        match valid.is_empty() {
            false => Ok(valid),
            true => {
                let what = "nothing is valid: none of the validValues matches the pattern";
                Err(Problem::new(what, "correct the pattern, or the values"))
            }
        }
    }

    fn text(&self, column: &str) -> Result<&Field, Problem> {
        let (_, field) = self.column(column)?;
        let kind = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            plain => plain,
        };
        match kind.is_string() {
            true => Ok(field),
            false => {
                let what = format!("`{column}` is no text, it has the type {kind}");
                Err(Problem::new(what, "use a text column, or an expression with CAST"))
            }
        }
    }
}

/// A column by its exact name.
fn named(column: &str) -> Expr {
    Expr::Column(Column::from_name(column))
}

/// The value of a column, fit for comparing: arrow holds −0.0 for less than 0.0.
fn value(field: &Field) -> Expr {
    let column = named(field.name());
    match field.data_type() {
        DataType::Float64 => column + lit(0.0_f64),
        DataType::Float32 => column + lit(0.0_f32),
        _ => column,
    }
}

/// The values in the type of the column. NULL among them says nothing: each check has its own way
/// with it.
fn literals(field: &Field, values: &[Value]) -> Result<Vec<Expr>, Problem> {
    let plain = values.iter().filter(|value| !value.is_null());
    plain.map(|value| Ok(lit(constant(field, value)?))).collect()
}

fn constant(field: &Field, value: &Value) -> Result<ScalarValue, Problem> {
    literal(value, field.data_type()).map_err(|what| {
        let fix = match (value, field.data_type().is_string()) {
            (Value::Number(_) | Value::Bool(_), true) => "put it in quotes",
            _ => "write a value that the column can have",
        };
        Problem::new(what, fix)
    })
}

/// True outside the bounds. NaN is within no bounds: arrow sorts it beyond the infinities.
pub(super) fn outside(
    field: &Field,
    min: Option<&Bound>,
    max: Option<&Bound>,
) -> Result<Expr, Problem> {
    let constant = |bound: Option<&Bound>| {
        bound.map(|bound| Ok((constant(field, &bound.value)?, bound.inclusive))).transpose()
    };
    let (mut least, mut most) = (constant(min)?, constant(max)?);
    if let (Some((least, _)), Some((most, _))) = (&least, &most)
        && least > most
    {
        let what = format!("nothing can be at least {least} and at most {most}");
        return Err(Problem::new(what, "exchange the two"));
    }
    let infinite = match field.data_type() {
        DataType::Float64 => Some(ScalarValue::from(f64::INFINITY)),
        DataType::Float32 => Some(ScalarValue::from(f32::INFINITY)),
        _ => None,
    };
    if let Some(infinite) = infinite {
        let negative = infinite.arithmetic_negate().ok();
        least = least.or(negative.map(|bound| (bound, true)));
        most = most.or(Some((infinite, true)));
    }
    let below = least.map(|(bound, inclusive)| match inclusive {
        true => value(field).lt(lit(bound)),
        false => value(field).lt_eq(lit(bound)),
    });
    let above = most.map(|(bound, inclusive)| match inclusive {
        true => value(field).gt(lit(bound)),
        false => value(field).gt_eq(lit(bound)),
    });
    Ok(either(below, above))
}

/// The bounds as plain numbers, where the type has those.
pub(super) fn range(
    field: &Field,
    min: Option<&Bound>,
    max: Option<&Bound>,
) -> Result<Option<Range>, Problem> {
    let end = |bound: Option<&Bound>| {
        bound.map(|bound| Ok((constant(field, &bound.value)?, bound.inclusive))).transpose()
    };
    Ok(Range::new(field.data_type(), end(min)?, end(max)?))
}

/// True for what is no whole number of times `of`. A float that is off by no more than rounding
/// makes it is one; one that is no number, or without end, is none.
fn multiple(field: &Field, of: &Value) -> Result<Expr, Problem> {
    let kind = field.data_type();
    if !kind.is_numeric() {
        let what = format!("`{}` is no number, it has the type {kind}", field.name());
        return Err(Problem::new(what, "use a column of numbers"));
    }
    if !kind.is_floating() {
        return Ok((value(field) % lit(constant(field, of)?)).not_eq(lit(0)));
    }
    let of = of.as_f64().unwrap_or(f64::NAN);
    let times = || cast(value(field), DataType::Float64) / lit(of);
    let off = abs(times() - round(vec![times()]));
    let near = off.lt_eq(lit(1e-9) * greatest(vec![lit(1.0), abs(times())]));
    // NaN is sorted beyond all numbers.
    let number = abs(times()).lt_eq(lit(f64::MAX));
    Ok(near.and(number).is_not_true().and(named(field.name()).is_not_null()))
}

fn json_schema(schema: &Value) -> Result<Box<Validator>, Problem> {
    if !schema.is_object() && !schema.is_boolean() {
        return Err(Problem::new("a JSON Schema is an object", "for example {type: object}"));
    }
    let validator = jsonschema::validator_for(schema).map_err(|error| {
        let place = error.instance_path().to_string();
        let at = if place.is_empty() { String::new() } else { format!(" at {place}") };
        let what = format!("it is no JSON Schema{at}: {error}");
        Problem::new(what, "mend the schema; what it refers to must stand in it")
    })?;
    Ok(Box::new(validator))
}

fn either(one: Option<Expr>, other: Option<Expr>) -> Expr {
    match (one, other) {
        (Some(one), Some(other)) => one.or(other),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => lit(false),
    }
}

fn pattern_of(pattern: &str) -> Result<Regex, Problem> {
    Regex::new(pattern).map_err(|error| {
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let what = format!("`{pattern}` is no regular expression: {reason}");
        Problem::new(what, "write a pattern without look-around and back-references")
    })
}
