//! SQL with answers that were written by hand.

use assay_lineage::plans::lineage_of;
use futures::executor::block_on;

use super::desk::{context, lineage, short, tables};

/// In the notation of `short`.
const ANSWERS: &[(&str, &str)] = &[
    // Columns and expressions.
    ("SELECT a FROM t", "a: t.a id"),
    ("SELECT a AS x, b AS a FROM t", "x: t.a id; a: t.b id"),
    ("SELECT 1 AS one, now() AS at FROM t", "one: –; at: –"),
    ("SELECT a + b AS x FROM t", "x: t.a tr, t.b tr"),
    ("SELECT a + a AS x, -b AS y FROM t", "x: t.a tr; y: t.b tr"),
    ("SELECT CAST(a AS varchar) AS x, TRY_CAST(s AS int) AS y FROM t", "x: t.a tr; y: t.s tr"),
    ("SELECT coalesce(a, b, 0) AS x FROM t", "x: t.a tr, t.b tr"),
    ("SELECT nullif(a, b) AS x FROM t", "x: t.a tr, t.b tr"),
    ("SELECT lower(s) LIKE 'x%' AS x FROM t", "x: t.s tr"),
    ("SELECT a BETWEEN b AND id AS x FROM t", "x: t.a tr, t.b tr, t.id tr"),
    ("SELECT a IN (1, b) AS x, s IS NULL AS y FROM t", "x: t.a tr, t.b tr; y: t.s tr"),
    ("SELECT date_trunc('month', day) AS x FROM t", "x: t.day tr"),
    // What decides about a value.
    ("SELECT CASE WHEN flag THEN a ELSE b END AS x FROM t", "x: t.a tr, t.b tr, t.flag cond"),
    ("SELECT CASE s WHEN 'p' THEN 1 ELSE 2 END AS x FROM t", "x: t.s cond"),
    ("SELECT CASE WHEN a > 0 THEN a END AS x FROM t", "x: t.a tr+cond"),
    (
        "SELECT CASE WHEN x THEN 1 ELSE 0 END AS y FROM (SELECT a > b AS x FROM t)",
        "y: t.a cond, t.b cond",
    ),
    // What is dead is no input.
    ("SELECT CASE WHEN 1 = 2 THEN a ELSE b END AS x FROM t", "x: t.b tr"),
    ("SELECT a, CASE WHEN 1 = 2 THEN a ELSE b END AS x FROM t", "a: t.a id; x: t.b tr"),
    ("SELECT a FROM t WHERE 1 = 1", "a: t.a id"),
    ("SELECT a FROM t WHERE false", "a: –"),
    ("SELECT a FROM (SELECT a, b, s || 'x' AS c FROM t)", "a: t.a id"),
    ("SELECT a FROM (SELECT a, row_number() OVER (ORDER BY b) AS r FROM t)", "a: t.a id"),
    ("SELECT a FROM (SELECT a, b FROM t ORDER BY b)", "a: t.a id"),
    // Filters and order.
    ("SELECT a FROM t WHERE b > 1", "a: t.a id; rows: t.b filter"),
    ("SELECT a FROM t WHERE a = 5", "a: t.a id; rows: t.a filter"),
    ("SELECT a FROM t ORDER BY b, s DESC LIMIT 3", "a: t.a id; rows: t.b sort, t.s sort"),
    ("SELECT a FROM t LIMIT 3 OFFSET 1", "a: t.a id"),
    // Joins.
    (
        "SELECT t.a, u.d FROM t JOIN u ON t.id = u.id",
        "a: t.a id; d: u.d id; rows: t.id join, u.id join",
    ),
    (
        "SELECT t.a, u.d FROM t LEFT JOIN u ON t.id = u.id AND u.n = 'x'",
        "a: t.a id; d: u.d id; rows: t.id join, u.id join, u.n join",
    ),
    (
        "SELECT t.b, u.d FROM t FULL JOIN u ON t.id < u.id",
        "b: t.b id; d: u.d id; rows: t.id join, u.id join",
    ),
    (
        "SELECT t.b, u.d FROM t RIGHT JOIN u USING (id)",
        "b: t.b id; d: u.d id; rows: t.id join, u.id join",
    ),
    ("SELECT t.b, u.d FROM t CROSS JOIN u", "b: t.b id; d: u.d id"),
    (
        "SELECT b, d FROM t NATURAL JOIN u",
        "b: t.b id; d: u.d id; rows: t.a join, t.id join, u.a join, u.id join",
    ),
    (
        "SELECT x.a, y.a AS other FROM t x JOIN t y ON x.id = y.b",
        "a: t.a id; other: t.a id; rows: t.b join, t.id join",
    ),
    ("SELECT a FROM t LEFT SEMI JOIN u ON t.id = u.id", "a: t.a id; rows: t.id join, u.id join"),
    ("SELECT a FROM t LEFT ANTI JOIN u ON t.id = u.id", "a: t.a id; rows: t.id join, u.id join"),
    (
        "SELECT k, a FROM t JOIN (VALUES (1, 'x'), (2, 'y')) AS v(n, k) ON t.id = v.n",
        "k: –; a: t.a id; rows: t.id join",
    ),
    // Subqueries.
    (
        "SELECT a FROM t WHERE id IN (SELECT id FROM u WHERE d > 1)",
        "a: t.a id; rows: t.id filter, u.d filter, u.id filter",
    ),
    (
        "SELECT a FROM t WHERE NOT EXISTS (SELECT n FROM u WHERE u.id = t.id)",
        "a: t.a id; rows: t.id filter, u.id filter",
    ),
    ("SELECT a, (SELECT max(d) FROM u) AS m FROM t", "a: t.a id; m: u.d ag"),
    (
        "SELECT (SELECT max(d) FROM u WHERE u.id = t.id) AS m FROM t",
        "m: t.id filter, u.d ag, u.id filter",
    ),
    (
        "SELECT a FROM t WHERE b > (SELECT avg(d) FROM u WHERE n = 'x')",
        "a: t.a id; rows: t.b filter, u.d filter, u.n filter",
    ),
    ("SELECT a FROM t WHERE b = ANY (SELECT d FROM u)", "a: t.a id; rows: t.b filter, u.d filter"),
    (
        "SELECT t.a, x.m FROM t, LATERAL (SELECT max(d) AS m FROM u WHERE u.id = t.id) AS x",
        "a: t.a id; m: u.d ag; rows: t.id filter, u.id filter",
    ),
    // Groups.
    (
        "SELECT a, sum(b) AS x, count(*) AS n FROM t GROUP BY a",
        "a: t.a id; x: t.b ag; n: –; rows: t.a group",
    ),
    ("SELECT sum(b) + 1 AS x, sum(a * b) / count(*) AS y FROM t", "x: t.b ag; y: t.a ag, t.b ag"),
    (
        "SELECT count(DISTINCT b) AS n FROM t GROUP BY a HAVING max(s) > 'x'",
        "n: t.b ag; rows: t.a group, t.s filter",
    ),
    (
        "SELECT sum(a) FILTER (WHERE flag) AS x, count(*) FILTER (WHERE b > 0) AS n FROM t",
        "x: t.a ag, t.flag filter; n: t.b filter",
    ),
    (
        "SELECT array_agg(a ORDER BY b) AS x, first_value(s ORDER BY id) AS y FROM t",
        "x: t.a ag, t.b sort; y: t.id sort, t.s ag",
    ),
    (
        "SELECT date_trunc('month', day) AS m, max(a) AS x FROM t GROUP BY date_trunc('month', day)",
        "m: t.day tr; x: t.a ag; rows: t.day group",
    ),
    (
        "SELECT max(n) AS x FROM (SELECT a, count(*) AS n FROM t GROUP BY a)",
        "x: –; rows: t.a group",
    ),
    (
        "SELECT a, b, grouping(a) AS g, count(*) AS n FROM t GROUP BY GROUPING SETS ((a), (b))",
        "a: t.a tr; b: t.b tr; g: –; n: –; rows: t.a group, t.b group",
    ),
    (
        "SELECT a, s, sum(b) AS x FROM t GROUP BY ROLLUP (a, s)",
        "a: t.a tr; s: t.s tr; x: t.b ag; rows: t.a group, t.s group",
    ),
    ("SELECT a, sum(b) AS x FROM t GROUP BY CUBE (a)", "a: t.a tr; x: t.b ag; rows: t.a group"),
    // One of several rows.
    ("SELECT DISTINCT a, b FROM t", "a: t.a id; b: t.b id; rows: t.a group, t.b group"),
    (
        "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, id",
        "a: t.a id; b: t.b id; rows: t.a group+sort, t.id sort",
    ),
    // Sets, by position.
    (
        "SELECT a, b FROM t UNION ALL SELECT d, id + 1 FROM u",
        "a: t.a id, u.d id; b: t.b id, u.id tr",
    ),
    ("SELECT a FROM t UNION SELECT d FROM u", "a: t.a id, u.d id; rows: t.a group, u.d group"),
    ("SELECT a, 1 AS k FROM t UNION ALL SELECT d, a FROM u", "a: t.a id, u.d id; k: u.a id"),
    ("SELECT a FROM t INTERSECT SELECT d FROM u", "a: t.a id; rows: t.a join+group, u.d join"),
    ("SELECT a FROM t EXCEPT SELECT d FROM u", "a: t.a id; rows: t.a join+group, u.d join"),
    // Windows.
    (
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) AS r FROM t",
        "r: t.a window, t.b window",
    ),
    (
        "SELECT sum(b) OVER (PARTITION BY a ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS x FROM t",
        "x: t.a window, t.b ag, t.id window",
    ),
    ("SELECT lag(b, 1) OVER (ORDER BY id) AS x FROM t", "x: t.b tr, t.id window"),
    (
        "SELECT a, rank() OVER w AS r, max(s) OVER w AS m FROM t WINDOW w AS (ORDER BY day)",
        "a: t.a id; r: t.day window; m: t.day window, t.s ag",
    ),
    (
        "SELECT a FROM (SELECT a, row_number() OVER (PARTITION BY a ORDER BY b) AS r FROM t) WHERE r = 1",
        "a: t.a id; rows: t.a filter, t.b filter",
    ),
    (
        "SELECT a FROM t QUALIFY row_number() OVER (PARTITION BY s ORDER BY b) = 1",
        "a: t.a id; rows: t.b filter, t.s filter",
    ),
    (
        "SELECT sum(sum(b)) OVER (ORDER BY a) AS x FROM t GROUP BY a",
        "x: t.a window, t.b ag; rows: t.a group",
    ),
    // Queries with names.
    (
        "WITH x AS (SELECT id, a + 1 AS k FROM t) SELECT p.k, q.k AS k2 FROM x p JOIN x q ON p.id = q.k",
        "k: t.a tr; k2: t.a tr; rows: t.a join, t.id join",
    ),
    ("WITH t AS (SELECT d AS a FROM u) SELECT a FROM t", "a: u.d id"),
    (
        "WITH RECURSIVE r AS (SELECT a AS n FROM t UNION ALL SELECT r.n + u.d FROM r JOIN u ON r.n = u.id WHERE r.n < 9) SELECT n FROM r",
        "n: t.a tr, u.d tr; rows: t.a join+filter, u.d join+filter, u.id join",
    ),
    // Wildcards.
    ("SELECT * EXCLUDE (s, day, flag, l, p) FROM t", "id: t.id id; a: t.a id; b: t.b id"),
    ("SELECT u.* EXCEPT (n) REPLACE (a * 2 AS a) FROM u", "id: u.id id; a: u.a tr; d: u.d id"),
    // Parts of values.
    ("SELECT p['x'] AS x, p['y']['z'] AS z FROM t", "x: t.p tr; z: t.p tr"),
    ("SELECT l[1] AS x FROM t", "x: t.l tr"),
    ("SELECT named_struct('k', a, 'm', s) AS x FROM t", "x: t.a tr, t.s tr"),
    ("SELECT id, unnest(l) AS e FROM t", "id: t.id id; e: t.l tr; rows: t.l join"),
    (
        "SELECT e + a AS x FROM (SELECT a, unnest(l) AS e FROM t)",
        "x: t.a tr, t.l tr; rows: t.l join",
    ),
    // Only a hash comes out.
    ("SELECT sha256(s) AS h FROM t", "h: t.s tr+masked"),
    ("SELECT max(sha256(lower(s))) AS h FROM t", "h: t.s ag+masked"),
    ("SELECT h || s AS x FROM (SELECT sha256(s) AS h, s FROM t)", "x: t.s tr"),
];

