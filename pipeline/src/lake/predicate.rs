//! Conditions of a query in Iceberg's words, so that files which can't match are not opened.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use iceberg::expr::{Predicate, Reference};
use iceberg::spec::Datum;

/// The part of `filters` that Iceberg understands. It may match more rows than they do, never
/// fewer: what is not understood is left out of a conjunction.
pub(super) fn predicate(filters: &[Expr]) -> Option<Predicate> {
    filters.iter().filter_map(convert).reduce(Predicate::and)
}

/// The same condition, if all of it can be said.
fn convert(expr: &Expr) -> Option<Predicate> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            match (convert(left), convert(right)) {
                (Some(left), Some(right)) => Some(left.and(right)),
                (left, right) => left.or(right),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(convert(left)?.or(convert(right)?))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(column), Expr::Literal(value, _)) => compare(&column.name, *op, value),
            (Expr::Literal(value, _), Expr::Column(column)) => {
                compare(&column.name, op.swap()?, value)
            }
            _ => None,
        },
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = list.expr.as_ref() else { return None };
            let value = |expr: &Expr| match expr {
                Expr::Literal(value, _) => datum(value),
                _ => None,
            };
            let values: Option<Vec<Datum>> = list.list.iter().map(value).collect();
            Some(Reference::new(&column.name).is_in(values?))
        }
        Expr::Between(between) if !between.negated => {
            let low = between.expr.as_ref().clone().gt_eq(between.low.as_ref().clone());
            let high = between.expr.as_ref().clone().lt_eq(between.high.as_ref().clone());
            convert(&low.and(high))
        }
        Expr::IsNull(inner) => match inner.as_ref() {
            Expr::Column(column) => Some(Reference::new(&column.name).is_null()),
            _ => None,
        },
        Expr::IsNotNull(inner) => match inner.as_ref() {
            Expr::Column(column) => Some(Reference::new(&column.name).is_not_null()),
            _ => None,
        },
        _ => None,
    }
}

fn compare(column: &str, op: Operator, value: &ScalarValue) -> Option<Predicate> {
    let column = Reference::new(column);
    let value = datum(value)?;
    Some(match op {
        Operator::Eq => column.equal_to(value),
        Operator::Lt => column.less_than(value),
        Operator::LtEq => column.less_than_or_equal_to(value),
        Operator::Gt => column.greater_than(value),
        Operator::GtEq => column.greater_than_or_equal_to(value),
        _ => return None,
    })
}

pub(super) fn datum(value: &ScalarValue) -> Option<Datum> {
    Some(match value {
        ScalarValue::Boolean(Some(value)) => Datum::bool(*value),
        ScalarValue::Int32(Some(value)) => Datum::int(*value),
        ScalarValue::Int64(Some(value)) => Datum::long(*value),
        ScalarValue::Utf8(Some(text))
        | ScalarValue::LargeUtf8(Some(text))
        | ScalarValue::Utf8View(Some(text)) => Datum::string(text),
        ScalarValue::Date32(Some(days)) => Datum::date(*days),
        ScalarValue::TimestampMicrosecond(Some(micros), Some(_)) => {
            Datum::timestamptz_micros(*micros)
        }
        _ => return None,
    })
}