#[test]
fn of_every_kind_of_sql_the_inputs_of_each_column_are_known() {
    let context = context();
    let mut wrong = vec![];
    for (sql, answer) in ANSWERS {
        let found = lineage(&context, sql);
        let told = short(&found);
        if told != *answer || !found.unknown.is_empty() {
            wrong.push(format!(
                "{sql}\n  by hand: {answer}\n  found:   {told}  {:?}",
                found.unknown
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), ANSWERS.len(), wrong.join("\n"));
}

#[test]
fn a_struct_that_is_taken_apart_becomes_columns_and_no_rows() {
    let found = lineage(&context(), "SELECT unnest(p) FROM t");
    let uses: Vec<String> = short(&found).split("; ").map(str::to_owned).collect();
    assert_eq!(uses.len(), 2, "{uses:?}");
    assert!(uses.iter().all(|column| column.ends_with(": t.p tr")), "{uses:?}");
}

#[test]
fn an_expression_is_told_as_sql_with_how_its_columns_were_made() {
    let context = context();
    let told = |sql: &str| {
        let lineage = lineage(&context, sql);
        lineage.columns[0].expression.clone().unwrap_or_default()
    };
    assert_eq!(told("SELECT a FROM t"), "");
    assert_eq!(told("SELECT lower(s) AS x FROM t"), "lower(s)");
    assert_eq!(
        told("SELECT x * 2 AS y FROM (SELECT sum(a) AS x FROM t)"),
        "x * 2, where x = sum(a)"
    );
    assert_eq!(told("SELECT t.a + u.a AS x FROM t CROSS JOIN u"), "t.a + u.a");
    let long = format!("SELECT a{} AS x FROM t", " + a".repeat(100));
    // Planning it takes a deep stack.
    assert_eq!(on_stack(64 << 20, || told(&long)), "an expression of 201 parts");
}

/// Planning needs a deep stack, so the product limits the depth of SQL. Reading lineage needs none.
#[test]
fn deep_sql_needs_no_deep_stack() {
    let mut nested = "SELECT a AS x FROM t".to_owned();
    for _ in 0..12 {
        nested = format!("SELECT x FROM ({nested}) WHERE x > 0");
    }
    for (sql, answer) in [
        (format!("SELECT a{} AS x FROM t", " + b".repeat(900)), "x: t.a tr, t.b tr"),
        (
            format!("SELECT a FROM t{}", " UNION ALL SELECT d FROM u".repeat(450)),
            "a: t.a id, u.d id",
        ),
        (nested, "x: t.a id; rows: t.a filter"),
    ] {
        let planned = move || {
            let plan = block_on(context().state().create_logical_plan(&sql)).unwrap();
            let read = || short(&lineage_of(&plan, &tables()));
            let told = on_stack(256 << 10, read);
            assert_eq!(told, answer);
        };
        on_stack(64 << 20, planned);
    }
}

fn on_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(bytes);
        thread.spawn_scoped(scope, work).unwrap().join().unwrap()
    })
}
